# Arms, pools, trials and the proxy model: what belongs to a cell, and what its commands are told. Functions alone, no rules.
import shlex


def base_model(wildcards):
    """The foundation model: a path from the configuration, or the one trained in the workflow."""
    return CONFIG["base"]["path"] or "results/generators/base"


def arm_of(wildcards):
    """The description of a job's arm; a name that the configuration does not have ends the run with one line."""
    if wildcards.arm not in CONFIG["arms"]:
        one_line(refuse, f"config: arms.{wildcards.arm} is missing; known arms: {', '.join(CONFIG['arms'])}")
    return CONFIG["arms"][wildcards.arm]


def refuse(line):
    raise InputError(line)


def arm_generator(wildcards):
    return f"results/generators/{arm_of(wildcards)['generator']}"


def filtered(arm):
    """Whether an arm's trials read only what the proxy model kept of its pool."""
    return arm != "real" and CONFIG["arms"].get(arm, {}).get("filter") == "proxy"


def multipliers(arm, fraction):
    """The multipliers that an arm's trials run: 0 belongs to the arm `real`, the others to the synthetic arms."""
    wanted = STUDY["multipliers"].get(fraction, [])
    return [value for value in wanted if (value == 0) == (arm == "real")]


def runs(dataset, arm, fraction):
    """Whether the study runs an arm in this dataset and fraction: `cells` of the arm, else everywhere."""
    cells = {} if arm == "real" else CONFIG["arms"][arm].get("cells", {})
    here = dataset in cells.get("datasets", [dataset])
    there = fraction in [f"{value:g}" for value in cells.get("fractions", [float(fraction)])]
    return here and there and bool(multipliers(arm, fraction))


def candidates(wildcards):
    """Images to make for each real one: the largest multiplier, and as many more as a filter will throw away."""
    share = arm_of(wildcards).get("candidates", 1) if filtered(wildcards.arm) else 1
    return max(multipliers_of(wildcards.fraction)) * share


def multipliers_of(fraction):
    """The multipliers of a fraction; one that the study does not have ends the run with one line."""
    known = STUDY["multipliers"]
    if fraction not in known:
        one_line(refuse, f"config: study.multipliers: no list for fraction {fraction}; there are {', '.join(known)}")
    return known[fraction]


def shard_count(fraction):
    return CONFIG["sampling"]["shards"].get(fraction, 1)


def pool_of(wildcards):
    return f"results/{wildcards.dataset}/pools/{wildcards.arm}/fraction-{wildcards.fraction}"


def pool_shards(wildcards):
    """The shard folders of a trial's pool, in order; none for real-only trials."""
    if wildcards.arm == "real":
        return []
    return [f"{pool_of(wildcards)}/shard-{shard}" for shard in range(shard_count(wildcards.fraction))]


def shard_files(wildcards):
    """The files of those shards."""
    names = ("images.npy", "masks.npy", "index.parquet", "cohort.json")
    return [f"{shard}/{name}" for shard in pool_shards(wildcards) for name in names]


def pool_kept(wildcards):
    """The list of what was kept of a filtered arm's pool; nothing for other arms."""
    return [f"{pool_of(wildcards)}/kept.parquet"] if filtered(wildcards.arm) else []


def pool_sheets():
    """The sheets of every pool that the study's trials read."""
    return [
        f"results/{dataset}/pools/{arm}/fraction-{fraction}/sheet.png"
        for dataset in STUDY["datasets"]
        for arm in STUDY["arms"]
        for fraction in FRACTIONS
        if runs(dataset, arm, fraction)
    ]


def trials_of(dataset, arms, fractions):
    """The trial tables of one dataset, for the real-only arm and these."""
    patterns = trial_patterns(dataset, arms, fractions)
    return [pattern.replace("{}", str(trial)) for pattern in patterns for trial in range(STUDY["trials"])]


def trial_patterns(dataset, arms, fractions):
    """The same with {} for the number of the trial: a command that named them all would soon be longer than Linux allows."""
    return [
        f"results/{dataset}/trials/{arm}/fraction-{fraction}/trial-{{}}.csv"
        for arm in ["real", *arms]
        for fraction in fractions
        if runs(dataset, arm, fraction)
    ]


