from functools import cache
from pathlib import Path

from scripts.lib.study import config as study_config
from scripts.lib.cohort.telling import tell_cohorts
from scripts.lib.engine.braced_paths import without_braces
from scripts.lib.engine.nameless_user import name_user
from scripts.lib.core.errors import InputError
from scripts.lib.study.fingerprint import fingerprint
from scripts.lib.engine.launch import check_gpu_limit
from scripts.lib.study.sources import check_sources, root_of, tracked_files
from scripts.lib.engine.locks import clear_stale_locks
from scripts.lib.engine.start import begin_jobs, check_place, check_profile, one_line
from scripts.lib.study.parts import check_part
from scripts.lib.study.exposure import exposure, exposures, proxy_judged_on_training
from scripts.lib.study.processor import asks, precision_here, resolved
from scripts.lib.study.raw_content import raw_content
from scripts.lib.study.versions import versions

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
