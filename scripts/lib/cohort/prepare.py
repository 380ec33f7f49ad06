"""Prepare a dataset: records in, cohort folder out, one film in memory at a time for each worker."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scripts.lib.cohort.census import census
from scripts.lib.cohort.decode import Decoded, Decoder
from scripts.lib.cohort.geometry import COVER, FITS
from scripts.lib.cohort.notes import (
    ACROSS,
    ALIKE,
    LINKED,
    LOOK,
    NO_PATIENT,
    REPEATED,
    SHARED_MASK,
    UNLISTED,
    advice_of,
    check_noted,
    is_odd,
    warnings_of,
    write_notes,
)
from scripts.lib.cohort.plausibility import placement_note
from scripts.lib.cohort.quarantine import check_share, write_quarantine
from scripts.lib.cohort.splits import draw_splits, given_splits, linked_groups, take_generator
from scripts.lib.cohort.store import pixels_sha256
from scripts.lib.cohort.telling import cohort_line
from scripts.lib.cohort.workers import in_order
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.formats.keys import loose
from scripts.lib.formats.paths import files_below
from scripts.lib.formats.record import Listing, Notes, Record, Rejection
from scripts.lib.formats.registry import list_records
from scripts.lib.formats.sources import reader_settings, tables
from scripts.lib.formats.tables import check_unchanged, stamps

DEFAULTS: dict[str, Any] = {
    "reader": {},
    "labels": [],
    "structures": None,
    "split": "given",
    "fit": "pad",
    "percentiles": [0, 100],
    "cover": {},
    "max_pixels": 64_000_000,
    "quarantine_limit": 0.01,
    "noted_limit": 0.2,
}
SHARED_FROM = 0.02  # share of a film's pixels from which two equal masks are no chance
Track = Callable[[Iterable[Any], int], Iterable[Any]]
log = logging.getLogger(__name__)


@dataclass
class Tally:
    """What became of the records: rejected ones, ones left out by rule, notes, and what splitting needs of the rest.

    `odd` counts the films that somebody should look at, `odd_kinds` why.
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
    present: list[int] = field(default_factory=list)
    by_uid: dict[str, tuple[str, str]] = field(default_factory=dict)
    placements: Counter[str] = field(default_factory=Counter)
    by_mask: dict[str, tuple[str, str]] = field(default_factory=dict)


def prepare_cohort(
    dataset: str,
    config: Mapping[str, Any],
    root: Path,
    resolution: int,
    seed: int,
    out: Path,
    threads: int = 1,
    track: Track = lambda items, total: items,
) -> None:
    """Write the cohort of `dataset` to the folder `out`; the bytes do not depend on `threads` or the order of rows.

    `config` is the dataset's section (keys of DEFAULTS and `format`); `track` wraps the loop over films. Raises
    InputError for tables that cannot be used, or when too many films cannot; nothing is written then.
    """
    config = _checked(config)
    before = stamps(tables(config["format"], root, config["reader"]))
    listing = list_records(config["format"], root, config["reader"], config["labels"], config["structures"])
    _check_own_masks(listing.records)
    decoder = _decoder(config, root, resolution, listing.structures)
    tally = Tally(list(listing.rejected), Counter(listing.excluded), Notes())
    tally.notes.take(listing.notes)
    total = len(listing.records) + len(listing.rejected)
    _note_unlisted(root, listing, tally.notes)
    out.mkdir(parents=True, exist_ok=True)
    meta: dict[str, Any] = {}
    with (
        atomic_file(out / "quarantine.tsv") as quarantine,
        atomic_file(out / "notes.csv") as noted,
        CohortWriter(out, resolution, listing.structures, listing.labels, meta) as writer,
    ):
        results = in_order(decoder, listing.records, threads)
        for result in track(results, len(listing.records)):
            _take(result, writer, tally, listing.structures)
        check_share(tally.rejected, total, config["quarantine_limit"], dataset)
        if not len(writer):
            raise InputError(f"{dataset}: no film left of {total} in {root}; excluded by rule: {dict(tally.excluded)}")
        if note := placement_note(tally.placements):
            tally.notes.add(note[0], "", note[1])
        check_noted(tally.odd, tally.odd_kinds, tally.notes, len(writer), config["noted_limit"], dataset)
        splits, warnings = _split(tally, config["split"], seed, dataset)
        writer.set_column("split", splits)
        counts = census(writer.rows, splits, listing.labels, listing.structures, tally.present)
        check_unchanged(before)
        one_sided = [] if config["reader"].get("positives_only", config["format"] == "siim") else counts["warnings"]
        warnings = [*warnings_of(tally.notes), *warnings, *one_sided]
        writer.meta.update(_meta(dataset, config, seed, listing, tally, counts, total, warnings))
        write_quarantine(quarantine, tally.rejected)
        write_notes(noted, tally.notes, tally.excluded)
    _report({**writer.meta, "n_images": len(writer)}, out)


