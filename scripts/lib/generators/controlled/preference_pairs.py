"""The pairs that preference tuning learns from: their images, prompts, masks and scores, found in the rated pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.generators.controlled.preference_loss import ASPECTS, orders


@dataclass(frozen=True)
class Pairs:
    """Rows of the pool (n,) of winners and losers, their scores (n, 2) float32 with NaN = none, weights (n,), set_ids."""

    winners: np.ndarray
    losers: np.ndarray
    winner_scores: torch.Tensor
    loser_scores: torch.Tensor
    weights: torch.Tensor
    sets: list[str]

    def __len__(self) -> int:
        return len(self.winners)


def find_pairs(records: Sequence[dict[str, Any]], pool: Cohort, what: str) -> Pairs:
    """Return the pairs of a preferences file; raises InputError for an empty one, or an image that the pool lacks."""
    if not records:
        raise InputError(
            f"{what}: no pairs, so there is nothing to learn from: all scores tie, or fewer than three sets are rated, "
            f"one to teach, one to choose and one to report on; rate more sets (make rate), or choose other pairs in feedback.preferences"
        )
    places = {key: row for row, key in enumerate(zip(pool.index["condition_id"], pool.index["sample"]))}
    rows, scores = [], []
    for number, record in enumerate(records, start=1):
        for side in ("winner", "loser"):
            key = (record["condition_id"], record[side]["sample"])
            if key not in places:
                raise InputError(f"{what}:{number}: the pool has no image {key[0]}, sample {key[1]}; give all shards")
            rows.append(places[key])
            scores.append([float("nan") if (s := record[side][aspect]) is None else float(s) for aspect in ASPECTS])
    pair_rows, values = np.array(rows).reshape(-1, 2), torch.tensor(scores).view(-1, 2, 2)
    tied = (orders(values[:, 0], values[:, 1]) == 0).all(1)
    if tied.any():
        raise InputError(f"{what}:{int(tied.nonzero()[0]) + 1}: winner and loser tie in every aspect; make it anew")
    sets = [str(record["set_id"]) for record in records]
    weights = torch.tensor([float(record["weight"]) for record in records])
    return Pairs(pair_rows[:, 0], pair_rows[:, 1], values[:, 0], values[:, 1], weights, sets)
