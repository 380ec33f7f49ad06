"""Faults of a configuration that no schema sees, one line each: names that do not exist, values that do not go together.

Faults of a part that only some targets need (a figure, the raters) are asked for by that target: parts.py.
Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.formats.sources import FOLDER_COLUMNS, reader_settings
from scripts.lib.study.arm_faults import arm_faults, gate_faults
from scripts.lib.study.arms import KEPT, RATERS, REAL, arm_of
from scripts.lib.study.cohort_faults import cohort_faults
from scripts.lib.study.expert_faults import expert_faults
from scripts.lib.study.kind_faults import kind_faults
from scripts.lib.study.name_faults import unknown_names
from scripts.lib.study.number_faults import number_faults
from scripts.lib.study.parts import maskless_faults, outside_faults
from scripts.lib.study.schema import unknown_key
from scripts.lib.study.search_faults import space_faults
from scripts.lib.study.tasks import TASKS, targets_of

# Folders of results/ that a dataset of the same name would write into, and the arm that is always there.
TAKEN_DATASETS = (
    "phantom",
    "generators",
    "proxy",
    "mgca",
    "feedback",
    "tables",
    "seeds",
    "judges",
    "search",
    "logs",
    "benchmarks",
    "checkpoints",
)
TAKEN_ARMS = (REAL,)
# Columns that every cohort or pool has beside its labels.
TAKEN_LABELS = {
    *FOLDER_COLUMNS,
    *("source_file", "sha256", "mask_sha256", "synthetic", "present"),
    *("condition_id", "sample", "trial", "position", "kind"),
}
FRACTION = re.compile(r"[0-9]+(\.[0-9]+)?")


def sense_faults(config: Mapping[str, Any]) -> list[str]:
    """Return faults that a schema cannot see: names that do not exist, lists out of order, arms without a generator."""
    faults = [*unknown_names(config), *_fraction_faults(config), *arm_faults(config)]
    faults += [*gate_faults(config), *space_faults(config), *expert_faults(config), *number_faults(config)]
    for name, section in config["datasets"].items():
        faults += _dataset_faults(f"datasets.{name}", name, section)
    for arm in config["arms"]:
        if arm in TAKEN_ARMS:
            faults.append(f"config: arms.{arm}: the name of the arm without synthetic images; call it otherwise")
    return faults or [
        *outside_faults(config),
        *maskless_faults(config, "study.arms", config["study"]["arms"]),
        *cohort_faults(config),
        *_leaks(config),
        *kind_faults(config),
    ]


def _fraction_faults(config: Mapping[str, Any]) -> list[str]:
    study, faults = config["study"], []
    per_fraction, written = study["multipliers"], [f"{fraction:g}" for fraction in study["fractions"]]
    for fraction, text in zip(study["fractions"], written, strict=True):
        if not FRACTION.fullmatch(text) or written.count(text) > 1:
            faults.append(f"config: study.fractions: {fraction} is too small or too near another; six digits count")
        elif text not in per_fraction:
            faults.append(f'config: study.multipliers: no list for fraction {text}; add the key "{text}"')
    extra = [f"{fraction:g}" for fraction in study.get("real_fractions", [])]
    for fraction, text in zip(study.get("real_fractions", []), extra, strict=True):
        if not FRACTION.fullmatch(text) or extra.count(text) > 1:
            faults.append(
                f"config: study.real_fractions: {fraction} is too small or too near another; six digits count"
            )
    bands = config["statistics"]["age_bands"]
    if bands != sorted(bands):
        faults.append(f"config: statistics.age_bands = {bands}: expected ascending ages")
    for where, keys in (("study.multipliers", per_fraction), ("sampling.shards", config["sampling"]["shards"])):
        faults += [f'config: {where}: key "{key}": write "{float(key):g}"' for key in keys if key != f"{float(key):g}"]
    for fraction, multipliers in per_fraction.items():
        if multipliers != sorted(multipliers) or multipliers[0] != 0:
            faults.append(
                f"config: study.multipliers.{fraction} = {multipliers}: expected ascending numbers that begin with 0 (real only)"
            )
    return faults


def _dataset_faults(where: str, name: str, section: Mapping[str, Any]) -> list[str]:
    """Return faults of one dataset's own section."""
    faults = []
    if name in TAKEN_DATASETS:
        faults.append(f"config: {where}: results/{name} is the folder of something else; give the dataset another name")
    labels = [*section["labels"], *([] if TASKS[section["task"]].of_structures else targets_of(section))]
    faults += [
        f"config: {where}.labels: a cohort has a column {label} of its own; call the label otherwise"
        for label in dict.fromkeys(labels)
        if label in TAKEN_LABELS
    ]
    try:
        reader = reader_settings(section["format"], section.get("reader"))
    except InputError as error:
        return [*faults, f"config: {where}.reader: {error}"]
    if section["format"] == "folder":
        may = [*FOLDER_COLUMNS, *dict.fromkeys([*section["labels"], *targets_of(section)])]
        columns = [column for column in reader["columns"] if column not in may]
        faults += [unknown_key(f"{where}.reader.columns", str(column), may) for column in columns]
    task = TASKS[section["task"]]
    if task.targets not in ("any", "list" if isinstance(section["target"], list) else "one"):
        expected = "a list of labels" if task.targets == "list" else "one name"
        faults.append(f"config: {where}.target = {section['target']}: task {section['task']} expects {expected}")
    key = "structures" if task.of_structures else "labels"
    known = section.get(key)  # structures left out are all that the dataset has
    targets = targets_of(section)
    missing = [target for target in targets if known is not None and target not in known]
    faults += [f"config: {where}.target: {target!r} is not among {where}.{key} ({known})" for target in missing]
    split = section["split"] if isinstance(section["split"], Mapping) else {}
    for key, value in split.items():
        if isinstance(value, float) and value >= 1:
            faults.append(
                f"config: {where}.split.{key} = {value}: expected a share below 1, or a whole number of images"
            )
    return faults


def _leaks(config: Mapping[str, Any]) -> list[str]:
    """Return one fault for each dataset whose trials would be tested on films that taught their generator.

    Tuning to preferences learns from images that were made from masks and reports of feedback.splits.
    """
    splits, study, figures = config["feedback"]["splits"], config["study"], config["figures"]
    wanted = [(arm, name, "study.arms") for name in study["datasets"] for arm in study["arms"]]
    for key in ("figure3", "figure4"):
        wanted += [(arm, figures[key]["dataset"], f"figures.{key}.arms") for arm in figures[key]["arms"]]
    faults = {}
    for arm, name, where in wanted:
        here = name in arm_of(config, arm).cells.get("datasets", [name])
        if here and _taught_by_raters(config, arm) and "test" in splits.get(name, []):
            faults[name] = (
                f"config: feedback.splits.{name} = {splits[name]}: arm {arm} ({where}) is tested on the test films of "
                f"{name}, whose masks and reports teach its generator; take test out, or leave {name} out of "
                f"arms.{arm}.cells.datasets"
            )
    return list(faults.values())


def _taught_by_raters(config: Mapping[str, Any], arm: str) -> bool:
    """Whether raters taught an arm's generator, or that of the arm whose kept images taught it."""
    taught_by = arm_of(config, arm).taught_by
    source = arm_of(config, config["finetune"]["source"]["arm"])
    return RATERS in taught_by or (KEPT in taught_by and RATERS in source.taught_by)
