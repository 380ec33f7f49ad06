"""The films of a trial: which rows of which store, and what is to be learned from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort, read_index, with_films
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash
from scripts.lib.downstream.boxes import UNKNOWN, Outlines, without_unknown
from scripts.lib.filters.kept_view import open_kept
from scripts.lib.study.tasks import BOXES, TASKS, of_structures, targets_of

HASHES = ("sha256", "mask_sha256")
SOURCES = ("mask_source", "film")  # columns of a pool that name a film
ANNOTATED = "annotated"  # column: bits of the structures that somebody looked for
READ = ("trial", "position", *HASHES)
TESTED = ("image_id", "patient_id")  # what predictions say of an image beside that


@dataclass(frozen=True)
class Films:
    """Rows of a cohort or pool with their targets.

    labels      float32 (n, L), 1, 0 or NaN for missing; None for a task of structures
    structures  whose masks or boxes are to be found, read with the pixels; () for labels
    known       bool (n, S): whether somebody looked for each of them on the film; None: for all of them
    outlines    where boxes are to be found, what gives them

    Images are read from the memory map when they are asked for.
    """

    cohort: Cohort
    rows: np.ndarray
    labels: np.ndarray | None
    structures: tuple[str, ...]
    known: np.ndarray | None = field(default=None, kw_only=True)
    outlines: Outlines | None = field(default=None, kw_only=True)

    def __len__(self) -> int:
        return len(self.rows)

    def images(self, places: np.ndarray) -> np.ndarray:
        """Return the images at these places of the list, uint8 (b, H, W)."""
        return self.cohort.images(self.rows[places])

    def targets(self, places: np.ndarray) -> np.ndarray:
        """Return what is to be learned at these places: labels float32 (b, L), masks uint8 (b, S, H, W) or boxes (b, K, 5).

        A mask is 0 or 1, and UNKNOWN everywhere where nobody looked for the structure. Boxes: downstream/boxes.py.
        """
        return self.labels[places] if self.labels is not None else self.shown(places, self.structures)

    def shown(self, places: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Return masks (b, S, H, W) or boxes (b, K, 5) of these structures of the cohort, in the place of its own ones."""
        known = np.ones((len(places), len(names)), bool) if self.known is None else self.known[places]
        if self.outlines is not None:
            return without_unknown(self.outlines.boxes(self.rows[places], names), known)
        fields = self.cohort.masks(self.rows[places])
        masks = np.stack([(fields & self.cohort.bit(name)) != 0 for name in names], axis=1).astype(np.uint8)
        masks[~known] = UNKNOWN
        return masks

    def take(self, places: np.ndarray) -> Films:
        """Return the films at these places."""
        return replace(self, **self._taken(places))

    def _taken(self, places: np.ndarray) -> dict[str, Any]:
        """Return the fields of the films at these places that differ from those of all."""
        columns = {"rows": self.rows, "labels": self.labels, "known": self.known}
        return {name: None if values is None else values[places] for name, values in columns.items()}

    def digest(self) -> str:
        """Return a hash of the pixels and targets, from the hashes that the index holds."""
        index = self.cohort.index
        parts = [_short_hash(index[name].iloc[self.rows]) for name in HASHES if name in index]
        if self.labels is not None:
            parts.append(np.nan_to_num(self.labels, nan=2).astype(np.int8))
        parts += [] if self.known is None else [self.known]
        tables = "" if self.outlines is None else self.outlines.digest()
        names = ",".join(self.structures)
        return content_hash(*(hashlib.sha256(part.tobytes()).hexdigest() for part in parts), names, tables)


def films_of(cohort: Cohort, rows: np.ndarray, task: str, target: str | Sequence[str]) -> Films:
    """Return the films of these rows with the targets of a task; raises InputError for an unknown label or structure.

    `target`: the structures (segmentation, detection), the label (classification) or the labels (multilabel).
    """
    names = targets_of({"target": target})
    if TASKS[task].of_structures:
        return _films_of_structures(cohort, rows, task, tuple(names))
    for name in names:
        if name not in cohort.labels:
            raise InputError(f"{cohort.folders[0]}: no label {name!r}; this cohort has {cohort.labels}")
    values = cohort.index[names].iloc[rows].to_numpy(dtype=np.float32, na_value=np.nan)
    return Films(cohort, rows, values, ())


def _films_of_structures(cohort: Cohort, rows: np.ndarray, task: str, names: tuple[str, ...]) -> Films:
    """Return films whose masks or boxes are to be found."""
    for name in names:
        cohort.bit(name)
    outlines = Outlines(cohort, names) if TASKS[task].says == BOXES else None
    if outlines is None and not cohort.has_masks:
        raise InputError(f"{cohort.folders[0]}: no masks, but the task is {task} of {', '.join(names)}")
    known = None
    if ANNOTATED in cohort.index:
        looked = cohort.index[ANNOTATED].to_numpy(dtype=np.int64, na_value=0)[rows]
        known = np.stack([(looked & cohort.bit(name)) != 0 for name in names], axis=1)
    return Films(cohort, rows, None, names, known=None if known is None or known.all() else known, outlines=outlines)


