"""Which datasets' films a study's own arms need, and for what; whether they have it: reporting/check_needs.py.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from scripts.lib.study.arms import FOUNDATION, arm_of
from scripts.lib.study.config import prompts_of, stage
from scripts.lib.study.parts import study_datasets
from scripts.lib.study.shared import stores_of

# What the check of prerequisites reads of a configuration.
READ = ("arms", "base", "subsets", "memorisation", "experts")


def needs_settings(config: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """Return the part of a configuration that says what the films of one dataset have to bring."""
    study = {**config["study"], "datasets": [name for name in config["study"]["datasets"] if name == dataset]}
    own = {"study": study, "datasets": {dataset: config["datasets"][dataset]}, "from_reports": from_reports(config)}
    own["words"] = {dataset: words_of(config, dataset)}
    return {key: config[key] for key in READ if key in config} | own


def needed_datasets(config: Mapping[str, Any]) -> list[str]:
    """Return the datasets whose films the study's own arms need: tested ones, and those that teach their models."""
    study = config["study"]
    names = list(study["datasets"])
    if trains_foundation(config) or from_reports(config):
        names += study["foundation"]
    arms = [arm_of(config, name) for name in study["arms"]]
    if any(arm.generator.own_films for arm in arms if arm.generator):
        names.append(study["generator_dataset"])
    names += [arm.cohort for arm in arms if arm.cohort]
    return [name for name in study_datasets(config) if name in stores_of(config, names)]


def masked_arms(config: Mapping[str, Any]) -> list[str]:
    """Return the arms whose generator learns from masks."""
    arms = [arm_of(config, name) for name in config["study"]["arms"]]
    return [arm.name for arm in arms if arm.generator and arm.generator.needs_masks]


def trains_foundation(config: Mapping[str, Any]) -> bool:
    """Whether the workflow trains the foundation model for an arm of the study."""
    arms = [arm_of(config, name) for name in config["study"]["arms"]]
    return config["base"]["path"] is None and any(FOUNDATION in arm.taught_by for arm in arms)


def words_of(config: Mapping[str, Any], dataset: str) -> dict[str, str]:
    """Return the words of a dataset's labels, which stand in place of reports."""
    known: Mapping[str, Any] = config.get("words", {})
    return dict(known[dataset]) if dataset in known else prompts_of(config, dataset)


def from_reports(config: Mapping[str, Any]) -> list[str]:
    """Return the datasets whose classifier starts from an encoder that the workflow matches with reports (MGCA)."""
    if (known := config.get("from_reports")) is not None:
        return list(known)
    names = config["study"]["datasets"]
    return [name for name in names if stage(config, "trials", name)["model"]["weights"] == "mgca"]


def tell_findings(tables: Iterable[str | Path], stream: TextIO | None = None) -> None:
    """Print what checks of the data have found, one line each and a verdict last; notes are on the page alone.

    The page is named by its whole path: a run with a folder of its own works there, and its reader is elsewhere.
    """
    out = stream or sys.stderr
    for table in tables:
        with Path(table).open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["level"] in ("missing", "warning")]
        for row in rows:
            print(
                f"{row['level']}: {row['dataset']}: {row['what']}{'; ' if row['todo'] else ''}{row['todo']}", file=out
            )
        stops = sum(row["level"] == "missing" for row in rows)
        verdict = f"cannot start, {_many(stops, 'thing')} to mend" if stops else "can start"
        print(
            f"This study {verdict}; {_many(len(rows) - stops, 'warning')}: look at {Path(table).with_suffix('.html').absolute()}",
            file=out,
        )


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
