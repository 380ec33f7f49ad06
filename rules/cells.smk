# Which cells, pools and logs figures and feedback read: functions alone, no rules.


class Cell:
    """A dataset, arm and fraction that the configuration names, in place of a job's wildcards."""

    def __init__(self, dataset, arm, fraction):
        self.dataset, self.arm, self.fraction = dataset, arm, f"{fraction:g}"


def tuning_cell():
    """Whose kept images fine-tune the generator."""
    need("finetune")
    source = CONFIG["finetune"]["source"]
    return Cell(source["dataset"], source["arm"], source["fraction"])


FIGURE3 = CONFIG["figures"]["figure3"]


def cells_of_figure(figure):
    """The dataset, arms and fractions behind the bars of Figure 3 or 4."""
    need(figure)
    chosen = CONFIG["figures"][figure]
    return chosen["dataset"], chosen["arms"], [f"{chosen['fraction']:g}"]


def figure3_cell():
    """The pool whose scored images Figure 3 shows: that of its first filtered arm."""
    need("figure3")
    arm = next((arm for arm in FIGURE3["arms"] if filtered(arm)), FIGURE3["arms"][0])
    return Cell(FIGURE3["dataset"], arm, FIGURE3["fraction"])


def first_cell(segmentation):
    """The study's first dataset with (or without) masks, in the arm of Figure 2 and its second smallest fraction."""
    arm = CONFIG["figures"]["arm"]
    for dataset in STUDY["datasets"]:
        if (CONFIG["datasets"][dataset]["task"] == "segmentation") == segmentation:
            fraction = sorted(STUDY["fractions"])[:2][-1]
            return Cell(dataset, arm, fraction)
    return None


def mask_cell():
    return first_cell(True)


def text_cell():
    return first_cell(False)


def conditions_of(cell):
    return f"results/{cell.dataset}/conditions/{cell.arm}/fraction-{cell.fraction}.parquet"


def figure1_options(wildcards):
    """The folders whose films Figure 1 shows."""
    options = ["--cohorts", *[f"{name}=results/{name}/cohort" for name in STUDY["datasets"]]]
    if cell := mask_cell():
        options += ["--mask-pool", *pool_shards(cell), "--mask-cohort", f"results/{cell.dataset}/cohort"]
        options += ["--mask-conditions", conditions_of(cell)]
    if cell := text_cell():
        options += ["--text-pool", *pool_shards(cell)]
    return " ".join([*options, "--scored-pool", *pool_shards(figure3_cell())])


def figure1_stage(wildcards):
    """What the boxes of Figure 1 say."""
    figures = {name: CONFIG["figures"][name] for name in ("width_mm", "dpi")}
    cell = mask_cell()
    target = CONFIG["datasets"][cell.dataset]["target"] if cell else None
    return study_config.to_json({**study_config.described(CONFIG), **figures, "target": target})


def feedback_stage(name):
    """A params function: one part of the section `feedback`, with what all parts share, as canonical JSON."""
    shared = {"splits": {name: splits for name, splits in CONFIG["feedback"]["splits"].items() if splits}}
    return lambda wildcards: study_config.to_json({**shared, **CONFIG["feedback"][name]})


# A dataset with an empty list is left out.
CAPTIONED = [name for name, splits in CONFIG["feedback"]["splits"].items() if splits]


def captioned(path):
    """An input or params function: the path in each dataset that raters see films of."""
    return fitting("feedback", collect(path, dataset=CAPTIONED))


def judged_cohorts(wildcards):
    """What simulated raters learn from: only a phantom's own raters may go without a word."""
    need("simulation")
    real = [name for name in CAPTIONED if CONFIG["datasets"][name]["root"] != "phantom"]
    if real and workflow.is_main_process:
        say_once(
            f"feedback.ratings is null: the raters of {', '.join(real)} are simulated, no radiologist has seen these films; "
            "`make rate` collects real scores"
        )
    return [f"results/{name}/cohort/images.npy" for name in CAPTIONED]


@cache
def say_once(line):
    print(f"Note: {line}", file=sys.stderr)


def rated_shards(wildcards):
    """The shard folders of the pool that raters see."""
    return [f"results/feedback/pool/shard-{shard}" for shard in range(CONFIG["feedback"]["shards"])]


def rated_files(wildcards):
    """The files of those shards."""
    names = ("images.npy", "masks.npy", "index.parquet", "cohort.json")
    return [f"{shard}/{name}" for shard in rated_shards(wildcards) for name in names]


def ratings_log(wildcards):
    """The raters' log: that of the rating app, or of simulated raters where the configuration names none."""
    return CONFIG["feedback"]["ratings"] or "results/feedback/simulated.jsonl"
