# What all rules share: the study, and functions that ask it about a job's wildcards.
import os
import shlex
import sys
from functools import cache
from pathlib import Path

from scripts.lib.core.phantom import say_phantoms
from scripts.lib.engine.run_setup import enter_folder, read_config, set_environment
from scripts.lib.engine.snakemake_patches import signed, speed_up_planning
from scripts.lib.engine.start import one_line
from scripts.lib.engine.targets import check_targets
from scripts.lib.study.study import Study
from scripts.lib.study.comparisons import comparisons
from scripts.lib.study.config import PER_DATASET, stage as stage_of, to_json
from scripts.lib.study.fingerprint import fingerprint
from scripts.lib.study.parts import study_datasets
from scripts.lib.study.processor import asks, precision_here, resolved
from scripts.lib.study.shown import Shown
from scripts.lib.study.stores import Stores
from scripts.lib.study.versions import versions

speed_up_planning()
set_environment(workflow)
ALIVE = one_line(enter_folder, workflow)
CONFIG = one_line(read_config, workflow)
STUDY = Study(CONFIG)
say_phantoms(CONFIG, study_datasets(CONFIG))
SHOWN, STORES = Shown(STUDY), Stores(STUDY)


wildcard_constraints:
    dataset="|".join(CONFIG["datasets"]),
    arm="[a-z0-9][a-z0-9-]*",
    generator="[a-z0-9][a-z0-9-]*",
    fraction=r"[0-9]+(\.[0-9]+)?",
    trial="[0-9]+",
    shard="[0-9]+",
    figure="figure3|figure4",


def ask(method, *arguments):
    """An input or params function: what a method of Study says of a job's cell; a fault ends the run with one line."""
    return signed(lambda wildcards: one_line(method, wildcards, *arguments))


def tell(method, *arguments):
    """The same for a method that needs no cell."""
    return signed(lambda wildcards: one_line(method, *arguments))


def optional(**options):
    """A params function: those options of a command whose functions return something, written out."""

    @signed
    def words(wildcards):
        found = []
        for name, function in options.items():
            value = function(wildcards)
            if value:
                found += [f"--{name.replace('_', '-')}", *([value] if isinstance(value, str) else value)]
        return shlex.join(found)

    return words


def code(script):
    """What a job computes with: its own code, and for a job that uses torch the versions of what does the arithmetic."""
    return fingerprint(f"scripts.{script}") + versions(script)


@cache
def precision():
    """What `precision: auto` means in this run; measured when the results folder is new."""
    return one_line(precision_here, CONFIG["compute"]["gpus"], workflow.dryrun or workflow.touch)


def as_text(settings):
    """Settings with the precision of this run, as canonical JSON."""
    return to_json(resolved(settings, precision()) if asks(settings) else settings)


def stage(name):
    """A params function: the settings of one stage, cut to the dataset of the job."""

    @cache
    def text(dataset):
        return as_text(stage_of(CONFIG, name, dataset))

    return signed(lambda wildcards: text(getattr(wildcards, "dataset", None) if name in PER_DATASET else None))