def trial_tables(wildcards):
    """Every trial table of one dataset in the study's arms."""
    return trials_of(wildcards.dataset, STUDY["arms"], FRACTIONS)


def study_options(wildcards):
    """The same tables as options of collect_tables."""
    return collecting(trial_patterns(wildcards.dataset, STUDY["arms"], FRACTIONS))


def collecting(patterns):
    return shlex.join(["--tables", *patterns, "--trials", str(STUDY["trials"])])


DATASET_FAMILIES = ["setting", "dataset"]
STUDY_FAMILIES = [*DATASET_FAMILIES, "task", "study"]


def significance_options(families):
    """The options of compare_arms; a family wider than these is narrowed to the widest of them."""
    chosen = CONFIG["statistics"]
    family = chosen["family"] if chosen["family"] in families else families[-1]
    return (
        f"--test {chosen['test']} --family {family} --alpha {chosen['alpha']} --metrics {' '.join(chosen['metrics'])}"
    )


MGCA = "results/mgca"


def trial_settings(wildcards):
    """A dataset's trial settings; the weights called `mgca` are those that the workflow trains."""
    settings = settings_of("trials", wildcards.dataset)
    if settings["model"]["weights"] == "mgca":
        settings["model"] = {**settings["model"], "weights": MGCA}
    return settings


@cache
def trial_text(dataset):
    return study_config.to_json(trial_settings(Cell(dataset, "real", 1)))


@signed
def trial_stage(wildcards):
    return trial_text(wildcards.dataset)


@signed
def trial_sources(wildcards):
    """What a trial reads beside its cohort: the pool, what was kept of it, and weights that are a file or folder."""
    weights = trial_settings(wildcards)["model"]["weights"]
    indices = [f"{shard}/index.parquet" for shard in pool_shards(wildcards)]
    return [*indices, *pool_kept(wildcards), *([] if weights in (None, "imagenet") else [weights])]


@signed
def trial_options(wildcards):
    """The options of train_trials that are the same in every trial of a cell."""
    arm, fraction = wildcards.arm, wildcards.fraction
    pool, kept = pool_shards(wildcards), pool_kept(wildcards)
    options = ["--arm", arm, "--fraction", fraction, "--multipliers", *map(str, multipliers(arm, fraction))]
    note = exposure(CONFIG, arm, wildcards.dataset, float(fraction))
    options += ["--note", note] if note else []
    return shlex.join(options + (["--pool", *pool] if pool else []) + (["--kept", *kept] if kept else []))


def proxy_model(wildcards):
    """The folder of the proxy model, where it is a folder; an id of a model hub is not a file."""
    chosen = CONFIG["proxy"]["model"]
    if chosen is None:
        return ["results/proxy/model"]
    return [chosen.removeprefix("local-dir:")] if chosen.startswith("local-dir:") else []


def proxy_name(wildcards):
    """How open_clip calls the proxy model."""
    return CONFIG["proxy"]["model"] or "results/proxy/model"


def validation_note(wildcards):
    """What a reader of the proxy model's validation must know of its films, as an option of validate_proxy."""
    name = CONFIG["proxy"]["validation"]["dataset"]
    if name not in STUDY["datasets"] or not proxy_judged_on_training(CONFIG, name):
        return ""
    return shlex.join(
        ["--note", f"training films of {name}, whose trials at smaller fractions may not use all of them"]
    )


def pool_scores(wildcards):
    """The proxy model's scores of a pool, a table for each shard."""
    return [f"{pool_of(wildcards)}/scores-{shard}.parquet" for shard in range(shard_count(wildcards.fraction))]


def arm_roles(wildcards):
    """Which model does what in a filtered arm, for its report."""
    roles = {"dataset": wildcards.dataset, "arm": wildcards.arm, "fraction": wildcards.fraction}
    roles["exposure"] = exposure(CONFIG, wildcards.arm, wildcards.dataset, float(wildcards.fraction))
    roles |= {"proxy": proxy_name(wildcards), "proxy_trained_here": CONFIG["proxy"]["model"] is None}
    judge = trial_settings(wildcards)["model"]
    roles |= {"foundation": STUDY["foundation"], "judge": judge, "judge_trained_here": judge["weights"] == MGCA}
    return study_config.to_json(roles)
