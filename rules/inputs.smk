# What the rules of single stages ask beside the study itself: functions alone, no rules.
from scripts.lib.cohort.telling import tell_cohorts
from scripts.lib.engine.passed_on import passed_on
from scripts.lib.study.cells import Cell
from scripts.lib.study.config import prompts_of
from scripts.lib.study.figure5 import Figure5
from scripts.lib.study.mask_pools import MaskPools
from scripts.lib.study.needs import needed_datasets, needs_settings, tell_findings
from scripts.lib.study.firewall import tell_checks
from scripts.lib.study.raw_content import raw_content
from scripts.lib.study.replication import Replication
from scripts.lib.study.sources import root_of, tracked_files

REPLICATION = Replication(STUDY)
MASK_POOLS = MaskPools(STUDY)
WITH_REPORTS = ("mimic", "candid")  # formats that bring a report for nearly every film


def raw_sources(wildcards):
    """The files that say when a raw tree has changed: the phantom's manifest, or the tables of a real tree."""
    return tracked_files(CONFIG["datasets"][wildcards.dataset], wildcards.dataset)


def all_sources():
    """The same of all datasets that the study's own arms need."""
    return [file for name in needed_datasets(CONFIG) for file in tracked_files(CONFIG["datasets"][name], name)]


@cache
def content_of(dataset):
    return raw_content(CONFIG["datasets"][dataset], Path(".snakemake", "raw_tables.json"))


def raw_fingerprint(wildcards):
    """What the raw tables and films are, by content: a table with an older time is another table all the same."""
    return content_of(wildcards.dataset)


def raw_root(wildcards):
    return root_of(CONFIG["datasets"][wildcards.dataset], wildcards.dataset)


@signed
def films_of_another_seed(wildcards, resources):
    """A params function: real films that another run has decoded; of `resources`, since the cohort is the same without them."""
    return shlex.join(f"--decoded={folder}" for folder in REPLICATION.decoded(wildcards.dataset))


def cohorts_of(dag):
    """The folders of the cohorts that a run's jobs make or have found ready."""
    return sorted(f"results/{job.wildcards.dataset}/cohort" for job in dag.jobs if job.rule.name == "prepare_cohort")


def checks_of(dag):
    """The tables of the checks that a run has made or found ready."""
    return sorted({file for job in dag.jobs if job.rule.name == "check_leakage" for file in job.output})


def findings_of(dag):
    """The tables of what a check of the data in this run has found."""
    return [job.output.table for job in dag.jobs if job.rule.name == "check_data"]


def settings_of(section, *names):
    """A params value: some settings of a section, so that a change of the others redoes nothing."""
    return as_text({name: CONFIG[section][name] for name in names})


@signed
def foundation_templates(wildcards):
    """A params value: the words of labels that stand in place of the reports of datasets without any.

    Formats that are published with reports have no part in it, so that another prompt trains no foundation model anew.
    """
    silent = [name for name in STUDY.foundation if CONFIG["datasets"][name]["format"] not in WITH_REPORTS]
    return to_json({name: prompts_of(CONFIG, name) for name in silent})


# Nothing waits for these checks. An input of another time stamp would train everything anew, and behind an ancient one Snakemake
# no longer sees changed settings. Targets ask for them, and their priority puts them before all trainings that may start.
PREREQUISITES = [
    f"results/{name}/prerequisites.csv" for name in dict.fromkeys([*needed_datasets(CONFIG), *STUDY.datasets])
]


@signed
def needs_of(wildcards):
    """A params value: what the films of a dataset have to bring."""
    return to_json(needs_settings(CONFIG, wildcards.dataset))


@signed
def mask_subsets(wildcards):
    """A params value: which films the masks of a trial may be asked for, whatever its task."""
    return to_json(one_line(MASK_POOLS.subsets, wildcards))


@signed
def figure5_settings(wildcards):
    """A params value: how Figure 5 and Table 2 look, their datasets, and the arms of the study."""
    return to_json({**stage_of(CONFIG, "figure5"), "arms": STUDY.arms, "names": one_line(Figure5(STUDY).names)})


def feedback_settings(part):
    """One part of the section `feedback`, as canonical JSON."""
    return to_json(SHOWN.feedback(part))


@cache
def say_once(line):
    print(f"Note: {line}", file=sys.stderr)


def judged_cohorts(wildcards):
    """What simulated raters learn from; that nobody has seen real films is said on the screen."""
    films = one_line(SHOWN.judged, "results/{}/cohort/images.npy")
    if SHOWN.unseen() and workflow.is_main_process:
        say_once(
            f"feedback.ratings is null: the raters of {', '.join(SHOWN.unseen())} are simulated, no radiologist has seen these "
            "films; `make rate` collects real scores"
        )
    return films


@cache
def trial_text(dataset, arm):
    return as_text(STUDY.cell_settings(Cell(dataset, arm, "")))


@signed
def trial_stage(wildcards):
    """A params function: the settings of a cell's trials."""
    return trial_text(wildcards.dataset, wildcards.arm)


def study_trials(wildcards):
    """Dataset, arms and fractions of the trials of one dataset."""
    return wildcards.dataset, STUDY.arms, STUDY.fractions


def figure_trials(wildcards):
    """Dataset, arms and fractions of the trials behind the bars of Figure 3 or 4."""
    return one_line(SHOWN.bars, wildcards.figure)


@signed
def pool_settings(wildcards):
    """A params function: what taking in a pool made elsewhere needs to know of its dataset and arm."""
    return to_json(one_line(STORES.settings, wildcards))


@signed
def decoding_settings(wildcards):
    """A params function: where and how precisely an autoencoder computes."""
    return as_text({key: CONFIG["sampling"][key] for key in ("device", "precision", "micro_batch")})


def whole_config(wildcards):
    return to_json(one_line(REPLICATION.settings, int(wildcards.seed)))


def options_of_run(wildcards, resources):
    """A function of `resources`, so that another number of cores redoes nothing."""
    return shlex.join(
        ["--snakefile", str(workflow.main_snakefile), *passed_on(sys.argv[1:], workflow.resource_settings.cores)]
    )
