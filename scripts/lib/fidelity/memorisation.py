"""Is a pool made of copies? Its likeness to training films, against that of held-out films to the same films.

Films of strangers resemble training films to a degree; images that resemble them more often do so because their generator
learned films by heart. Held-out films are halved by patient: one half says what likeness is rare (the threshold), the other how
rare it truly is (the floor).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from scripts.lib.fidelity.chosen import hashes
from scripts.lib.fidelity.verdicts import FAILS, PASSES, UNDECIDED

COLUMNS = [
    *["dataset", "arm", "fraction", "measure", "value", "low", "high", "n"],
    *["floor", "floor_low", "floor_high", "verdict", "note"],
]
LEAST_HELDOUT = 200  # films: half of them set a threshold that one in a hundred passes
LEAST_IMAGES = 100
SENSITIVE = 0.9  # share of each kind of planted copies that must be found before a pool may pass ...
BY_HAND = (
    "cropped",
)  # ... but for these kinds: persons make them, generators do not. A note says that they are missed
SAME = 0.999  # likeness from which an image is its film itself
CONFIDENCE = 0.95
HELDOUT = "held-out"


@dataclass(frozen=True)
class CopyGate:
    """What held-out films and planted copies say: the threshold, the floor, and how many copies of each kind are found.

    `heldout`: likeness of the half of the films that counts (m,); `sensitivity`: {kind: (found, planted)}.
    """

    threshold: float
    heldout: np.ndarray
    films: int
    sensitivity: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, floor: pd.DataFrame, percentile: float) -> CopyGate:
        """Return the gate from a table with kind (held-out, or a kind of planted copies), patient_id and similarity."""
        heldout = floor[floor["kind"] == HELDOUT]
        first = _first_half(heldout["patient_id"]) if len(heldout) else np.zeros(0, bool)
        likeness = heldout["similarity"].to_numpy()
        # "higher": a film of the half itself, so that no more than the stated share of them lies above.
        threshold = float(np.percentile(likeness[first], percentile, method="higher")) if first.any() else np.nan
        kinds = [kind for kind in dict.fromkeys(floor["kind"]) if kind != HELDOUT]
        similar = {kind: floor["similarity"][floor["kind"] == kind].to_numpy() for kind in kinds}
        counted = {kind: (int((values > threshold).sum()), len(values)) for kind, values in similar.items()}
        # Without a threshold nothing can be said to be found, or to be missed.
        return cls(threshold, likeness[~first], len(heldout), {} if np.isnan(threshold) else counted)

    def copies(self, similarity: np.ndarray) -> np.ndarray:
        """Return which images lie nearer to a training film than the threshold, bool (n,); none without a threshold."""
        return similarity > self.threshold


def _first_half(patients: pd.Series) -> np.ndarray:
    names, of_film = np.unique(patients.to_numpy(dtype=str), return_inverse=True)
    order = np.argsort(hashes(list(names), "held-out"), kind="stable")
    number = np.empty(len(names), np.int64)
    number[order] = np.arange(len(names))
    sizes = np.bincount(number[of_film], minlength=len(names))
    return (np.cumsum(sizes) - sizes / 2 < len(of_film) / 2)[number[of_film]]


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a pool, why, and the P value of its images being no nearer than held-out films."""

    word: str
    why: str
    p_value: float


def judge(similarity: np.ndarray, gate: CopyGate, alpha: float) -> Verdict:
    """Return the verdict on images with this likeness to their nearest training films.

    fails      more of them lie above the threshold than held-out films do (Fisher's exact test, one-sided, P < alpha); or one
               is a training film itself (SAME), which no held-out film is
    undecided  else, where held-out films or images are too few, or planted copies (but for BY_HAND) are not found: silence
               proves nothing
    passes     else

    Images of one grey value (likeness 0) resemble nothing, so they are not counted; the reason names them.
    """
    every, similarity = len(similarity), similarity[similarity != 0]
    found = _judged(similarity, gate, alpha)
    blank = f"{every - len(similarity)} of {every} images have one grey value and say nothing"
    return replace(found, why="; ".join(filter(None, [found.why, blank]))) if every > len(similarity) else found


