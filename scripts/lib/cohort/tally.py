"""What became of the records of a dataset: one decoded film after the other goes into the cohort, or is counted as left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scripts.lib.cohort.decode import Decoded
from scripts.lib.cohort.notes import CONTRADICTED, LOOK, NO_PATIENT, REPEATED, SHARED_MASK, advice_of, is_odd
from scripts.lib.cohort.store import pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.formats.record import Box, Notes, Record, Rejection

SHARED_FROM = 0.02  # share of a film's pixels from which two equal masks are no chance


@dataclass
class Tally:
    """What became of the records: rejected ones, ones left out by rule, notes, and what splitting needs of the rest.

    `odd` counts the films that somebody should look at, `odd_kinds` why. `boxes` are those of findings, each with its row.
    """

    rejected: list[Rejection]
    excluded: Counter[str]
    notes: Notes
    odd: int = 0
    odd_kinds: Counter[str] = field(default_factory=Counter)
    sources: list[str] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    splits: list[str | None] = field(default_factory=list)
    labels: list[dict[str, int | None]] = field(default_factory=list)
    present: list[int] = field(default_factory=list)
    by_uid: dict[str, tuple[str, str]] = field(default_factory=dict)
    placements: Counter[str] = field(default_factory=Counter)
    by_mask: dict[str, tuple[str, str]] = field(default_factory=dict)
    boxes: list[tuple[int, Box]] = field(default_factory=list)
    by_source: dict[str, tuple[str, dict[str, int | None]]] = field(default_factory=dict)


def take_result(result: Decoded | Rejection | str, writer: CohortWriter, tally: Tally, structures: list[str]) -> None:
    """Add one result to the cohort or to the tally."""
    if isinstance(result, Rejection):
        tally.rejected.append(result)
        return
    if isinstance(result, str):
        tally.excluded[result] += 1
        return
    record = result.record
    if result.placement is not None:
        tally.placements[result.placement] += 1
    if _is_repeat(result, tally):
        tally.notes.add(REPEATED, record.image_id)
        return
    if not record.patient_id:
        result.notes.add(NO_PATIENT)
        record.patient_id = record.image_id
    row = _row(result, structures)
    _note_shared_mask(result, row.get("mask_sha256", ""), tally)
    _note_contradiction(result, tally)
    _note(result.notes, record.image_id, tally)
    tally.sources.append(result.source)
    tally.patients.append(record.patient_id)
    tally.ids.append(record.image_id)
    tally.splits.append(record.split)
    tally.labels.append(record.labels)
    tally.present.append(0 if result.mask is None else int(np.bitwise_or.reduce(result.mask, axis=None)))
    tally.boxes += [(len(writer), box) for box in result.boxes]
    writer.add(result.image, result.mask, row)


def _note_shared_mask(result: Decoded, digest: str, tally: Tally) -> None:
    """Note a film whose mask another film has: the same picture may lie in the folder under two names.

    Small masks and boxes may be equal by chance; masks of everything, and a film listed twice, have notes of their own.
    """
    drawn = any(mask.kind != "boxes" for mask in result.record.masks)
    if not drawn or result.mask is None or not SHARED_FROM <= (result.mask != 0).mean() < 1:
        return
    source, first = tally.by_mask.setdefault(digest, (result.source, result.record.image_id))
    if source != result.source:
        result.notes.add(SHARED_MASK, f"that of {first}")


def _note_contradiction(result: Decoded, tally: Tally) -> None:
    """Note a film that stands in the tables twice, with and without a finding; not known beside known is no contradiction."""
    first, known = tally.by_source.setdefault(result.source, (result.record.image_id, result.record.labels))
    labels = result.record.labels
    differ = [name for name, value in labels.items() if None not in (value, known.get(name)) and value != known[name]]
    if differ:
        result.notes.add(CONTRADICTED, f"{differ[0]} of {first}")


def _note(notes: Notes, image_id: str, tally: Tally) -> None:
    tally.notes.take(notes, image_id)
    tally.odd += is_odd(notes)
    tally.odd_kinds.update(kind for kind, count in notes.items() if count and advice_of(kind).level == LOOK)


def _is_repeat(result: Decoded, tally: Tally) -> bool:
    if not result.sop_uid:
        return False
    pixels, file = tally.by_uid.setdefault(result.sop_uid, (result.source, result.record.source_file))
    if pixels != result.source:
        raise InputError(
            f"{result.record.source_file} and {file} have the same SOPInstanceUID {result.sop_uid} but other pixels; "
            "remove the wrong one"
        )
    return file != result.record.source_file


def _row(result: Decoded, structures: list[str]) -> dict[str, Any]:
    record: Record = result.record
    row: dict[str, Any] = {
        "image_id": record.image_id,
        "patient_id": record.patient_id,
        "view": record.view,
        "age": record.age,
        "sex": record.sex,
        "report": record.report,
        "source_file": record.source_file,
        "sha256": pixels_sha256(result.image),
        "synthetic": False,
        **record.labels,
    }
    if record.findings is not None:
        row["findings"] = record.findings
    if structures:
        field = np.zeros_like(result.image) if result.mask is None else result.mask
        row["mask_sha256"] = pixels_sha256(field)
        row["annotated"] = sum(1 << structures.index(name) for name in record.annotated if name in structures)
    return row
