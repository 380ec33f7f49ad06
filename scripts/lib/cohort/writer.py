"""Writing of the on-disk form that store.py describes, image by image."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import FILES, HEADER_BYTES
from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError

REQUIRED_COLUMNS = (
    "image_id",
    "patient_id",
    "split",
    "view",
    "age",
    "sex",
    "report",
    "source_file",
    "sha256",
    "synthetic",
)


class CohortWriter:
    """Write a cohort row by row with flat memory; the folder's files appear at the end, all of them or none.

    Use as a context manager: `add` each image, and leave the block normally to publish. An exception discards.
    `meta` is stored in cohort.json beside the counts; `columns` are index columns beyond the required ones.
    """

    def __init__(
        self,
        folder: str | Path,
        resolution: int,
        structures: Sequence[str],
        labels: Sequence[str],
        meta: Mapping[str, Any],
        with_masks: bool | None = None,
    ) -> None:
        if len(structures) > 8:
            raise InputError(f"{folder}: {len(structures)} structures, but a mask field has 8 bits: {list(structures)}")
        self.folder = Path(folder)
        self.resolution = resolution
        self.structures = list(structures)
        self.labels = list(labels)
        self.with_masks = bool(structures) if with_masks is None else with_masks
        self.meta = dict(meta)
        self.rows: list[dict[str, Any]] = []

    def __enter__(self) -> CohortWriter:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._parts = {name: atomic_file(self.folder / name) for name in FILES}
        self._paths = {name: part.__enter__() for name, part in self._parts.items()}
        self._images = self._paths["images.npy"].open("wb")
        self._masks = self._paths["masks.npy"].open("wb")
        for stream in (self._images, self._masks):
            stream.write(b"\0" * HEADER_BYTES)
        return self

    def add(self, image: np.ndarray, mask: np.ndarray | None, row: Mapping[str, Any]) -> None:
        """Append one image uint8 (H, W), its bit field uint8 (H, W) or None for no structure, and its index row."""
        shape = (self.resolution, self.resolution)
        for name, array in (("image", image), ("mask", mask)):
            if array is not None and (array.shape != shape or array.dtype != np.uint8):
                raise ValueError(
                    f"{name} of {row.get('image_id')}: {array.dtype} {array.shape}, expected uint8 {shape}"
                )
        self._images.write(np.ascontiguousarray(image).tobytes())
        if self.with_masks:
            self._masks.write(
                np.zeros(shape, np.uint8).tobytes() if mask is None else np.ascontiguousarray(mask).tobytes()
            )
        self.rows.append(dict(row))

    def __len__(self) -> int:
        return len(self.rows)

    def set_column(self, name: str, values: Sequence[Any]) -> None:
        """Set an index column for all rows added so far, e.g. the split, which needs every patient to be known."""
        if len(values) != len(self.rows):
            raise ValueError(f"column {name}: {len(values)} values for {len(self.rows)} rows")
        for row, value in zip(self.rows, values):
            row[name] = value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = error
        try:
            self._finish(whole=kind is None)
        except BaseException as raised:
            failure = error or raised
        shown = failure
        for part in self._parts.values():
            said = _leave(part, failure)
            if said is not None and shown is failure:
                shown = said
            failure = failure or said
        if shown is not None and shown is not error:
            raise shown

    def _finish(self, whole: bool) -> None:
        """Close the arrays, which may want to write a last time; of a whole cohort write what else belongs to it."""
        count = len(self.rows)
        with self._masks, self._images:
            if whole:
                for stream, rows in ((self._images, count), (self._masks, count if self.with_masks else 0)):
                    stream.seek(0)
                    stream.write(npy_header((rows, self.resolution, self.resolution)))
        if whole:
            index_frame(self.rows, self.labels).to_parquet(self._paths["index.parquet"], index=False)
            self._paths["cohort.json"].write_text(json.dumps(self._final_meta(), indent=1, sort_keys=True) + "\n")

    def _final_meta(self) -> dict[str, Any]:
        fixed = {"resolution": self.resolution, "structures": self.structures, "labels": self.labels}
        return {**self.meta, **fixed, "n_images": len(self.rows), "has_masks": self.with_masks}


def index_frame(rows: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> pd.DataFrame:
    """Return the index as a typed DataFrame: required columns first, labels as nullable Int8, extras after them."""
    frame = pd.DataFrame([dict(row) for row in rows])
    for column in (*REQUIRED_COLUMNS, *labels):
        if column not in frame:
            frame[column] = None
    for column in ("image_id", "patient_id", "split", "view", "sex", "report", "source_file", "sha256"):
        frame[column] = frame[column].astype("string")
    if "findings" in frame:
        frame["findings"] = frame["findings"].astype("string")
    frame["age"] = frame["age"].astype("Float32")
    frame["synthetic"] = frame["synthetic"].fillna(False).astype(bool)
    for label in labels:
        frame[label] = frame[label].astype("Int8")
    extra = [column for column in frame.columns if column not in REQUIRED_COLUMNS and column not in labels]
    return frame[[*REQUIRED_COLUMNS, *labels, *extra]]


def _leave(part: Any, error: BaseException | None) -> BaseException | None:
    """Close one atomic file, which `error` discards; return what it raises itself, e.g. the line about a full disk."""
    try:
        part.__exit__(None if error is None else type(error), error, None if error is None else error.__traceback__)
    except BaseException as told:
        return told
    return None


def npy_header(shape: tuple[int, ...]) -> bytes:
    """Return the head of an .npy file of uint8 of this shape, always HEADER_BYTES long."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    header = stream.getvalue()
    if len(header) != HEADER_BYTES:
        raise RuntimeError(f"numpy wrote a header of {len(header)} bytes, expected {HEADER_BYTES}")
    return header