def _judged(similarity: np.ndarray, gate: CopyGate, alpha: float) -> Verdict:
    above, floor = int(gate.copies(similarity).sum()), int(gate.copies(gate.heldout).sum())
    if gate.films < 2 or not len(similarity):
        return Verdict(
            UNDECIDED, f"{gate.films} held-out films and {len(similarity)} images: nothing to compare", np.nan
        )
    table = [[above, len(similarity) - above], [floor, len(gate.heldout) - floor]]
    p_value = float(stats.fisher_exact(table, alternative="greater")[1])
    same = int((similarity >= SAME).sum())
    if same and not (gate.heldout >= SAME).any() and gate.threshold < SAME:
        return Verdict(FAILS, f"{same} images are training films themselves", p_value)
    if p_value < alpha:
        return Verdict(FAILS, f"{above} of {len(similarity)} images are near-copies, {floor} of {len(gate.heldout)} held-out films", p_value)  # fmt: skip
    if gate.films < LEAST_HELDOUT:
        return Verdict(UNDECIDED, f"{gate.films} held-out films, fewer than {LEAST_HELDOUT}", p_value)
    if len(similarity) < LEAST_IMAGES:
        return Verdict(UNDECIDED, f"{len(similarity)} images, fewer than {LEAST_IMAGES}", p_value)
    missed = {kind: f"{kind} {found} of {count}" for kind, (found, count) in gate.sensitivity.items() if found < SENSITIVE * count}  # fmt: skip
    needed = [text for kind, text in missed.items() if kind not in BY_HAND]
    if needed or not gate.sensitivity:
        return Verdict(UNDECIDED, f"planted copies are not found: {', '.join(needed) or 'none was planted'}", p_value)
    why = f"copies that somebody changed may be missed: planted {', '.join(missed.values())}" if missed else ""
    return Verdict(PASSES, why, p_value)


def exact_interval(count: int, total: int) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of 95 % of a share; n/a (NaN) of nothing."""
    if not total:
        return np.nan, np.nan
    interval = stats.binomtest(count, total).proportion_ci(CONFIDENCE, method="exact")
    return float(interval.low), float(interval.high)


def table(
    similarity: np.ndarray, gate: CopyGate, alpha: float, cell: Mapping[str, str], notes: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the table (COLUMNS) of one pool: near_copies, same_film, likeness, and found_KIND of each kind of planted copies."""
    verdict = judge(similarity, gate, alpha)
    rows: list[dict[str, Any]] = []
    why = "; ".join(filter(None, [verdict.why, *notes]))
    copies, floors = gate.copies(similarity), gate.copies(gate.heldout)
    measures = {"near_copies": (copies, floors, f"above {gate.threshold:.4f}; P {verdict.p_value:.3g}" if gate.films else "no threshold"),
             "same_film": (similarity >= SAME, gate.heldout >= SAME, f"at {SAME} or above")}  # fmt: skip
    for name, (own, floor, about) in measures.items():
        rows.append(
            {"measure": name, **_share(own), **_share(floor, "floor"), "note": "; ".join(filter(None, [about, why]))}
        )
    middle, lower = _median(similarity), _median(gate.heldout)
    below = {"floor": lower[0], "floor_low": lower[1], "floor_high": lower[2]}
    rows.append({"measure": "likeness", **dict(zip(("value", "low", "high"), middle)), "n": len(similarity), **below})
    for kind, (count, total) in gate.sensitivity.items():
        low, high = exact_interval(count, total)
        rows.append({"measure": f"found_{kind}", "value": count / total, "low": low, "high": high, "n": total})
    made = pd.DataFrame([{**cell, "verdict": verdict.word, **row} for row in rows]).reindex(columns=COLUMNS)
    numbers = ["value", "low", "high", "floor", "floor_low", "floor_high"]
    return made.assign(note=made["note"].fillna(""), **{name: made[name].astype(float).round(6) for name in numbers})


def _share(truths: np.ndarray, prefix: str = "") -> dict[str, float]:
    low, high = exact_interval(int(truths.sum()), len(truths))
    value = float(truths.mean()) if len(truths) else np.nan
    if prefix:
        return {prefix: value, f"{prefix}_low": low, f"{prefix}_high": high}
    return {"value": value, "low": low, "high": high, "n": len(truths)}


def _median(values: np.ndarray) -> tuple[float, float, float]:
    """Return the median with its interval of 95 % from order statistics."""
    if not len(values):
        return np.nan, np.nan, np.nan
    ordered = np.sort(values)
    low, high = (int(stats.binom.ppf(level, len(values), 0.5)) for level in (0.025, 0.975))
    return float(np.median(ordered)), float(ordered[max(0, low - 1)]), float(ordered[min(len(values) - 1, high)])
