"""What was found on edits: a row a film, and the same as means with intervals over patients drawn anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.downstream.judges import Judge
from scripts.lib.editing import measures
from scripts.lib.editing.judging import EditVerdict, class_probabilities, probabilities, shown_class
from scripts.lib.editing.subjects import FEATURES, PIXELS, SubjectGallery, Subjects, region
from scripts.lib.evidence.bootstrap import CONFIDENCE
from scripts.lib.evidence.resampling import draw_weights
from scripts.lib.training.devices import Placement

# A row of the table of edits: its measures, by the column of `film_table` that it is the mean of.
MEASURES = {
    "flip_rate": "flipped",
    "gain": "gain",
    "change": "change",
    "ssim": "ssim",
    "inside": "inside",
    "changed": "changed",
    "sharpness": "sharpness",
    "identity_pixels": "first_pixels",
    "identity_features": "first_features",
    "reciprocal_rank_pixels": "rank_pixels",
    "reciprocal_rank_features": "rank_features",
    "cycle": "cycle",
}


@dataclass(frozen=True)
class Witness:
    """Who looks at edits: a judge that was checked, where it computes, and the gallery of all films."""

    judge: Judge
    verdict: EditVerdict
    placement: Placement
    gallery: SubjectGallery
    names: list[str]  # of the classes, `normal` first

    def film_table(self, subjects: Subjects, edited: np.ndarray, other: np.ndarray, cycle: np.ndarray | None = None) -> pd.DataFrame:  # fmt: skip
        """Return a row for each edit uint8 (n, H, W) of a film towards class `other` int (n,).

        image_id, patient_id, own, other (names), before, after (the judge's probability of the other class), flipped (1, 0; missing
        where the judge did not see the own class in the film itself), gain, and the measures of measures.py. `cycle`: grey levels
        (n,) by which the film differs after a second edit back.
        """
        films, classes = subjects.films(), subjects.classes
        before, after = (probabilities(self.judge, one, self.names[1:], self.placement) for one in (films, edited))
        asked = np.arange(len(films)), other
        chances = [class_probabilities(one)[asked] for one in (before, after)]
        thresholds = self.verdict.thresholds()
        read = shown_class(before, thresholds) == classes
        flipped = (shown_class(after, thresholds) == other).astype(float)
        findings = [self.names[max(pair)] for pair in zip(classes, other)]  # the finding that comes or goes
        where, _ = region(subjects.cohort, subjects.rows, findings)
        ranks = self.gallery.ranks(edited, subjects.rows)
        empty = np.full(len(films), np.nan)
        return pd.DataFrame(
            {
                "image_id": subjects.names(),
                "patient_id": subjects.patients(),
                "own": [self.names[number] for number in classes],
                "other": [self.names[number] for number in other],
                "before": chances[0],
                "after": chances[1],
                "flipped": np.where(read & (classes != other), flipped, np.nan),
                "gain": chances[1] - chances[0],
                "change": measures.change(films, edited, where),
                "ssim": measures.ssim(films, edited, where),
                "inside": empty if where is None else measures.inside_share(films, edited, where),
                "changed": measures.changed_share(films, edited),
                "sharpness": measures.sharpness_change(films, edited),
                **{f"first_{kind}": (ranks[kind] == 1).astype(float) for kind in (PIXELS, FEATURES)},
                **{f"rank_{kind}": 1 / ranks[kind] for kind in (PIXELS, FEATURES)},
                "cycle": empty if cycle is None else cycle,
            }
        )


def summary(table: pd.DataFrame, draws: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return a row (measure, n, value, low, high) for each of MEASURES: the mean over films, its interval over patients.

    No row where a measure has no value at all.
    """
    patients, of_film = np.unique(table["patient_id"].to_numpy(dtype=str), return_inverse=True)
    columns = list(MEASURES.values())
    values = table[columns].to_numpy(dtype=float)
    known = ~np.isnan(values)
    sums = np.zeros((len(patients), 2 * len(columns)))
    np.add.at(sums, of_film, np.concatenate([np.where(known, values, 0), known], axis=1))
    parts = [weights.T @ sums for _, weights in draw_weights(len(patients), draws, rng)] if len(patients) else []
    drawn = np.concatenate(parts) if parts else np.zeros((0, sums.shape[1]))
    rows = []
    for place, measure in enumerate(MEASURES):
        count = int(known[:, place].sum())
        if not count:
            continue
        total, number = drawn[:, place], drawn[:, len(columns) + place]
        means = total[number > 0] / number[number > 0]
        low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        value = float(values[known[:, place], place].mean())
        rows.append({"measure": measure, "n": count, "value": value, "low": float(low), "high": float(high)})
    return rows
