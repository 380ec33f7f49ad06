"""The on-disk form that real cohorts and synthetic pools share, and the one class that opens both.

A folder holds
    images.npy      uint8 (N, H, W), read by memory map
    masks.npy       uint8 (N, H, W) bit field, bit c = structure c of cohort.json; (0, H, W) when nothing is annotated
    index.parquet   one row an image, in the order of the arrays
    cohort.json     dataset, resolution, structures, labels, counts, and where the cohort came from
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from scripts.lib.core.errors import InputError

FILES = ("images.npy", "masks.npy", "index.parquet", "cohort.json")
HEADER_BYTES = 128


@dataclass(frozen=True)
class Picture:
    """One film or image of a cohort: `image` uint8 (H, W), `masks` {structure: bool (H, W)}, `labels` {label: 0, 1 or None}.

    `about` is its row of the index.
    """

    image: np.ndarray
    masks: dict[str, np.ndarray]
    labels: dict[str, int | None]
    about: pd.Series


class Cohort:
    """Images, masks and their index, from one folder or from the ordered shards of a pool.

    `index` is a DataFrame (N rows, columns REQUIRED_COLUMNS of writer.py, one a label, and what the writer added);
    `structures` names the bits of the masks; `labels` names the label columns (values 0, 1 or missing).
    """

    def __init__(
        self, folders: Sequence[Path], index: pd.DataFrame, meta: dict[str, Any], chosen: list[np.ndarray] | None = None
    ) -> None:
        self.folders = list(folders)
        self.index = index
        self.meta = meta
        self.structures: list[str] = meta["structures"]
        self.labels: list[str] = meta["labels"]
        self.resolution: int = meta["resolution"]
        self._images = [_map_array(folder / "images.npy") for folder in self.folders]
        self._masks = [_map_array(folder / "masks.npy") for folder in self.folders]
        self._starts = np.cumsum([0] + [len(part) for part in self._images])
        rows = len(index) if chosen is None else sum(_index_rows(folder) for folder in self.folders)
        if self._starts[-1] != rows:
            raise InputError(f"{self.folders[0]}: {self._starts[-1]} images but {rows} index rows; remake this cohort")
        # Where each row of the index lies in the arrays.
        places = [start + part for start, part in zip(self._starts, chosen or [])]
        self._stored = np.arange(rows) if chosen is None else np.concatenate(places)

    @classmethod
    def open(
        cls,
        folders: str | Path | Sequence[str | Path],
        columns: Sequence[str] | None = None,
        choose: Callable[[Path], np.ndarray] | None = None,
        shorten: Callable[[pd.DataFrame], pd.DataFrame] = pd.DataFrame.copy,
    ) -> Cohort:
        """Open one folder, or several as one cohort in the given order.

        The index is what grows in memory with a pool. `columns` limits which columns of it are held (those that the
        folder lacks are left out); `choose` which rows: given a folder, it returns the row numbers wanted of it, ascending.
        `shorten` makes of these rows of a folder what is held of them.
        """
        paths = [Path(folders)] if isinstance(folders, (str, Path)) else [Path(folder) for folder in folders]
        if not paths:
            raise InputError("no cohort folder given: expected at least one")
        metas = [_read_meta(path) for path in paths]
        for path, meta in zip(paths, metas):
            for key in ("structures", "labels", "resolution"):
                if meta[key] != metas[0][key]:
                    raise InputError(f"{path}: {key} {meta[key]} differ from {metas[0][key]} of {paths[0]}")
        chosen = None if choose is None else [choose(path) for path in paths]
        parts = [read_index(path, columns) for path in paths] if chosen is None else []
        for path, rows in zip(paths, chosen or []):
            # Not a view of the shard's table, so that the rest of it is let go.
            parts.append(shorten(read_index(path, columns).iloc[rows]))
        return cls(paths, pd.concat(parts, ignore_index=True), metas[0], chosen)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, row: int) -> Picture:
        """Return one film or image with its masks and labels; raises IndexError past the end, so a loop over a cohort ends."""
        number = range(len(self))[row]
        about = self.index.iloc[number]
        masks = {name: self.mask([number], name)[0] for name in self.structures} if self.has_masks else {}
        labels = {name: None if pd.isna(about[name]) else int(about[name]) for name in self.labels if name in about}
        return Picture(self.images([number])[0], masks, labels, about)

    def __repr__(self) -> str:
        kind = self.meta.get("kind") == "masks"
        synthetic = "synthetic" in self.index and len(self.index) and bool(self.index["synthetic"].all())
        what = "masks" if kind else "synthetic images" if synthetic else "films"
        labels = f", labels {', '.join(self.labels)}" if self.labels else ""
        masks = f", masks of {', '.join(self.structures)}" if self.has_masks and self.structures else ""
        where = str(self.folders[0]) + (f" and {len(self.folders) - 1} more" if len(self.folders) > 1 else "")
        return f"Cohort of {len(self):,} {what}, {self.resolution} x {self.resolution} pixels{labels}{masks} ({where})"

    @property
    def stored(self) -> int:
        """How many images the folders hold, whichever of them were chosen."""
        return int(self._starts[-1])

    @property
    def has_masks(self) -> bool:
        """Whether every image has a row of masks."""
        return sum(len(part) for part in self._masks) == self.stored

    def images(self, rows: Sequence[int] | np.ndarray | slice) -> np.ndarray:
        """Return the images of these rows, uint8 (n, H, W), in the given order (a copy)."""
        return self._take(self._images, rows)

    def masks(self, rows: Sequence[int] | np.ndarray | slice) -> np.ndarray:
        """Return the mask bit fields of these rows, uint8 (n, H, W) (a copy); raises InputError without masks."""
        if not self.has_masks:
            raise InputError(f"{self.folders[0]}: this cohort has no masks; choose a dataset with segmentations")
        return self._take(self._masks, rows)

    def mask(self, rows: Sequence[int] | np.ndarray | slice, structure: str) -> np.ndarray:
        """Return one structure's masks of these rows, bool (n, H, W)."""
        return (self.masks(rows) & self.bit(structure)) != 0

    def bit(self, structure: str) -> int:
        """Return the value of the bit that stands for `structure` in the mask fields."""
        if structure not in self.structures:
            raise InputError(f"{self.folders[0]}: no structure {structure!r}; this cohort has {self.structures}")
        return 1 << self.structures.index(structure)

    def rows(self, **equal: object) -> np.ndarray:
        """Return the positions where every named index column equals its value, e.g. `rows(split="train")`."""
        keep = np.ones(len(self.index), dtype=bool)
        for column, value in equal.items():
            keep &= (self.index[column] == value).to_numpy()
        return np.flatnonzero(keep)

    def select(self, rows: Sequence[int] | np.ndarray, **columns: np.ndarray | pd.Series | str | int) -> Cohort:
        """Return a view of these rows, in the given order, with index columns replaced or added; no pixel is copied."""
        chosen = copy.copy(self)
        places = np.asarray(rows, dtype=np.int64)
        chosen._stored = self._stored[places]
        chosen.index = self.index.iloc[places].reset_index(drop=True).assign(**columns)
        return chosen

    def _take(self, parts: list[np.ndarray], rows: Sequence[int] | np.ndarray | slice) -> np.ndarray:
        wanted = self._stored[rows if isinstance(rows, slice) else np.asarray(rows, dtype=np.int64)]
        if len(parts) == 1:
            return np.asarray(parts[0][wanted])
        out = np.empty((len(wanted), self.resolution, self.resolution), dtype=np.uint8)
        part_of = np.searchsorted(self._starts, wanted, side="right") - 1
        for part in np.unique(part_of):
            here = part_of == part
            out[here] = parts[part][wanted[here] - self._starts[part]]
        return out


