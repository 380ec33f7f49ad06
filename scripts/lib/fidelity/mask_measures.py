"""Masks of a pool beside real masks that their generator never saw: every number with its floor, the same between real masks.

A comparison of two sets is repeated on `draws` random halves of the real patients: the floor holds one half against the other,
the value holds as many masks of the pool against that other half. So both have the same sizes, and differ by the pool alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.mask_prompts import MIDLINE, Ask, ask_of, findings_of
from scripts.lib.conditions.mask_shape import faults_among, plausibility, shapes
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng
from scripts.lib.fidelity.mask_copies import highest_overlaps, overlap_diversity
from scripts.lib.fidelity.mask_tests import energy_distance, two_sample

COLUMNS = ("measure", "of", "value", "low", "high", "n", "floor", "note")
LEAST = 10  # masks that show a structure, or its shape is not compared
FIRST = (
    "first_faults",
    "first_missed",
)  # columns of a pool: what was wrong of the first draw of a mask, "" for nothing
COPY_QUANTILE = 0.99  # of the held-out masks' own overlaps
CONFIDENCE = 0.95
MeasureRow = dict[str, object]


@dataclass
class MaskSet:
    """Masks, uint8 (n, H, W), what was asked of each (real ones: what they show), and whose they are.

    `least`: by finding the share of the film from which on it counts as shown (mask_shape.least_of).
    """

    fields: np.ndarray
    asks: list[Ask]
    patients: np.ndarray
    structures: list[str]
    least: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shown = [ask_of(one, self.structures, self.least) for one in self.fields]
        self.shapes = pd.DataFrame(shapes(self.fields, self.structures))
        self.plausible = [plausibility(one, self.structures) for one in self.fields]
        inside = pd.DataFrame(self.plausible)
        self.inside = inside.reindex(columns=sorted(inside.columns))
        self.present = np.array(
            [[name in one for name in findings_of(self.structures)] for one in self.shown], dtype=bool
        )

    def features(self) -> pd.DataFrame:
        """Return what a classifier sees, a row a mask: shapes, places, and how far findings lie where they can."""
        return pd.concat([self.shapes, self.inside.add_prefix("inside ")], axis=1)


def measure_masks(
    pool: MaskSet,
    real: MaskSet,
    learned: np.ndarray,
    limits: Mapping[str, float],
    first: pd.DataFrame,
    seed: int,
    draws: int,
) -> pd.DataFrame:
    """Return the table (COLUMNS) of a pool.

    real      masks that the generator never saw          learned  those that it learned from, uint8 (m, H, W)
    limits    of what a valid mask may be (mask_shape)    first    what was wrong of each mask's first draw (columns FIRST)
    """
    halves = Halves(pool, real, seed, draws)
    rows = [
        *answers(pool),
        *all_shown(pool, first["first_missed"].to_numpy() == ""),
        *frequencies(pool, real, halves),
        *shape_rows(pool, real, halves),
        *validity(pool, real, limits, first["first_faults"].to_numpy() == ""),
        *copies(pool, real, learned),
        *tests(pool, real, halves),
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


class Halves:
    """Random halves of the real patients, and as many masks of the pool."""

    def __init__(self, pool: MaskSet, real: MaskSet, seed: int, draws: int) -> None:
        self.parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        names = np.unique(real.patients.astype(str))
        for draw in range(draws):
            stream = rng(seed, "mask halves", draw)
            own = np.isin(real.patients.astype(str), names[stream.permutation(len(names))[: len(names) // 2]])
            one, two = np.flatnonzero(own), np.flatnonzero(~own)
            taken = stream.permutation(len(pool.fields))[: len(one)]
            self.parts.append((one, two, taken))

    def compare(
        self,
        measure: str,
        of: str,
        distance: Callable[[np.ndarray, np.ndarray], float],
        pool: np.ndarray,
        real: np.ndarray,
    ) -> MeasureRow:
        """Return the row of a distance between two sets of values, mean and range over the halves."""
        floors, values = [], []
        for one, two, taken in self.parts:
            floors.append(distance(real[one], real[two]))
            values.append(distance(pool[taken], real[two]))
        low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return row(measure, of, float(np.mean(values)), float(low), float(high), len(pool), float(np.mean(floors)))


def row(
    measure: str, of: str, value: float, low: float, high: float, n: int, floor: float = float("nan"), note: str = ""
) -> MeasureRow:
    """Return one row of the table."""
    return dict(zip(COLUMNS, (measure, of, value, low, high, n, floor, note), strict=True))


def share_row(measure: str, of: str, hits: np.ndarray, floor: float = float("nan"), note: str = "") -> MeasureRow:
    """Return the row of a share with Wilson's interval; without a case it says so."""
    if not len(hits):
        return row(measure, of, float("nan"), float("nan"), float("nan"), 0, floor, "no such mask in the pool")
    interval = stats.binomtest(int(hits.sum()), len(hits)).proportion_ci(CONFIDENCE, method="wilson")
    return row(measure, of, float(hits.mean()), float(interval.low), float(interval.high), len(hits), floor, note)


