"""One record turned into pixels at the study's resolution; runs in worker processes, so all it takes and gives pickles."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.lib.cohort import plausibility
from scripts.lib.cohort.geometry import fit_image, fit_masks
from scripts.lib.errors import InputError
from scripts.lib.formats import dicom, raster, rle
from scripts.lib.formats.labels import is_lateral
from scripts.lib.formats.paths import read_inside
from scripts.lib.formats.record import MaskSource, Record, Rejected, Rejection
from scripts.lib.formats.reports import impression

OBLONG = "films whose pixels are not square, made square"
NO_REPORT = "films without a report file"


@dataclass(frozen=True)
class Decoder:
    """How films become squares: call it with a record.

    `percentiles` of deep grey values become black and white; `cover` is the share of a pixel a structure must cover;
    `mask_values` and `mask_ignored` are the grey values of mask pictures.
    """

    root: Path
    resolution: int
    structures: list[str]
    fit: str
    percentiles: tuple[float, float]
    cover: Mapping[str, float]
    max_pixels: int
    frontal_only: bool = False
    mask_values: Mapping[str, int] = field(default_factory=dict)
    mask_ignored: Sequence[int] = ()

    def __call__(self, record: Record) -> Decoded | Rejection | str:
        """Return the decoded film, why it was rejected, or the word for a rule that leaves it out."""
        data = b""
        try:
            data = read_inside(self.root, record.source_file, record.where)
            return self._decode(record, data)
        except Rejected as reason:
            sha256 = hashlib.sha256(data).hexdigest() if data else ""
            return Rejection(record.source_file, record.image_id, str(reason), sha256)

    def _decode(self, record: Record, data: bytes) -> Decoded | str:
        image, header, notes = self._film(data)
        _complete(record, header)
        if self.frontal_only and is_lateral(record.view):
            return "lateral"
        if record.report_file:
            record.report = self._report(record, notes)
        masks = self._masks(record, image.shape, notes)
        plausibility.mask_notes(masks, notes)
        notes[OBLONG] += header.aspect != 1.0 and self.fit != "stretch"
        small = fit_image(image, self.resolution, self.fit, header.aspect)
        field = None
        if self.structures:
            field = fit_masks(masks, self.structures, self.resolution, self.fit, self.cover, header.aspect)
        source = hashlib.sha256(f"{image.shape}".encode() + image.tobytes()).hexdigest()
        return Decoded(record, small, field, source, header.sop_uid, notes, self._placement(small, masks, field, notes))

    def _placement(
        self,
        image: NDArray[np.uint8],
        masks: Mapping[str, NDArray[np.bool_]],
        field: NDArray[np.uint8] | None,
        notes: Counter[str],
    ) -> str | None:
        """Return in which placement the film's lungs fit it best ("" as they are), None for a film without lungs."""
        if field is None or "lungs" not in masks:
            return None
        lungs = (field >> np.uint8(self.structures.index("lungs")) & np.uint8(1)).astype(bool)
        if not 0 < lungs.mean() <= 0.5:  # more is no lung: such masks have their own note
            return None
        name, gain = plausibility.lung_placement(image, lungs)
        notes[plausibility.TURNED] += gain > plausibility.GAIN
        return name

    def _film(self, data: bytes) -> tuple[NDArray[np.uint8], dicom.Header, Counter[str]]:
        if raster.is_raster(data):
            image, notes = raster.read_film(data, self.max_pixels, self.percentiles)
            return image, dicom.Header(aspect=raster.pixel_aspect(data)), notes
        kind = raster.kind_of(data)
        if not dicom.is_dicom(data) and kind != raster.UNKNOWN:
            raise Rejected(f"not a film but {kind}")
        return dicom.read_film(data, self.max_pixels, self.percentiles)

    def _report(self, record: Record, notes: Counter[str]) -> str | None:
        try:
            return impression(read_inside(self.root, str(record.report_file), record.where).decode("utf-8", "replace"))
        except Rejected:
            notes[NO_REPORT] += 1
            return None

    def _masks(self, record: Record, shape: tuple[int, ...], notes: Counter[str]) -> dict[str, NDArray[np.bool_]]:
        masks: dict[str, NDArray[np.bool_]] = {}
        for source in record.masks:
            if source.kind != "file" and source.structure not in self.structures:
                continue
            for structure, mask in self._read_mask(source, shape, notes).items():
                if mask.shape != shape:
                    raise InputError(
                        f"{source.where}: mask of {mask.shape[1]} x {mask.shape[0]} pixels for a film of "
                        f"{shape[1]} x {shape[0]} ({record.source_file}); expected the same size"
                    )
                masks[structure] = masks[structure] | mask if structure in masks else mask
        return masks

    def _read_mask(
        self, source: MaskSource, shape: tuple[int, ...], notes: Counter[str]
    ) -> dict[str, NDArray[np.bool_]]:
        if source.kind == "runs":
            parts = [rle.decode_relative(text, shape, source.base) for text in source.data]
            return {source.structure: np.logical_or.reduce(parts)}
        if source.kind == "rows":
            return {source.structure: rle.decode_absolute(source.data[0], source.shape or shape)}
        if source.kind == "boxes":
            return {source.structure: box_mask(source.data, shape)}
        try:
            data = read_inside(self.root, source.data[0], source.where)
            masks, found = raster.read_mask(
                data, self.max_pixels, self.mask_values, self.mask_ignored, source.structure, source.where
            )
        except Rejected as reason:
            raise Rejected(f"its mask {source.data[0]}: {reason}") from None
        notes.update(found)
        return masks


@dataclass(slots=True)
class Decoded:
    """A film at the study's resolution: image uint8 (R, R), mask bit field uint8 (R, R) or None, and what was noted.

    `source` is the SHA-256 of the full-size grey image, `sop_uid` the identifier in its DICOM header, `placement` how
    its lungs would fit it best (plausibility.py), None without lungs.
    """

    record: Record
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None
    source: str
    sop_uid: str
    notes: Counter[str]
    placement: str | None = None


def box_mask(boxes: Sequence[Sequence[float]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the union of (x, y, width, height) boxes, x and y from the top left corner, as bool (H, W)."""
    mask = np.zeros(shape, dtype=bool)
    for x, y, width, height in boxes:
        if x >= shape[1] or y >= shape[0] or x + width > shape[1] + 1 or y + height > shape[0] + 1:
            raise Rejected(f"box at {x:g}, {y:g} of {width:g} x {height:g} leaves the film of {shape[1]} x {shape[0]}")
        mask[round(y) : round(y + height), round(x) : round(x + width)] = True
    return mask


def _complete(record: Record, header: Any) -> None:
    """Fill in what the tables leave open from the DICOM header."""
    record.patient_id = record.patient_id or header.patient_id
    record.view = record.view or header.view
    record.sex = record.sex or header.sex
    if record.age is None:
        record.age = header.age