def with_films(cohort: Cohort) -> Cohort:
    """Return a cohort as it is; raises InputError for a pool of masks, whose images are black."""
    if cohort.meta.get("kind") == "masks":
        raise InputError(
            f"{cohort.folders[0]}: a pool of masks, without films or images; make images of them first (an arm with `masks`)"
        )
    return cohort


def read_index(folder: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the index of one folder: all columns, or those of `columns` that it has."""
    path = folder / "index.parquet"
    if columns is None:
        return pd.read_parquet(path)
    there = set(pq.read_schema(path).names)
    return pd.read_parquet(path, columns=[name for name in columns if name in there])


def _index_rows(folder: Path) -> int:
    return pq.read_metadata(folder / "index.parquet").num_rows


def pixels_sha256(image: np.ndarray) -> str:
    """Return the SHA-256 hex digest of an image's pixels and shape."""
    import hashlib

    return hashlib.sha256(f"{image.dtype}{image.shape}".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def _map_array(path: Path) -> np.ndarray:
    try:
        if path.stat().st_size == HEADER_BYTES:
            return np.load(path, allow_pickle=False)
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable array ({error}); remake this cohort") from None


def _read_meta(folder: Path) -> dict[str, Any]:
    path = folder / "cohort.json"
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a cohort folder with {', '.join(FILES)}") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON ({error}); remake this cohort") from None