def answers(pool: MaskSet) -> Iterator[MeasureRow]:
    """Yield whether masks show what was asked for, nothing else, and on the side that was asked for, bilateral included."""
    every: dict[str, list[bool]] = {"shown_if_asked": [], "shown_if_not_asked": [], "side_agreement": []}
    for name in findings_of(pool.structures):
        pairs = [(ask.get(name), shown.get(name)) for ask, shown in zip(pool.asks, pool.shown, strict=True)]
        hits = {
            "shown_if_asked": [got is not None for asked, got in pairs if asked is not None],
            "shown_if_not_asked": [got is not None for asked, got in pairs if asked is None],
            "side_agreement": [asked == got for asked, got in pairs if asked and got and name not in MIDLINE],
        }
        for measure, found in hits.items():
            every[measure] += found
            if measure != "side_agreement" or name not in MIDLINE:
                yield share_row(measure, name, np.array(found, dtype=bool))
    for measure, found in every.items():
        yield share_row(measure, "all", np.array(found, dtype=bool))


def all_shown(pool: MaskSet, at_once: np.ndarray) -> Iterator[MeasureRow]:
    """Yield the share of masks that show all that was asked for, each on its side: at last, and at the first draw, bool (n,)."""
    whole = [all(shown.get(name) == side for name, side in ask.items()) for ask, shown in zip(pool.asks, pool.shown)]
    yield share_row("all_shown", "all", np.array(whole, dtype=bool))
    yield share_row("all_shown", "first try", np.asarray(at_once, dtype=bool))


def frequencies(pool: MaskSet, real: MaskSet, halves: Halves) -> Iterator[MeasureRow]:
    """Yield how often each finding is shown, the floor being that of real masks, and how far findings go together as they do."""
    for number, name in enumerate(findings_of(pool.structures)):
        yield share_row("frequency", name, pool.present[:, number], float(real.present[:, number].mean()))
    yield halves.compare("co_occurrence", "all", _largest_phi, pool.present, real.present)


def phi_matrix(present: np.ndarray) -> np.ndarray:
    """Return the correlation of presence, (k, k), of presence bool (n, k); 0 where a finding is always or never there."""
    centred = present - present.mean(0)
    spread = np.sqrt((centred**2).mean(0))
    scale = np.outer(spread, spread)
    return np.divide(centred.T @ centred / len(present), scale, out=np.zeros_like(scale), where=scale > 0)


def _largest_phi(one: np.ndarray, two: np.ndarray) -> float:
    return float(np.abs(phi_matrix(one) - phi_matrix(two)).max(initial=0.0))


def shape_rows(pool: MaskSet, real: MaskSet, halves: Halves) -> Iterator[MeasureRow]:
    """Yield distances of areas, parts, compactness and places for each structure that both sets show often enough.

    Places are told in two ways: `position` in the box of the lungs, `inside` by the share that lies in the mask's own lungs or heart.
    """
    for name in pool.structures:
        counts = [int(one.shapes[f"{name}.log_area"].notna().sum()) for one in (pool, real)]
        if min(counts) < 2 * LEAST:
            note, unknown = f"shown by {counts[0]} masks and {counts[1]} real ones", float("nan")
            yield row("area", name, unknown, unknown, unknown, counts[0], note=note)
            continue
        for what, measure in (("log_area", "area"), ("parts", "parts"), ("compactness", "compactness")):
            one, two = (part.shapes[f"{name}.{what}"].to_numpy() for part in (pool, real))
            yield halves.compare(measure, name, _ks, one, two)
        places = [part.shapes[[f"{name}.x", f"{name}.y"]].to_numpy() for part in (pool, real)]
        yield halves.compare("position", name, _energy, *places)
        if all(name in part.inside for part in (pool, real)):
            yield halves.compare("inside", name, _ks, *(part.inside[name].to_numpy() for part in (pool, real)))


