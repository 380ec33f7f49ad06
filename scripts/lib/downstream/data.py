"""The films of a trial: which rows of which store, and what is to be learned from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort, read_index, with_films
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash
from scripts.lib.filters.kept_view import open_kept

HASHES = ("sha256", "mask_sha256")
READ = ("trial", "position", *HASHES)


@dataclass(frozen=True)
class Films:
    """Rows of a cohort or pool with their targets.

    `labels` float32 (n, L), 1, 0 or NaN for missing; None for segmentation, where the masks of `structure` are read
    with the pixels. Images are read from the memory map when they are asked for.
    """

    cohort: Cohort
    rows: np.ndarray
    labels: np.ndarray | None
    structure: str | None

    def __len__(self) -> int:
        return len(self.rows)

    def images(self, places: np.ndarray) -> np.ndarray:
        """Return the images at these places of the list, uint8 (b, H, W)."""
        return self.cohort.images(self.rows[places])

    def targets(self, places: np.ndarray) -> np.ndarray:
        """Return what is to be learned at these places: labels float32 (b, L) or masks uint8 0/1 (b, H, W)."""
        if self.labels is not None:
            return self.labels[places]
        return self.cohort.mask(self.rows[places], self.structure or "").astype(np.uint8)

    def take(self, places: np.ndarray) -> Films:
        """Return the films at these places."""
        labels = None if self.labels is None else self.labels[places]
        return Films(self.cohort, self.rows[places], labels, self.structure)

    def digest(self) -> str:
        """Return a hash of the pixels and targets, from the hashes that the index holds."""
        index = self.cohort.index
        parts = [_short_hash(index[name].iloc[self.rows]) for name in HASHES if name in index]
        if self.labels is not None:
            parts.append(np.nan_to_num(self.labels, nan=2).astype(np.int8))
        return content_hash(*(hashlib.sha256(part.tobytes()).hexdigest() for part in parts), self.structure)


def films_of(cohort: Cohort, rows: np.ndarray, task: str, target: str | Sequence[str]) -> Films:
    """Return the films of these rows with the targets of a task; raises InputError for an unknown label or structure.

    `target`: the structure (segmentation), the label (classification) or the labels (multilabel).
    """
    if task == "segmentation":
        cohort.bit(str(target))
        if not cohort.has_masks:
            raise InputError(f"{cohort.folders[0]}: no masks, but the task is segmentation of {target!r}")
        return Films(cohort, rows, None, str(target))
    names = label_names({"task": task, "target": target})
    for name in names:
        if name not in cohort.labels:
            raise InputError(f"{cohort.folders[0]}: no label {name!r}; this cohort has {cohort.labels}")
    values = cohort.index[names].iloc[rows].to_numpy(dtype=np.float32, na_value=np.nan)
    return Films(cohort, rows, values, None)


def films_to_test(cohort: Cohort, settings: Mapping[str, Any]) -> Films:
    """Return the films of a cohort that models are tested on; raises InputError where there are none."""
    test = films_of(cohort, cohort.rows(split="test"), settings["task"], settings["target"])
    if not len(test):
        raise InputError(f"{cohort.folders[0]}: no test films (split = test); check the split of this dataset")
    return test


def label_names(settings: Mapping[str, Any]) -> list[str]:
    """Return the labels that a trial learns; none for segmentation."""
    target = settings["target"]
    if settings["task"] == "segmentation":
        return []
    return [target] if isinstance(target, str) else list(target)


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
