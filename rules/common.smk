import shlex
from functools import cache
from pathlib import Path

from scripts.lib import config as study_config
from scripts.lib.engine.braced_paths import without_braces
from scripts.lib.study.config_parts import check_part
from scripts.lib.cohort.telling import tell_cohorts
from scripts.lib.errors import InputError
from scripts.lib.study.exposure import exposure, exposures, proxy_judged_on_training
from scripts.lib.fingerprint import fingerprint
from scripts.lib.launching import check_gpu_limit
from scripts.lib.engine.nameless_user import name_user
from scripts.lib.study.processor import asks, precision_here, resolved
from scripts.lib.study.raw_content import raw_content
from scripts.lib.raw_trees import check_sources, root_of, tracked_files
from scripts.lib.stale_locks import clear_stale_locks
from scripts.lib.starting import begin_jobs, check_place, check_profile, one_line
from scripts.lib.versions import versions

name_user()

# The Snakemake that somebody has started speaks for the folder, not those that it starts for single jobs.
ALIVE = None
if workflow.is_main_process:
    one_line(check_profile, sys.argv[1:], Path(workflow.basedir))
    one_line(check_place, Path(workflow.basedir))
    ALIVE = one_line(clear_stale_locks)


def checked_config():
    """The configuration with its placeholders filled, read anew from the files: Snakemake's reader takes YAML 1.1 and more.

    Raises InputError.
    """
    given = workflow.config_settings
    base = [] if given.replace_workflow_config else [Path(workflow.basedir) / "config.yaml"]
    resolved = study_config.load_study([*base, *given.configfiles], given.config)
    check_sources(resolved)
    return without_braces(resolved, ".snakemake/paths")


CONFIG = one_line(checked_config)


@cache
def need(part):
    """End the run with one line unless a part of the configuration that a target needs fits the study."""
    one_line(check_part, CONFIG, part)


def fitting(part, value):
    """An input or params function: `value`, or what it returns, once the part is known to fit."""

    def checked(wildcards):
        need(part)
        return value(wildcards) if callable(value) else value

    return checked


if workflow.is_main_process:
    one_line(check_gpu_limit, CONFIG["compute"]["gpus"], getattr(workflow.global_resources.get("gpu"), "value", None))
STUDY = CONFIG["study"]
if workflow.is_main_process:
    for line in exposures(CONFIG):
        print(f"Note: {line}", file=sys.stderr)
FRACTIONS = [f"{fraction:g}" for fraction in STUDY["fractions"]]


wildcard_constraints:
    dataset="|".join(CONFIG["datasets"]),
    arm="[a-z0-9][a-z0-9-]*",
    generator="[a-z0-9][a-z0-9-]*",
    fraction=r"[0-9]+(\.[0-9]+)?",
    trial="[0-9]+",
    shard="[0-9]+",
    figure="figure3|figure4",


def code(script):
    """What a job computes with: its own code, and for a job that uses torch the versions of what does the arithmetic."""
    return fingerprint(f"scripts.{script}") + versions(script)


@cache
def precision():
    """What `precision: auto` means in this run; measured when the results folder is new."""
    return one_line(precision_here, GPUS, workflow.dryrun or workflow.touch)


def settings_of(name, dataset=None):
    """The settings of one stage with the precision of this run."""
    settings = study_config.stage(CONFIG, name, dataset)
    return resolved(settings, precision()) if asks(settings) else settings


def stage(name):
    """A params function: the settings of one stage, cut to the dataset of the job, as canonical JSON."""

    @cache
    def text(dataset):
        return study_config.to_json(settings_of(name, dataset))

    def settings(wildcards):
        return text(getattr(wildcards, "dataset", None) if name in study_config.PER_DATASET else None)

    return settings


def raw_sources(wildcards):
    """The files that say when a raw tree has changed: the phantom's manifest, or the tables of a real tree."""
    return tracked_files(CONFIG["datasets"][wildcards.dataset], wildcards.dataset)


@cache
def content_of(dataset):
    return raw_content(CONFIG["datasets"][dataset], Path(".snakemake", "raw_tables.json"))


def raw_fingerprint(wildcards):
    """What the raw tables and films are, by content: a table with an older time is another table all the same."""
    return content_of(wildcards.dataset)


def raw_root(wildcards):
    return root_of(CONFIG["datasets"][wildcards.dataset], wildcards.dataset)


def cohorts_of(dag):
    """The folders of the cohorts that a run's jobs make or have found ready."""
    return sorted(f"results/{job.wildcards.dataset}/cohort" for job in dag.jobs if job.rule.name == "prepare_cohort")


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
    """The options of test_significance; a family wider than these is narrowed to the widest of them."""
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


def arm_roles(wildcards):
    """Which model does what in a filtered arm, for its report."""
    roles = {"dataset": wildcards.dataset, "arm": wildcards.arm, "fraction": wildcards.fraction}
    roles["exposure"] = exposure(CONFIG, wildcards.arm, wildcards.dataset, float(wildcards.fraction))
    roles |= {"proxy": proxy_name(wildcards), "proxy_trained_here": CONFIG["proxy"]["model"] is None}
    judge = trial_settings(wildcards)["model"]
    roles |= {"foundation": STUDY["foundation"], "judge": judge, "judge_trained_here": judge["weights"] == MGCA}
    return study_config.to_json(roles)