def _checked(config: Mapping[str, Any]) -> dict[str, Any]:
    if "format" not in config:
        raise InputError("format: missing from the dataset's settings; expected the name of a format")
    known = {**DEFAULTS, **{key: config[key] for key in DEFAULTS if config.get(key) is not None}}
    known["format"] = config["format"]
    if known["fit"] not in FITS:
        raise InputError(f"fit is {known['fit']!r}, expected one of {', '.join(FITS)}")
    low, high = known["percentiles"]
    if not 0 <= low < high <= 100:
        raise InputError(f"percentiles are {known['percentiles']}, expected two numbers with 0 <= low < high <= 100")
    return known


def _check_own_masks(records: Sequence[Record]) -> None:
    """Raise InputError when the tables give two films the same mask file: at least one of them is not its film."""
    films: dict[str, Record] = {}
    for record in records:
        for mask in record.masks:
            if mask.kind != "file":
                continue
            other = films.setdefault(mask.data[0], record)
            if other.source_file != record.source_file:
                raise InputError(
                    f"{mask.where}: mask {mask.data[0]} is given to {record.source_file} and to {other.source_file} "
                    f"({other.where}); expected a mask file of its own for every film"
                )


def _decoder(config: Mapping[str, Any], root: Path, resolution: int, structures: list[str]) -> Decoder:
    reader = reader_settings(config["format"], config["reader"])
    return Decoder(
        root=root,
        resolution=resolution,
        structures=structures,
        fit=config["fit"],
        percentiles=tuple(config["percentiles"]),
        cover={**COVER, **config["cover"]},
        max_pixels=config["max_pixels"],
        frontal_only=reader["frontal_only"],
        unknown_view=reader["unknown_view"],
        mask_values=reader.get("mask_values", {}),
        mask_ignored=tuple(reader.get("mask_ignored", ())),
    )


def _take(result: Decoded | Rejection | str, writer: CohortWriter, tally: Tally, structures: list[str]) -> None:
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
    _note(result.notes, record.image_id, tally)
    tally.sources.append(result.source)
    tally.patients.append(record.patient_id)
    tally.ids.append(record.image_id)
    tally.splits.append(record.split)
    tally.present.append(0 if result.mask is None else int(np.bitwise_or.reduce(result.mask, axis=None)))
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


def _split(tally: Tally, wanted: Any, seed: int, dataset: str) -> tuple[list[str], list[str]]:
    _note_alike(tally)
    groups, links = linked_groups(tally.patients, tally.sources)
    tally.notes.add(LINKED, count=links)
    own = wanted == "given" or isinstance(wanted, Mapping) and wanted.get("given")
    if own:
        splits = given_splits(tally.patients, tally.splits, tally.ids)
        sides: dict[str, set[str]] = {}
        for group, split in zip(groups, splits, strict=True):
            sides.setdefault(group, set()).add(split)
        across = sum(len(found) > 1 for found in sides.values())
        tally.notes.add(ACROSS, count=across)
        generator = wanted.get("generator", 0) if isinstance(wanted, Mapping) else 0
        return take_generator(groups, splits, generator, seed, dataset) if generator else (splits, [])
    if not isinstance(wanted, Mapping):
        raise InputError(f"split is {wanted!r}, expected 'given' or a mapping with generator and test (or given: true)")
    return draw_splits(groups, wanted, seed, dataset)


def _note_alike(tally: Tally) -> None:
    """Note patients whose identifiers differ in form only: they may be one person, who must not be on two sides."""
    forms: dict[str, set[str]] = {}
    for patient in set(tally.patients):
        forms.setdefault(loose(patient), set()).add(patient)
    for names in forms.values():
        if len(names) > 1:
            tally.notes.add(ALIKE, " and ".join(sorted(names)[:3]), len(names))


def _note_unlisted(root: Path, listing: Listing, notes: Notes) -> None:
    for path in files_below(root, listing.folders, listing.suffixes):
        if path not in listing.listed and Path(path).name not in ("IMAGE_FILENAMES",):
            notes.add(UNLISTED, path)


def _meta(
    dataset: str,
    config: Mapping[str, Any],
    seed: int,
    listing: Listing,
    tally: Tally,
    counts: Mapping[str, Any],
    total: int,
    warnings: list[str],
) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "format": config["format"],
        "seed": seed,
        "settings": {key: config[key] for key in (*DEFAULTS, "format")},
        "tables": [path.name for path in listing.tables],
        "n_listed": total + sum(listing.excluded.values()),
        "n_quarantined": len(tally.rejected),
        "n_unlisted": tally.notes[UNLISTED],
        "n_noted": tally.odd,
        "excluded": {key: count for key, count in sorted(tally.excluded.items()) if count},
        "notes": {key: count for key, count in sorted(tally.notes.items()) if count},
        "warnings": warnings,
        "splits": counts["splits"],
    }


def _report(meta: Mapping[str, Any], out: Path) -> None:
    """Log what the reader should know of the cohort; Snakemake shows the last line again at the end of a run."""
    for split, found in meta["splits"].items():
        log.info("%s: %s: %d images of %d patients", meta["dataset"], split, found["images"], found["patients"])
    for words, count in meta["notes"].items():
        log.info("%s: %d %s", meta["dataset"], count, words)
    (log.warning if meta["warnings"] else log.info)("%s", cohort_line(meta, out))
