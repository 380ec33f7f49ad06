"""What the leakage firewall holds the test films of an arm against: models with their lists, and the cohorts of those films.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from scripts.lib.study.arms import FOUNDATION, JUDGE, KEPT, RATERS, VALIDATION, Arm
from scripts.lib.study.cells import AnyCell
from scripts.lib.study.experting import Experting
from scripts.lib.study.judging import Judging
from scripts.lib.study.study import MASK_MODEL, MGCA, Study
from scripts.lib.study.tasks import TASKS

CHOICE = "results/proxy/learned_from.parquet"  # the films behind what a filter keeps
LIST = "learned_from.parquet"
UNTRAINED = (None, "imagenet")  # weights that no film taught


class Firewall:
    """Which lists and cohorts a check of an arm reads; a cell's fraction makes no difference."""

    def __init__(self, study: Study) -> None:
        self.study, self.config = study, study.config

    def teachers(self, cell: AnyCell) -> list[str]:
        """Return the model folders and lists of films that an arm's trials depend on."""
        arm = self.study.arm(cell.arm)
        found = [self.study.folder(arm.generator)] if arm.generator else []
        if arm.generator is None and FOUNDATION in arm.taught_by:
            found.append(self.study.base())
        if arm.masks == "generated":
            found.append(MASK_MODEL)
        if arm.filter and VALIDATION in arm.filter.taught_by:
            found.append(CHOICE)
        if arm.filter and JUDGE in arm.filter.taught_by:
            found += Experting(self.study).judges(cell)
        return found + [weights for weights in self._weights(cell) if weights not in UNTRAINED]

    def _weights(self, cell: AnyCell) -> list[str | None]:
        """Return the first weights of the models of all datasets that have these films."""
        names = self.study.sharing(cell.dataset)
        return list(dict.fromkeys(self.study.trial_settings(name)["model"]["weights"] for name in names))

    def _external(self, cell: AnyCell) -> list[str]:
        """Return the other cohorts that these models are tested on."""
        others = [other for name in self.study.sharing(cell.dataset) for other in self.study.external(name)]
        return [name for name in dict.fromkeys(map(self.study.store, others)) if name != cell.dataset]

    def elsewhere(self, cell: AnyCell) -> list[str]:
        """Return where an arm's images come from that the study has not made; a list of films may lie there."""
        path = self.study.arm(cell.arm).path
        return [path] if path else []

    def datasets(self, cell: AnyCell) -> list[str]:
        """Return the tested datasets, its own first, and those whose films may be in the lists of these models."""
        arm = self.study.arm(cell.arm)
        names = [cell.dataset, *self._taught_by(arm), *self._added(arm)]
        if JUDGE in arm.taught_by:
            names.append(Judging(self.study).source(cell.dataset).dataset)
        if MGCA in self._weights(cell):
            names += self.study.foundation
        names += self._external(cell)
        return list(dict.fromkeys(names))

    def _added(self, arm: Arm) -> list[str]:
        """Return the other dataset whose training films an arm adds to its trials."""
        return [self.study.store(arm.cohort)] if arm.cohort else []

    def cohorts(self, cell: AnyCell) -> list[str]:
        """Return NAME=FOLDER of these datasets."""
        return [f"{name}=results/{name}/cohort" for name in self.datasets(cell)]

    def files(self, cell: AnyCell) -> list[str]:
        """Return what a check reads: index and reduced pictures of these cohorts, tables of links."""
        names = self.datasets(cell)
        tables = [
            link["table"] for link in self.config["leakage"]["links"] if link["dataset"] in names and "table" in link
        ]
        tables += [f"{path}/{LIST}" for path in self.elsewhere(cell) if Path(path, LIST).is_file()]
        return [f"results/{name}/{file}" for name in names for file in ("cohort/index.parquet", "reduced.npy")] + tables

    def settings(self, cell: AnyCell) -> dict[str, Any]:
        """Return the section leakage, whether the dataset's trials set films aside, other cohorts that they are tested on, and those
        whose training films they add, where an arm does."""
        sharing = self.study.sharing(cell.dataset)
        aside = any(self.study.trial_settings(name)["validation_share"] > 0 for name in sharing)
        settings = {**self.config["leakage"], "tuning": aside, "external": self._external(cell)}
        added = self._added(self.study.arm(cell.arm))
        return {**settings, "added": added} if added else settings

    def tables(self, dataset: str) -> list[str]:
        """Return the tables of the arms that the study runs in a dataset."""
        cells = self.study.cells(self.study.sharing(dataset), ["real", *self.study.arms], self.study.fractions)
        return [f"results/{dataset}/leakage/{arm}.csv" for arm in dict.fromkeys(cell.arm for cell in cells)]

    def _taught_by(self, arm: Arm) -> list[str]:
        config, taught, names = self.config, arm.taught_by, []
        chosen = taught & {VALIDATION, KEPT}
        if (FOUNDATION in taught and config["base"]["path"] is None) or (chosen and config["proxy"]["model"] is None):
            names += self.study.foundation
        if arm.generator and arm.generator.own_films:
            names.append(self.study.generator_dataset)
        if RATERS in taught:
            feedback = config["feedback"]
            names += [name for name, splits in feedback["splits"].items() if splits]
            judge = feedback["simulation"]["judge"]
            names += [] if feedback["ratings"] else [judge[part]["dataset"] for part in ("findings", "masks")]
        if chosen:
            names.append(config["proxy"]["validation"]["dataset"])
        if KEPT in taught:
            source = config["finetune"]["source"]
            names += [
                source["dataset"],
                *([] if source["arm"] == arm.name else self._taught_by(self.study.arm(source["arm"]))),
            ]
        return names


def unknown_teachers(config: Mapping[str, Any]) -> list[str]:
    """Return one line for each model from elsewhere that brings no list of the films that taught it."""
    weights = {
        name: section.get("trials", {}).get("model", {}).get("weights") for name, section in config["datasets"].items()
    }
    named = {"base.path": config["base"]["path"], "proxy.model": config["proxy"]["model"]}
    named |= {f"datasets.{name}.trials.model.weights": weights[name] for name in config["study"]["datasets"]}
    named |= {
        f"experts.own.{name}.path": one["path"]
        for name, one in config["experts"]["own"].items()
        if name in config["experts"]["names"]
    }
    named |= {f"arms.{name}.path": config["arms"][name].get("path") for name in config["study"]["arms"]}
    named |= {
        f"trials.{task}.model.weights": config["trials"].get(task, {}).get("model", {}).get("weights") for task in TASKS
    }
    return [
        f"{key} = {path}: not known what taught it (no {LIST} there), so a test film may have; docs/leakage.md"
        for key, path in named.items()
        if path not in (*UNTRAINED, "mgca") and not _has_list(path.removeprefix("local-dir:"))
    ]


def _has_list(path: str) -> bool:
    place = Path(path)
    return (place / LIST).is_file() or (place.parent / LIST).is_file() and not place.is_dir()


def tell_checks(tables: Iterable[str | Path], stream: TextIO | None = None) -> None:
    """Print one line for each check whose table is there and says more than `clean`; a broken table says nothing."""
    for table in tables:
        try:
            with Path(table).open(newline="", encoding="utf-8") as file:
                heads = [row for row in csv.DictReader(file) if row["kind"] == "all" and row["verdict"] != "clean"]
        except (OSError, ValueError, KeyError, TypeError, csv.Error):
            continue
        said = [f"{row['verdict']}: {row['split']} films against role {row['role']}, {row['note']}" for row in heads]
        if said:
            print(f"{table}: {'; '.join(said)}", file=stream or sys.stderr)
