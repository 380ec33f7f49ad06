"""One record turned into pixels at the study's resolution; runs in worker processes, so all it takes and gives pickles."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.lib.cohort import plausibility
from scripts.lib.cohort.geometry import fit_boxes, fit_image, fit_masks
from scripts.lib.cohort.notes import NO_REPORT, NO_VIEW, OBLONG, UNKNOWN_VIEW
from scripts.lib.core.errors import InputError
from scripts.lib.formats import dicom, medmnist, raster, rle
from scripts.lib.formats.keys import normal_form
from scripts.lib.formats.paths import read_inside
from scripts.lib.formats.polygons import polygon_mask
from scripts.lib.formats.record import Box, MaskSource, Notes, Record, Rejected, Rejection
from scripts.lib.formats.reports import NO_IMPRESSION, findings, impression
from scripts.lib.formats.views import LATERAL, side_of

MOST_OBLONG = 5  # length over width; films of a whole spine come near 3


@dataclass(frozen=True)
class Decoder:
    """How films become squares: call it with a record.

    `percentiles` of deep grey values become black and white; `cover` is the share of a pixel a structure must cover;
    `mask_values` and `mask_ignored` are the grey values of mask pictures; `unknown_view` says what becomes of a film whose
    view is not known where `frontal_only` ones are wanted: "keep" or "exclude".
    """

    root: Path
    resolution: int
    structures: list[str]
    fit: str
    percentiles: tuple[float, float]
    cover: Mapping[str, float]
    max_pixels: int
    frontal_only: bool = False
    unknown_view: str = "keep"
    mask_values: Mapping[str, int] = field(default_factory=dict)
    mask_ignored: Sequence[int] = ()

    def __call__(self, record: Record) -> Decoded | Rejection | str:
        """Return the decoded film, why it was rejected, or the word for a rule that leaves it out."""
        data = b""
        try:
            if not record.frame:
                data = read_inside(self.root, record.source_file, record.where)
            return self._decode(record, data)
        except Rejected as reason:
            sha256 = hashlib.sha256(data).hexdigest() if data else ""
            return Rejection(record.source_file, record.image_id, str(reason), sha256)

    def _decode(self, record: Record, data: bytes) -> Decoded | str:
        notes = Notes()
        notes.take(record.notes)
        if record.frame:
            image, header = medmnist.read_frame(self.root, record, self.resolution), dicom.Header()
        else:
            image, header = self._film(data, notes)
        _complete(record, header)
        if rule := self._left_out(record, notes):
            return rule
        if record.report_file:
            record.report, record.findings = self._report(record, notes)
        height, width = image.shape
        _check_shape(height, width)
        masks = self._masks(record, (height, width), notes)
        plausibility.mask_notes(masks, notes)
        notes[OBLONG] += header.aspect != 1.0 and self.fit != "stretch"
        small = fit_image(image, self.resolution, self.fit, header.aspect)
        field = None
        if self.structures:
            field = fit_masks(masks, self.structures, self.resolution, self.fit, self.cover, header.aspect)
        source = hashlib.sha256(f"{image.shape}".encode() + image.tobytes()).hexdigest()
        wanted = [box for box in record.boxes if box[0] in self.structures]
        boxes = fit_boxes(wanted, image.shape, self.resolution, self.fit, header.aspect)
        placement = self._placement(small, masks, field, notes)
        return Decoded(record, small, field, source, header.sop_uid, notes, placement, boxes)

    def _placement(
        self,
        image: NDArray[np.uint8],
        masks: Mapping[str, NDArray[np.bool_]],
        field: NDArray[np.uint8] | None,
        notes: Notes,
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

    def _left_out(self, record: Record, notes: Notes) -> str | None:
        """Return the word for the rule that leaves a film out by age or view, None for one that is taken."""
        if record.ages:
            if record.age is None:
                return "age not given"
            if not record.ages[0] <= record.age <= record.ages[1]:
                return "of another age"
        if not self.frontal_only:
            return None
        side = record.side or side_of(record.view)
        if side is None and self.unknown_view == "exclude":
            return f"view unknown: {record.view[:40]}" if record.view else "view not given"
        if side is None:
            notes.add(UNKNOWN_VIEW if record.view else NO_VIEW, record.view)
        return "lateral" if side == LATERAL else None

    def _film(self, data: bytes, notes: Notes) -> tuple[NDArray[np.uint8], dicom.Header]:
        if raster.is_raster(data):
            image, remarks = raster.read_film(data, self.max_pixels, self.percentiles)
            notes.take(remarks)
            return image, dicom.Header(aspect=raster.pixel_aspect(data))
        kind = raster.kind_of(data)
        if not dicom.is_dicom(data) and kind != raster.UNKNOWN:
            raise Rejected(f"not a film but {kind}")
        image, header, remarks = dicom.read_film(data, self.max_pixels, self.percentiles)
        notes.take(remarks)
        return image, header

    def _report(self, record: Record, notes: Notes) -> tuple[str | None, str | None]:
        try:
            text = read_inside(self.root, str(record.report_file), record.where).decode("utf-8-sig", "replace")
        except Rejected:
            notes.add(NO_REPORT)
            return None, None
        section = impression(text)
        if section is None:
            notes.add(NO_IMPRESSION)
        return section, findings(text)

    def _masks(self, record: Record, shape: tuple[int, int], notes: Notes) -> dict[str, NDArray[np.bool_]]:
        masks: dict[str, NDArray[np.bool_]] = {}
        for source in record.masks:
            # Labels come from run lengths, so these are checked even where nobody wants their mask.
            wanted = source.kind == "file" or source.structure in self.structures
            if not wanted and source.kind != "runs":
                continue
            _check_size(source, source.shape or shape, shape, record)  # before a table's size is allocated
            for structure, mask in self._read_mask(source, shape, notes).items():
                _check_size(source, mask.shape, shape, record)
                if wanted:
                    masks[structure] = masks[structure] | mask if structure in masks else mask
        return masks

    def _read_mask(self, source: MaskSource, shape: tuple[int, int], notes: Notes) -> dict[str, NDArray[np.bool_]]:
        if source.kind == "runs":
            parts = [rle.decode_relative(text, shape, source.base) for text in source.data]
            return {source.structure: rle.unite(parts, notes)}
        if source.kind == "rows":
            return {source.structure: rle.decode_absolute(source.data[0], source.shape or shape, notes)}
        if source.kind == "coco":
            return {source.structure: rle.decode_counts(source.data[0], source.shape or shape)}
        if source.kind == "polygons":
            return {source.structure: polygon_mask(source.data, shape, notes)}
        if source.kind == "boxes":
            return {source.structure: box_mask(source.data, shape)}
        try:
            data = read_inside(self.root, source.data[0], source.where)
            masks, remarks = raster.read_mask(
                data, self.max_pixels, self.mask_values, self.mask_ignored, source.structure, source.where
            )
        except Rejected as reason:
            raise Rejected(f"its mask {source.data[0]}: {reason}") from None
        notes.take(remarks)
        return masks


@dataclass(slots=True)
class Decoded:
    """A film at the study's resolution: image uint8 (R, R), mask bit field uint8 (R, R) or None, and what was noted.

    `source` is the SHA-256 of the full-size grey image, `sop_uid` the identifier in its DICOM header, `placement` how
    its lungs would fit it best (plausibility.py), None without lungs, `boxes` those of its findings in pixels of the image.
    """

    record: Record
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None
    source: str
    sop_uid: str
    notes: Notes
    placement: str | None = None
    boxes: tuple[Box, ...] = ()


def box_mask(boxes: Sequence[Sequence[float]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the union of (x, y, width, height) boxes, x and y from the top left corner, as bool (H, W)."""
    mask = np.zeros(shape, dtype=bool)
    for x, y, width, height in boxes:
        if x >= shape[1] or y >= shape[0] or x + width > shape[1] + 1 or y + height > shape[0] + 1:
            raise Rejected(f"box at {x:g}, {y:g} of {width:g} x {height:g} leaves the film of {shape[1]} x {shape[0]}")
        mask[round(y) : round(y + height), round(x) : round(x + width)] = True
    return mask


def _check_shape(height: int, width: int) -> None:
    """Raise Rejected for a picture that is a strip: squared, it would be a smear, or nearly all border."""
    if max(height, width) > MOST_OBLONG * min(height, width):
        raise Rejected(
            f"a picture of {width} x {height} pixels, more than {MOST_OBLONG} times as long as wide; no chest film is"
        )


def _check_size(source: MaskSource, size: tuple[int, ...], film: tuple[int, ...], record: Record) -> None:
    if size != film:
        raise InputError(
            f"{source.where}: mask of {size[1]} x {size[0]} pixels for a film of {film[1]} x {film[0]} "
            f"({record.source_file}); expected the same size"
        )


def _complete(record: Record, header: Any) -> None:
    """Fill in what the tables leave open from the DICOM header."""
    record.patient_id = record.patient_id or normal_form(header.patient_id)
    record.view = record.view or header.view
    record.sex = record.sex or header.sex
    if record.age is None:
        record.age = header.age
