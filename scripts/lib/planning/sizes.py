"""How many films a study has on each side, before or after its data are there, and where that number comes from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.lib.cohort.table1 import PAPER
from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json
from scripts.lib.core.seeds import content_hash
from scripts.lib.study.config import stage, to_json
from scripts.lib.study.shared import store_of
from scripts.lib.study.sources import PHANTOM
from scripts.lib.study.tasks import of_structures

PREPARED, DRAWN, PUBLISHED, UNKNOWN = "prepared cohort", "phantom settings", "paper's Table 1", "unknown"
COUNTED = "check of the films"
COUNTS = "check_films.json"  # of a results folder: what `make check` has counted
LISTED = "the lists that the dataset is published with"
CHESTXDET = {"train": 3_025, "test": 553}  # rows of its two lists
# Films as the paper's Table 1 means them: its counts of two datasets include header lines (see its notes). Of CheXpert the
# frontal films of chexpert.train.csv and valid.csv.
PAPERS = {name: {"all": train + test} for name, (train, test, _) in PAPER.items()}
PAPERS |= {"rsna": {"all": PAPERS["rsna"]["all"] - 2}, "chexpert": {"train": 191_027, "test": 202}}
# Formats whose labels cover their training folder alone; a study splits that folder itself.
TRAIN_TABLE_ONLY = ("siim", "rsna")


class UnknownSize(Exception):
    """No table gives the films that are asked for: a job that needs them has no hours."""


@dataclass(frozen=True)
class Size:
    """Films of one dataset: `listed` in its tables, `splits` {split: films}, `masked` whether its cohort has masks.

    `drawn` {(trial, fraction): films} holds exact subsets where they have been drawn. `source` says where this comes from.
    """

    source: str
    listed: int | None = None
    splits: Mapping[str, int] = field(default_factory=dict)
    masked: bool = False
    drawn: Mapping[tuple[int, str], int] = field(default_factory=dict)

    @property
    def films(self) -> int:
        """Films of the prepared cohort; raises UnknownSize."""
        if not self.splits:
            raise UnknownSize
        return sum(self.splits.values())

    def side(self, split: str) -> int:
        """Return the films of a split; raises UnknownSize."""
        if split not in self.splits:
            raise UnknownSize
        return self.splits[split]

    def subset(self, trial: int, fraction: str) -> int:
        """Return the real training films of a trial; from shares alone it is right to within half a patient."""
        drawn = self.drawn.get((trial, fraction))
        return max(1, round(float(fraction) * self.side("train"))) if drawn is None else drawn


def read_sizes(config: Mapping[str, Any], results: Path) -> dict[str, Size]:
    """Return the size of every dataset that the study may use."""
    study = config["study"]
    used = dict.fromkeys(
        [*study["datasets"], *study["foundation"], study["generator_dataset"], *config["feedback"]["splits"]]
        + [config["proxy"]["validation"]["dataset"]]
    )
    return {name: size_of(config, name, results) for name in used}


def size_of(config: Mapping[str, Any], name: str, results: Path) -> Size:
    """Return a dataset's size: of its prepared cohort, else as a check has counted it, else of its phantom or a published list."""
    section, dataset, name = config["datasets"][name], name, store_of(config, name)
    meta = results / name / "cohort" / "cohort.json"
    if meta.is_file():
        return _prepared(meta, results / name / "subsets.parquet", config["study"])
    if (counted := _counted(results / COUNTS, config, dataset)) is not None:
        return counted
    masked = of_structures(section) or bool(section.get("structures"))
    if section["root"] == PHANTOM:
        listed, films = _phantom_films(section, name, config["study"]["seed"])
        return Size(DRAWN, listed, _sides(section, films), masked)
    if section["format"] == "chestxdet":
        return Size(LISTED, sum(CHESTXDET.values()), _sides(section, CHESTXDET), masked)
    if known := PAPERS.get(section["format"]):
        return Size(PUBLISHED, None, known if "all" not in known else _sides(section, known), masked)
    return Size(UNKNOWN, masked=masked)


def _prepared(path: Path, subsets: Path, study: Mapping[str, Any]) -> Size:
    try:
        meta = json.loads(path.read_text())
        splits = {split: counts["images"] for split, counts in meta["splits"].items()}
        return Size(PREPARED, meta["n_listed"], splits, meta["has_masks"], _drawn(subsets, study))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: cannot be read ({error!r}); prepare this cohort again") from None


def counted_for(config: Mapping[str, Any], name: str) -> str:
    """Return a hash of what a dataset's counts depend on in the study: its section as it is prepared, and the seed."""
    return content_hash(to_json(stage(config, "prepare_cohort", name)), config["study"]["seed"])


def _counted(path: Path, config: Mapping[str, Any], name: str) -> Size | None:
    """Return what a check has counted under the same settings of a dataset, None where none has."""
    if not path.is_file():
        return None
    counts = read_json(path, "the counts of make check; remove it, or run make check again").get(name)
    if not counts or counts.get("of") != counted_for(config, name):
        return None
    return Size(COUNTED, counts["listed"], counts["splits"], counts["masked"])


def _drawn(path: Path, study: Mapping[str, Any]) -> dict[tuple[int, str], int]:
    if not path.is_file():
        return {}
    import pandas as pd

    table = pd.read_parquet(path, columns=["trial", "rank"])
    return {
        (int(trial), f"{fraction:g}"): int((table["rank"][table["trial"] == trial] < fraction).sum())
        for trial in table["trial"].unique()
        for fraction in study["fractions"]
    }


def _phantom_films(section: Mapping[str, Any], name: str, seed: int) -> tuple[int, dict[str, int]]:
    """Return the films that a phantom's tables list, and {split: usable films} as its own tables split them."""
    from scripts.lib.phantom.settings import settings_of
    from scripts.lib.phantom.study import plan_films

    form, given, reader = section["format"], dict(section.get("phantom") or {}), section.get("reader") or {}
    films = [
        film for film in plan_films(form, given, seed, name) if form not in TRAIN_TABLE_ONLY or film.split == "train"
    ]
    positives = form == "siim" and reader.get("positives_only")
    counts = Counter(
        film.split
        for film in films
        if not (reader.get("frontal_only") and film.view == "LATERAL")
        and not (positives and all(finding.name != "pneumothorax" for finding in film.findings))
    )
    settings = settings_of(form, given)
    # Some training films have no row in the tables, and some rows no file.
    counts["train"] -= settings["unlisted_files"] + settings["missing_files"]
    return len(films) - settings["unlisted_files"], counts


def _sides(section: Mapping[str, Any], films: Mapping[str, int]) -> dict[str, int]:
    """Return films by split as the study splits them: the dataset's own split, or counts and shares of all films."""
    split = {"given": True} if section["split"] == "given" else section["split"]
    given = bool(split.get("given"))
    sides, left = dict(films) if given else {}, films.get("train", 0) if given else sum(films.values())
    for name in ("generator",) if given else ("generator", "test", "validate"):
        value = split.get(name, 0)
        sides[name] = value if isinstance(value, int) else round(value * left)
        left -= sides[name]
    return {name: count for name, count in {**sides, "train": left}.items() if count}
