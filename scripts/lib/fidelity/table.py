"""The table of fidelity: each measure of a pool against real films, beside the same measure of other real films (floor)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.fidelity.chosen import Chosen, choose, halves, rows_named, rows_of_splits
from scripts.lib.fidelity.distances import GROUPS, LEAST, IntervalValue, Rows, between, within
from scripts.lib.fidelity.features import check_alike
from scripts.lib.fidelity.frechet import Frechet
from scripts.lib.fidelity.whole import Scale

MEASURES = ("fid_plain", "fid", "kid", "precision", "recall", "density", "coverage")
COLUMNS = [
    *["dataset", "arm", "fraction", "features", "dimensions", "measure", "against", "n"],
    *["value", "low", "high", "floor", "floor_low", "floor_high", "note"],
]
SURE = 10  # films for each feature below which FID's correction is rough
DIFFERENT = 0.1  # in the share of a label, from which it is named in the note
DIGITS = 6  # low bits of a linear algebra differ between machines


@dataclass(frozen=True)
class Sides:
    """What is compared at one number: `images` of the pool, and two sets of films of different patients."""

    images: Chosen
    floor: Chosen
    films: Chosen


def choose_sides(
    pool: Sequence[Path], cohort: Path, features: tuple[Sequence[Path], Path], splits: Sequence[str],
    labels: Sequence[str], kept: pd.Series | None, most: int,
) -> Sides:  # fmt: skip
    """Return equally many images, films and other films; `features`: files of one network for the shards and the cohort.

    `kept`: the image_id of what a filter kept of the pool. Raises InputError where the cohort has no film of these splits.
    """
    rows = rows_of_splits(cohort, splits)
    if not len(rows):
        raise InputError(f"{cohort}: no film of split {' or '.join(splits)}; correct fidelity.splits")
    first, second = halves(choose([cohort], [features[1]], labels, [rows], 2 * most))
    keep = None if kept is None else rows_named(pool, kept)
    images = choose(pool, features[0], labels, keep, min(most, len(first), len(second)))
    count = min(len(images), len(first), len(second))
    return Sides(*(one.take(np.arange(count)) for one in (images, first, second)))


def compare(sides: Sides, features: tuple[Sequence[Path], Path], nearest: int) -> list[dict[str, Any]]:
    """Return a row for each measure: dimensions, measure, n, value and floor with their intervals, note."""
    cohort = [features[1]]
    films, others, images = (
        sides.films.features(cohort),
        sides.floor.features(cohort),
        sides.images.features(features[0]),
    )
    check_alike((images, features[0][0]), (films, features[1]))
    count, size = films.shape
    about = {"dimensions": size, "n": count}
    if fault := _too_few(count, min(one.index["patient_id"].nunique() for one in (sides.films, sides.floor)), nearest):
        return _empty(about, fault)
    scale = Scale.of(films)
    if not scale.factor:
        return _empty(about, "all films have the same features; is every film of one grey value?")
    notes = _notes(images, scale)
    mine, floor, real = (_rows(found, side, scale) for found, side in ((images, sides.images), (others, sides.floor), (films, sides.films)))  # fmt: skip
    reference = within(real, scale, nearest)
    values, floors = (
        between(one, real, within(one, scale, nearest), reference, scale, nearest) for one in (mine, floor)
    )
    fid_note = _fid_fault(count, size)
    if not fid_note:
        frechet = Frechet(real, scale)
        for found, rows in ((values, mine), (floors, floor)):
            plain, corrected = frechet.distances(rows)
            found |= {"fid_plain": IntervalValue(plain, np.nan, np.nan), "fid": corrected}
        if count < SURE * size:
            fid_note = f"{count} films for {size} features: FID's correction is rough, read KID"
    out = []
    for measure in MEASURES:
        own = [fid_note] if measure.startswith("fid") and fid_note else []
        out.append(
            {**about, "measure": measure, **_numbers(values, floors, measure), "note": "; ".join([*own, *notes])}
        )
    return out


def measure(
    pool: Sequence[Path], cohort: Path, networks: Mapping[str, tuple[Sequence[Path], Path]],
    settings: Mapping[str, Any], cell: Mapping[str, str], labels: Sequence[str], kept: pd.Series | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return the table (COLUMNS) of one pool: MEASURES rows for each network.

    networks  files of features of the shards and of the cohort, by network
    settings  splits, images, nearest, and `barred`: networks that chose or taught, which get a note and no number
    cell      dataset, arm, fraction
    """
    parts = []
    against = f"{cell['dataset']}: {'+'.join(settings['splits'])}"
    for name, files in networks.items():
        sides = choose_sides(pool, cohort, files, settings["splits"], labels, kept, settings["images"])
        if name in settings["barred"]:
            count = {"dimensions": pd.NA, "n": len(sides.images)}
            rows = _empty(
                count, f"{name} chose the images of this arm or taught its generator, so it may not judge them"
            )
        else:
            rows = compare(sides, files, settings["nearest"])
        mixed = _mixture(sides, labels)
        for row in rows:
            row |= {**cell, "features": name, "against": against}
            row["note"] = "; ".join(filter(None, [row["note"], mixed]))
        parts += rows
    table = pd.DataFrame(parts)[COLUMNS]
    for note in dict.fromkeys(filter(None, table["note"])):
        log(f"{cell['dataset']} {cell['arm']} at {cell['fraction']}: {note}")
    return table.assign(**{name: _rounded(table[name]) for name in COLUMNS[8:14]})