def _ks(one: np.ndarray, two: np.ndarray) -> float:
    one, two = one[~np.isnan(one)], two[~np.isnan(two)]
    return float(stats.ks_2samp(one, two, method="asymp").statistic) if min(len(one), len(two)) else float("nan")


def _energy(one: np.ndarray, two: np.ndarray) -> float:
    return energy_distance(one[~np.isnan(one).any(1)], two[~np.isnan(two).any(1)])


def validity(pool: MaskSet, real: MaskSet, limits: Mapping[str, float], at_once: np.ndarray) -> Iterator[MeasureRow]:
    """Yield the share of masks that can be, at last and at the first draw, bool (n,), and how often each limit is broken."""
    broken, real_broken = ([faults_among(one, limits) for one in part.plausible] for part in (pool, real))
    fine, floor = np.array([not one for one in broken]), float(np.mean([not one for one in real_broken]))
    yield share_row("validity", "all", fine, floor)
    yield share_row("validity", "first try", np.asarray(at_once, dtype=bool), floor)
    for name in sorted({one for found in (*broken, *real_broken) for one in found}):
        share = float(np.mean([name in one for one in real_broken]))
        yield share_row("broken", name, np.array([name in one for one in broken]), share)


def copies(pool: MaskSet, real: MaskSet, learned: np.ndarray) -> Iterator[MeasureRow]:
    """Yield the share of masks that overlap a learned one, mirrored too, more than nearly all held-out masks do; and diversity."""
    of_real = highest_overlaps(real.fields, learned, len(real.structures))
    of_pool = highest_overlaps(pool.fields, learned, len(pool.structures))
    limit = float(np.quantile(of_real, COPY_QUANTILE))
    note = f"IoU above {limit:.3f}, {COPY_QUANTILE:.0%} of the held-out masks lie below"
    yield share_row("copies", "all", of_pool > limit, float((of_real > limit).mean()), note)
    count = min(len(pool.fields), len(real.fields), 300)
    value, floor = (overlap_diversity(one.fields[:count], len(one.structures)) for one in (pool, real))
    yield row(
        "diversity",
        "all",
        value,
        float("nan"),
        float("nan"),
        count,
        floor,
        "Vendi score of the overlaps, of as many masks",
    )


def tests(pool: MaskSet, real: MaskSet, halves: Halves) -> Iterator[MeasureRow]:
    """Yield how well a classifier tells the pool from real masks; 0.5 = not at all, the floor tells real from real."""
    of_pool, of_real = pool.features(), real.features()
    names = sorted(set(of_pool.columns) | set(of_real.columns))
    values = [part.reindex(columns=names).to_numpy(dtype=float) for part in (of_pool, of_real)]
    few = Halves.__new__(Halves)
    few.parts = halves.parts[:5]
    yield few.compare("two_sample_auroc", "all", two_sample, *values)


def held_out(cohort: Cohort, learned: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a cohort that taught a model and those of patients who did not, by its list learned_from.parquet.

    Raises InputError where no patient is left.
    """
    here = learned[learned["dataset"] == str(cohort.meta.get("dataset", ""))]
    taught = cohort.index["image_id"].astype(str).isin(here["image_id"].astype(str)).to_numpy()
    seen = cohort.index["patient_id"].astype(str).isin(here["patient_id"].astype(str)).to_numpy()
    if seen.all():
        raise InputError(
            f"{cohort.folders[0]}: the model learned from all patients, so no real mask is left to compare with"
        )
    return np.flatnonzero(taught), np.flatnonzero(~seen)
