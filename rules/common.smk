from scripts.lib import config as study_config
from scripts.lib.errors import InputError
from scripts.lib.fingerprint import fingerprint
from scripts.lib.raw_trees import check_sources, root_of, tracked_files
from scripts.lib.stale_locks import clear_stale_locks
from scripts.lib.versions import versions

ALIVE = clear_stale_locks()


wildcard_constraints:
    dataset="[a-z0-9][a-z0-9-]*",
    arm="[a-z0-9][a-z0-9-]*",
    generator="[a-z0-9][a-z0-9-]*",
    fraction=r"[0-9]+(\.[0-9]+)?",
    trial="[0-9]+",
    shard="[0-9]+",


def checked_config():
    """The configuration with its placeholders filled; a fault ends the run with one line."""
    try:
        for path in workflow.configfiles:
            study_config.read_yaml(path)
        resolved = study_config.resolve(config)
        check_sources(resolved)
        return resolved
    except InputError as error:
        raise WorkflowError(str(error)) from None


CONFIG = checked_config()
STUDY = CONFIG["study"]
FRACTIONS = [f"{fraction:g}" for fraction in STUDY["fractions"]]


def code(script):
    """What a job computes with: its own code, and for a job that uses torch the versions of what does the arithmetic."""
    return fingerprint(f"scripts.{script}") + versions(script)


def stage(name):
    """A params function: the settings of one stage, cut to the dataset of the job, as canonical JSON."""

    def settings(wildcards):
        dataset = getattr(wildcards, "dataset", None)
        section = study_config.stage(CONFIG, name, dataset if name in study_config.PER_DATASET else None)
        return study_config.to_json(section)

    return settings


def raw_sources(wildcards):
    """The files that say when a raw tree has changed: the phantom's manifest, or the tables of a real tree."""
    return tracked_files(CONFIG["datasets"][wildcards.dataset], wildcards.dataset)


def raw_root(wildcards):
    return root_of(CONFIG["datasets"][wildcards.dataset], wildcards.dataset)


def base_model(wildcards):
    """The foundation model: a path from the configuration, or the one trained in the workflow."""
    return CONFIG["base"]["path"] or "results/generators/base"


def arm_generator(wildcards):
    return f"results/generators/{CONFIG['arms'][wildcards.arm]['generator']}"


def multipliers(arm, fraction):
    """The multipliers that an arm's trials run: 0 belongs to the arm `real`, the others to the synthetic arms."""
    wanted = STUDY["multipliers"][fraction]
    return [value for value in wanted if (value == 0) == (arm == "real")]


def shard_count(fraction):
    return CONFIG["sampling"]["shards"].get(fraction, 1)


def pool_shards(wildcards):
    """The shard folders of a trial's pool, in order; none for real-only trials."""
    if wildcards.arm == "real":
        return []
    pool = f"results/{wildcards.dataset}/pools/{wildcards.arm}/fraction-{wildcards.fraction}"
    return [f"{pool}/shard-{shard}" for shard in range(shard_count(wildcards.fraction))]


def pool_sheets():
    """The sheets of every pool that the study's trials read."""
    return [
        f"results/{dataset}/pools/{arm}/fraction-{fraction}/sheet.png"
        for dataset in STUDY["datasets"]
        for arm in STUDY["arms"]
        for fraction in FRACTIONS
        if multipliers(arm, fraction)
    ]


def trial_tables(wildcards):
    """Every trial table of one dataset."""
    return [
        f"results/{wildcards.dataset}/trials/{arm}/fraction-{fraction}/trial-{trial}.csv"
        for arm in ["real", *STUDY["arms"]]
        for fraction in FRACTIONS
        for trial in range(STUDY["trials"])
        if multipliers(arm, fraction)
    ]


DATASET_FAMILIES = ["setting", "dataset"]
STUDY_FAMILIES = [*DATASET_FAMILIES, "task", "study"]


def significance_options(families):
    """The options of test_significance; a family wider than these is narrowed to the widest of them."""
    chosen = CONFIG["statistics"]
    family = chosen["family"] if chosen["family"] in families else families[-1]
    return (
        f"--test {chosen['test']} --family {family} --alpha {chosen['alpha']} --metrics {' '.join(chosen['metrics'])}"
    )