def partly_annotated(cohort: Cohort, settings: Mapping[str, Any]) -> bool:
    """Whether a structure of the task was not looked for on some film of a cohort."""
    if not of_structures(settings) or ANNOTATED not in cohort.index:
        return False
    every = sum(cohort.bit(name) for name in targets_of(settings) if name in cohort.structures)
    looked = cohort.index[ANNOTATED].to_numpy(dtype=np.int64, na_value=0)
    return bool((looked & every != every).any())


def annotated_alike(pool: Cohort, cohort: Cohort) -> Cohort:
    """Return a pool whose images were looked at for what the films behind them were: those of their masks, or themselves.

    An image of a film of the cohort shows no more than somebody drew there; masks of a generator are whole.
    """
    sources = next((pool.index[name] for name in SOURCES if name in pool.index), None)
    if sources is None or ANNOTATED not in cohort.index:
        return pool
    known = pd.Series(
        cohort.index[ANNOTATED].to_numpy(dtype=np.int64, na_value=0), cohort.index["image_id"].astype(str)
    )
    every = sum(pool.bit(name) for name in pool.structures)
    # A bit has its place in the structures of its own store.
    moved = {bits: sum(pool.bit(name) for name in pool.structures if name in cohort.structures and bits & cohort.bit(name)) for bits in known.unique()}  # fmt: skip
    annotated = sources.astype(object).map(known.map(moved)).fillna(every).to_numpy(dtype=np.int64)
    return pool.select(np.arange(len(pool)), **{ANNOTATED: annotated})


def check_learnable(films: Films) -> None:
    """Raise InputError where nobody looked for a structure on any film that is learned from, or none of them has a box."""
    where = f"{films.cohort.folders[0]}: {len(films)} films to learn from"
    for place, name in enumerate(films.structures):
        if films.known is not None and len(films) and not films.known[:, place].any():
            raise InputError(f"{where}, and nobody looked for {name} on any of them; take it out of the target")
    if films.outlines is None:
        return
    boxes = films.targets(np.arange(len(films)))
    if not ((boxes[:, :, 0] >= 0) & ~np.isnan(boxes[:, :, 1:]).any(axis=2)).any():
        names = ", ".join(films.structures)
        raise InputError(f"{where}, and none has a box of {names}: nothing can be learned; take a larger fraction")


def films_to_test(cohort: Cohort, settings: Mapping[str, Any]) -> Films:
    """Return the films of a cohort that models are tested on; raises InputError where there are none."""
    test = films_of(cohort, cohort.rows(split="test"), settings["task"], settings["target"])
    if not len(test):
        raise InputError(f"{cohort.folders[0]}: no test films (split = test); check the split of this dataset")
    return test


def images_to_test(pool: Cohort, settings: Mapping[str, Any]) -> Films:
    """Return the images of a pool that models are tested on, all that it holds, in the order of the trial that they were made for.

    Their targets are what they were asked to show. Raises InputError where there are none.
    """
    if not len(pool):
        raise InputError(f"{pool.folders[0]}: no image of another trial to test on; take this arm out of trials.images")
    order = np.argsort(pool.index["position"].to_numpy(), kind="stable")
    return films_of(pool, order, settings["task"], settings["target"])


def label_names(settings: Mapping[str, Any]) -> list[str]:
    """Return the labels that a trial learns; none for a task of structures."""
    return [] if of_structures(settings) else targets_of(settings)


def named_folders(words: Sequence[str]) -> dict[str, Path]:
    """Return {NAME: FOLDER} of words NAME=FOLDER; raises InputError for a word without either, or a name given twice."""
    pairs = [word.partition("=")[::2] for word in words]
    if not all(name and folder for name, folder in pairs) or len(dict(pairs)) < len(pairs):
        raise InputError(f"--external {' '.join(words)}: expected NAME=FOLDER, each name once")
    return {name: Path(folder) for name, folder in pairs}


def short_hashes(index: pd.DataFrame) -> pd.DataFrame:
    """Return the index with each SHA-256 cut to its first 8 bytes, uint64: enough to see that a film has changed."""
    return index.assign(**{name: _short_hash(index[name]) for name in HASHES if name in index})


def _short_hash(column: pd.Series) -> np.ndarray:
    """Return the first 16 hex digits as numbers, uint64 (n,); 0 where there is no hash."""
    if column.dtype == np.uint64:
        return column.to_numpy()
    return np.fromiter((int(text[:16], 16) for text in column.fillna("0")), np.uint64, len(column))


def open_pool(folders: Sequence[Path], kept: Path | None, trial: int, labels: Sequence[str]) -> Cohort:
    """Open what a trial reads of a pool's shards as one cohort: its own films.

    With `kept`, the part of them that a filter kept. Of the index it holds what `trial_rows` and `Films` read, with these
    label columns; some 40 bytes a film.
    """
    columns = [*READ, *labels]
    if kept is not None:
        return open_kept(folders, kept, columns, (trial,), short_hashes)

    def choose(folder: Path) -> np.ndarray:
        return np.flatnonzero(read_index(folder, ["trial"])["trial"] == trial)

    return with_films(Cohort.open(folders, columns, choose, short_hashes))
