"""Prepare a dataset: records in, cohort folder out, one film in memory at a time for each worker."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.cohort.boxes import BOXES, write_boxes
from scripts.lib.cohort.census import census
from scripts.lib.cohort.decode import Decoder
from scripts.lib.cohort.geometry import COVER, FITS
from scripts.lib.cohort.notes import (
    ACROSS,
    ALIKE,
    LINKED,
    UNLISTED,
    check_noted,
    warnings_of,
    write_notes,
)
from scripts.lib.cohort.plausibility import placement_note
from scripts.lib.cohort.quarantine import check_share, commonest, write_quarantine
from scripts.lib.cohort.splits import draw_splits, given_splits, linked_groups, take_generator
from scripts.lib.cohort.tally import Tally, take_result
from scripts.lib.cohort.telling import cohort_line
from scripts.lib.cohort.workers import in_order
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.formats.keys import loose
from scripts.lib.formats.locating import whereabouts
from scripts.lib.formats.paths import ABSENT, files_below
from scripts.lib.formats.record import Listing, Notes, Record
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
Track = Callable[[Iterable[Any], int], Iterable[Any]]
log = logging.getLogger(__name__)


def prepare_cohort(
    dataset: str,
    config: Mapping[str, Any],
    root: Path,
    resolution: int,
    seed: int,
    out: Path,
    threads: int = 1,
    track: Track = lambda items, total: items,
    listed: Listing | None = None,
) -> None:
    """Write the cohort of `dataset` to the folder `out`; the bytes do not depend on `threads` or the order of rows.

    `config` is the dataset's section (keys of DEFAULTS and `format`); `track` wraps the loop over films; `listed`, where it is
    given, is what the tables list, read already, or a part of it for a look at some films. Raises
    InputError for tables that cannot be used, or when too many films cannot; nothing is written then.
    """
    config = _checked(config)
    before = stamps(tables(config["format"], root, config["reader"]))
    listing = listed
    if listing is None:
        listing = list_records(config["format"], root, config["reader"], config["labels"], config["structures"])
    check_own_masks(listing.records)
    decoder = _decoder(config, root, resolution, listing.structures)
    tally, total = _begun(listing, root), len(listing.records) + len(listing.rejected)
    out.mkdir(parents=True, exist_ok=True)
    meta: dict[str, Any] = {}
    with (
        atomic_file(out / "quarantine.tsv") as quarantine,
        atomic_file(out / "notes.csv") as noted,
        atomic_file(out / BOXES) as boxes,
        CohortWriter(out, resolution, listing.structures, listing.labels, meta) as writer,
    ):
        results = in_order(decoder, listing.records, threads)
        for result in track(results, len(listing.records)):
            take_result(result, writer, tally, listing.structures)
        _check_taken(tally, len(writer), total, config, dataset, root)
        splits, warnings = split_films(tally, config["split"], seed, dataset)
        writer.set_column("split", splits)
        counts = census(writer.rows, splits, listing.labels, listing.structures, tally.present)
        check_unchanged(before)
        one_sided = [] if config["reader"].get("positives_only", config["format"] == "siim") else counts["warnings"]
        warnings = [*warnings_of(tally.notes), *warnings, *one_sided]
        writer.meta.update(_meta(dataset, config, seed, listing, tally, counts, total, warnings))
        write_quarantine(quarantine, tally.rejected)
        write_notes(noted, tally.notes, tally.excluded)
        write_boxes(boxes, tally.boxes)
    _report({**writer.meta, "n_images": len(writer)}, out)


def _begun(listing: Listing, root: Path) -> Tally:
    """Return the tally before any film is decoded: what the tables themselves leave out, and files that they do not list."""
    tally = Tally(list(listing.rejected), Counter(listing.excluded), Notes())
    tally.notes.take(listing.notes)
    _note_unlisted(root, listing, tally.notes)
    return tally


def _check_taken(tally: Tally, taken: int, total: int, config: Mapping[str, Any], dataset: str, root: Path) -> None:
    """Raise InputError where no film is left, or too many of them cannot be decoded or look odd."""
    check_share(tally.rejected, total, config["quarantine_limit"], dataset)
    if not taken:
        why = [f"excluded by rule: {dict(tally.excluded)}"] if tally.excluded else []
        why += [commonest(tally.rejected)] if tally.rejected else []
        absent = next((one.source_file for one in tally.rejected if one.reason == ABSENT), None)
        named = "images" in reader_settings(config["format"], config["reader"])  # the table names films by their paths
        why += filter(None, [whereabouts(root, absent)] if absent and named else [])
        raise InputError(f"{dataset}: no film left of {total} in {root}; {'; '.join(why)}")
    if note := placement_note(tally.placements):
        tally.notes.add(note[0], "", note[1])
    check_noted(tally.odd, tally.odd_kinds, tally.notes, taken, config["noted_limit"], dataset)


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


def check_own_masks(records: Sequence[Record]) -> None:
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


def split_films(tally: Tally, wanted: Any, seed: int, dataset: str) -> tuple[list[str], list[str]]:
    """Return the split of each film of a tally and warnings; `wanted` is the dataset's key `split`. Raises InputError."""
    _note_alike(tally)
    groups, links = linked_groups(tally.patients, tally.sources)
    tally.notes.add(LINKED, count=links)
    given = wanted == "given" or isinstance(wanted, Mapping) and wanted.get("given")
    if given:
        splits = given_splits(tally.patients, tally.splits, tally.ids)
        sides: dict[str, set[str]] = {}
        for group, split in zip(groups, splits, strict=True):
            sides.setdefault(group, set()).add(split)
        across = sum(len(where) > 1 for where in sides.values())
        tally.notes.add(ACROSS, count=across)
        if not isinstance(wanted, Mapping) or not wanted.get("generator", 0):
            return splits, []
        return take_generator(groups, splits, wanted, seed, dataset, tally.labels)
    if not isinstance(wanted, Mapping):
        raise InputError(
            f"split is {wanted!r}, expected 'given' or a mapping with generator, test and validate (or given: true)"
        )
    return draw_splits(groups, wanted, seed, dataset, tally.labels)


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
    for split, of_split in meta["splits"].items():
        log.info("%s: %s: %d images of %d patients", meta["dataset"], split, of_split["images"], of_split["patients"])
    for words, count in meta["notes"].items():
        log.info("%s: %d %s", meta["dataset"], count, words)
    (log.warning if meta["warnings"] else log.info)("%s", cohort_line(meta, out))
