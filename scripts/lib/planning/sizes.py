"""How many films a study has on each side, before or after its data are there, and where that number comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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

PREPARED, COUNTED, DRAWN = "prepared cohort", "check of the films", "phantom settings"
PUBLISHED, LISTED, UNKNOWN = "paper's Table 1", "the lists that the dataset is published with", "unknown"
COUNTS = "check_films.json"  # of a results folder: what `make check` has counted
# Films as the paper's Table 1 means them: its counts of two datasets include header lines (see its notes). Of CheXpert the
# frontal films of chexpert.train.csv and valid.csv; of ChestX-Det the rows of its two lists.
PAPERS = {name: (PUBLISHED, {"all": train + test}) for name, (train, test, _) in PAPER.items()} | {
    "rsna": (PUBLISHED, {"all": 26_684}),
    "chexpert": (PUBLISHED, {"train": 191_027, "test": 202}),
    "chestxdet": (LISTED, {"train": 3_025, "test": 553}),
}
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
    study, proxy = config["study"], config["proxy"]["validation"]["dataset"]
    used = [*study["datasets"], *study["foundation"], study["generator_dataset"], *config["feedback"]["splits"], proxy]
    return {name: size_of(config, name, results) for name in dict.fromkeys(used)}


def size_of(config: Mapping[str, Any], name: str, results: Path) -> Size:
    """Return a dataset's size: of its prepared cohort, else as a check has counted it, else of its phantom or a published list."""
    section, store = config["datasets"][name], store_of(config, name)
    if (meta := results / store / "cohort" / "cohort.json").is_file():
        known = read_json(meta, "a cohort's description; prepare this cohort again")
        try:
            splits = {split: counts["images"] for split, counts in known["splits"].items()}
            drawn = _drawn(results / store / "subsets.parquet", config["study"]["fractions"])
            return Size(PREPARED, known["n_listed"], splits, known["has_masks"], drawn)
        except KeyError as error:
            raise InputError(f"{meta}: cannot be read ({error!r}); prepare this cohort again") from None
    if (counted := results / COUNTS).is_file():
        every = read_json(counted, "the counts of make check; remove it, or run make check again")
        if (own := every.get(name)) and own["of"] == counted_for(config, name):
            return Size(COUNTED, own["listed"], own["splits"], own["masked"])
    masked = of_structures(section) or bool(section.get("structures"))
    if section["root"] == PHANTOM:
        listed, films = _phantom_films(section, store, config["study"]["seed"])
        return Size(DRAWN, listed, _sides(section, films), masked)
    source, films = PAPERS.get(section["format"], (UNKNOWN, {}))
    return Size(source, None, _sides(section, films) if films else {}, masked)


def _drawn(path: Path, fractions: Sequence[float]) -> dict[tuple[int, str], int]:
    if not path.is_file():
        return {}
    import pandas as pd

    table = pd.read_parquet(path, columns=["trial", "rank"])
    return {
        (int(trial), f"{one:g}"): int((table["rank"][table["trial"] == trial] < one).sum())
        for trial in table["trial"].unique()
        for one in fractions
    }


def counted_for(config: Mapping[str, Any], name: str) -> str:
    """Return a hash of what a dataset's counts depend on in the study: its section as it is prepared, and the seed."""
    return content_hash(to_json(stage(config, "prepare_cohort", name)), config["study"]["seed"])


def _phantom_films(section: Mapping[str, Any], name: str, seed: int) -> tuple[int, dict[str, int]]:
    """Return the films that a phantom's tables list, and {split: usable films} as its own tables split them."""
    from scripts.lib.phantom.settings import settings_of
    from scripts.lib.phantom.study import plan_films

    form, given, reader = section["format"], dict(section.get("phantom") or {}), section.get("reader") or {}
    settings, films = settings_of(form, given), plan_films(form, given, seed, name)
    films = [film for film in films if form not in TRAIN_TABLE_ONLY or film.split == "train"]
    listed = len(films) - settings["unlisted_files"]
    if reader.get("frontal_only"):
        films = [film for film in films if film.view != "LATERAL"]
    if form == "siim" and reader.get("positives_only"):
        films = [film for film in films if any(finding.name == "pneumothorax" for finding in film.findings)]
    counts = Counter(film.split for film in films)
    # Some training films have no row in the tables, and some rows no file.
    counts["train"] -= settings["unlisted_files"] + settings["missing_files"]
    return listed, counts


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