def _rows(features: np.ndarray, side: Chosen, scale: Scale) -> Rows:
    return Rows.of(scale.whole(features)[0], side.groups)


def _too_few(count: int, patients: int, nearest: int) -> str:
    """Return why there is no number: too few films, or too few patients to say how much chance there is in it."""
    least = max(LEAST, nearest + 2)
    if count < least:
        return f"{count} on each side, fewer than the {least} that a number needs; add films or splits"
    if patients < GROUPS:
        return f"films of {patients} patients on a side, fewer than the {GROUPS} that an interval needs; add films or splits"
    return ""


def _fid_fault(count: int, size: int) -> str:
    """Return why there is no FID: with a group left out, a covariance needs more films than features."""
    least = -(-(size + 2) * GROUPS // (GROUPS - 1))
    return (
        f"FID of {size} features needs {least} films on each side, here are {count}; read KID" if count < least else ""
    )


def _notes(images: np.ndarray, scale: Scale) -> list[str]:
    _, clipped = scale.whole(images)
    found = [f"{clipped} images lie far outside of the films and were drawn nearer"] if clipped else []
    if len(images) > 1 and (images == images[0]).all():
        found.append("all images have the same features; is every image of one grey value?")
    return found


def _numbers(
    values: Mapping[str, IntervalValue], floors: Mapping[str, IntervalValue], measure: str
) -> dict[str, float]:
    none = IntervalValue(np.nan, np.nan, np.nan)
    own, floor = values.get(measure, none), floors.get(measure, none)
    return {
        "value": own.value,
        "low": own.low,
        "high": own.high,
        "floor": floor.value,
        "floor_low": floor.low,
        "floor_high": floor.high,
    }


def _empty(about: Mapping[str, Any], note: str) -> list[dict[str, Any]]:
    return [{**about, "measure": name, **_numbers({}, {}, name), "note": note} for name in MEASURES]


def _mixture(sides: Sides, labels: Sequence[str]) -> str:
    """Return which labels are more common on one side; a distance then counts the mixture beside the looks.

    A label that is known of no image or of no film has no share there: it is named, and compared with nothing.
    """
    found, unknown = [], []
    for label in labels if len(sides.images) else ():  # nobody has no mixture
        images, films = (known_share(one.index[label]) for one in (sides.images, sides.films))
        word = label.replace("_", " ")
        if images is None or films is None:
            unknown.append(f"{word} is known of no {'image' if images is None else 'film'}")
        elif abs(images - films) > DIFFERENT:
            found.append(f"{word} {images:.0%} of images, {films:.0%} of films")
    return "; ".join([f"other mixture: {', '.join(found)}"] * bool(found) + unknown)


def known_share(values: pd.Series) -> float | None:
    """Return the share of ones among the values that are known; None where none is."""
    known = values.dropna()
    return float(known.mean()) if len(known) else None


def _rounded(values: pd.Series) -> pd.Series:
    return values.map(lambda value: float(f"{value:.{DIGITS}g}") if pd.notna(value) else np.nan)
