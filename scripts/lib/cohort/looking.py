"""A look at a dataset before anything trains: its tables whole, its films whole or a sample, and what would stop the study.

It goes the way of prepare_cohort, in a folder of its own and with the limits on unusable films lifted: a look at films that
cannot be used is what the limits keep a study from.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.prepare import DEFAULTS, Track, check_own_masks, prepare_cohort, split_films
from scripts.lib.cohort.quarantine import QUARANTINE, commonest, read_quarantine
from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.tally import Tally
from scripts.lib.core.errors import InputError
from scripts.lib.core.full_disk import full_disk
from scripts.lib.core.seeds import content_hash
from scripts.lib.formats.record import Listing, Notes, Record
from scripts.lib.formats.registry import list_records

SIDE = 192  # pixels of the films that are shown
ALL = 1000  # films up to which each one is decoded
SAMPLE = 600  # films that are decoded of more
SHOWN = "shown"  # column: the bits of the structures that a film's mask shows
SOURCES = ("source", "site", "hospital", "institution", "centre", "center", "scanner", "manufacturer", "origin")


@dataclass
class Look:
    """What a look at a dataset has found.

    films    one row a film of the tables: image_id, patient_id, split, view, sex, age, report, the labels, SHOWN; empty
             where the tables cannot be used
    cohort   the films that were decoded, SIDE pixels wide; None where none could be
    faults   what prepare_cohort would stop at, one line each
    sampled  whether only some films were decoded
    """

    name: str
    films: pd.DataFrame
    labels: list[str]
    structures: list[str]
    cohort: Cohort | None
    faults: list[str]
    sampled: bool
    listed: int = 0


def look_at(
    dataset: str,
    config: Mapping[str, Any],
    root: Path,
    seed: int,
    folder: Path,
    threads: int,
    track: Track = lambda items, total: items,
) -> Look:
    """Look at a dataset and decode its films into `folder`; faults of its tables and films are in the answer.

    config  the dataset's section, as prepare_cohort takes it
    track   wraps the loop over films
    """
    settings = {**DEFAULTS, **{key: config[key] for key in DEFAULTS if config.get(key) is not None}}
    try:
        listing = list_records(config["format"], root, settings["reader"], settings["labels"], settings["structures"])
    except (InputError, OSError) as error:
        empty = pd.DataFrame(columns=["image_id", "patient_id", "split", "view", "sex", "age", "report", SHOWN])
        return Look(dataset, empty, list(settings["labels"]), [], None, [str(error)], False)
    sampled, listed = len(listing.records) > ALL, len(listing.records)
    labels, structures = listing.labels, listing.structures
    films = listed_films(listing)
    films["split"], faults = _splits(films, listing, settings["split"], seed, dataset)
    if sampled:
        faults += _reduce(listing, sample(listing.records, seed, dataset))
    lifted = {**config, "quarantine_limit": 1.0, "noted_limit": 1.0}
    lifted |= {"split": {"test": 0.3}} if sampled else {}
    stopped = _why_stopped(lambda: prepare_cohort(dataset, lifted, root, SIDE, seed, folder, threads, track, listing))
    faults += stopped
    cohort = None if stopped else Cohort.open(folder)
    if cohort is not None and not sampled:
        films, faults = decoded_films(cohort), []
    if cohort is not None:
        faults += limits(cohort.meta, settings, dataset, sampled, commonest(read_quarantine(folder / QUARANTINE)))
    return Look(dataset, films, labels, structures, cohort, list(dict.fromkeys(faults)), sampled, listed)


def _why_stopped(prepare: Callable[[], None]) -> list[str]:
    """Prepare a cohort without its warnings, which the page has as well; return why it stops, [] where it does not."""
    quiet = logging.getLogger("scripts.lib.cohort.prepare")
    level, quiet.level = quiet.level, logging.ERROR
    try:
        prepare()
        return []
    except (InputError, OSError) as error:
        if full_disk(error) is not None:
            raise  # the page would say it of the data, and go on saying it once there is room
        return [str(error)]
    finally:
        quiet.level = level


def _reduce(listing: Listing, chosen: Collection[str]) -> list[str]:
    """Leave only some records, and return what the others would stop the preparation at: the rest of a large table goes."""
    try:
        check_own_masks(listing.records)
        return []
    except InputError as error:
        return [str(error)]
    finally:
        listing.records = [record for record in listing.records if record.image_id in chosen]


def sample(records: list[Record], seed: int, dataset: str) -> frozenset[str]:
    """Return the image_ids of SAMPLE films, the same for any order of the rows."""
    order = sorted(records, key=lambda record: content_hash(seed, "look", dataset, record.image_id))
    return frozenset(record.image_id for record in order[:SAMPLE])


def listed_films(listing: Listing) -> pd.DataFrame:
    """Return a row for each film of the tables."""
    records = listing.records
    bits = {name: 1 << bit for bit, name in enumerate(listing.structures)}
    columns: dict[str, Any] = {
        "image_id": [one.image_id for one in records],
        "patient_id": [one.patient_id or one.image_id for one in records],
        "split": [one.split for one in records],
        "view": [one.view for one in records],
        "sex": [one.sex for one in records],
        "age": [one.age for one in records],
        "report": [one.report for one in records],
        "source_file": [one.source_file for one in records],
        SHOWN: np.array([sum({bits.get(mask.structure, 0) for mask in one.masks}) for one in records], np.uint8),
    }
    for label in listing.labels:
        columns[label] = pd.array([one.labels.get(label) for one in records], dtype="Int8")
    return pd.DataFrame(columns)


def decoded_films(cohort: Cohort) -> pd.DataFrame:
    """Return the index of a cohort with what its masks show."""
    shown = np.zeros(len(cohort), np.uint8)
    for row in range(len(cohort) if cohort.has_masks else 0):
        shown[row] = np.bitwise_or.reduce(cohort.masks([row])[0], axis=None)
    return cohort.index.assign(**{SHOWN: shown})


def _splits(
    films: pd.DataFrame, listing: Listing, wanted: Any, seed: int, dataset: str
) -> tuple[list[str | None], list[str]]:
    """Return the split of each film as the tables alone give it, and what stands in its way."""
    tally = Tally([], Counter(), Notes())
    tally.ids = tally.sources = films["image_id"].tolist()
    tally.patients, tally.splits = films["patient_id"].tolist(), [one.split for one in listing.records]
    tally.labels = [one.labels for one in listing.records]
    try:
        return list(split_films(tally, wanted, seed, dataset)[0]), []
    except InputError as error:
        return [None] * len(films), [str(error)]


def limits(meta: Mapping[str, Any], settings: Mapping[str, Any], dataset: str, sampled: bool, why: str) -> list[str]:
    """Return what would stop the preparation: too many films that cannot be used (`why` not), or that look odd."""
    taken = sum(side["images"] for side in meta["splits"].values())
    total, of = taken + meta["n_quarantined"], " of the films that were looked at" if sampled else ""
    faults = []
    for count, base, key, word in (
        (meta["n_quarantined"], total, "quarantine_limit", f"cannot be used ({why})"),
        (meta["n_noted"], taken, "noted_limit", "look odd"),
    ):
        if count > settings[key] * base:
            faults.append(
                f"{count} of {base} films{of} {word}, more than datasets.{dataset}.{key} = {settings[key]:g}; mend those that "
                "the check page shows, or raise the limit"
            )
    return faults
