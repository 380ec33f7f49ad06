"""How well raters tell real films from synthetic images by how authentic they look: the AUROC of their answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.core.seeds import rng
from scripts.lib.feedback.forms.drawing import REAL

ALL = "all"
EQUAL = "all answers are the same"
MISSING = "no answer about real films, or none about others"


def told_apart(own: pd.DataFrame, draws: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each rater, and one for all of them (the mean of theirs): measure auc, rater, n, value, low, high, note.

    own  the answers to one question: rater, set_id, role, code (higher: more authentic) and shown. The interval of 95 % draws real
    films and images anew, and raters with them where it is about all. 0.5: they cannot tell them apart.
    """
    first = own[own["role"] != "repeat"]
    raters = sorted(first["rater"].unique())
    sides = [
        first[(first["shown"] == REAL) == real].pivot_table(index="set_id", columns="rater", values="code").reindex(columns=raters)
        for real in (True, False)
    ]  # fmt: skip
    films, images = (side.to_numpy(dtype=float) for side in sides)
    stream = rng(seed, "forms", "telling")
    times = [stream.multinomial(len(side), np.full(len(side), 1 / max(1, len(side))), draws) if len(side) else np.zeros((draws, 0)) for side in (films, images)]  # fmt: skip
    whole = [np.ones((1, len(side))) for side in (films, images)]
    values, drawn = np.full(len(raters), np.nan), np.full((draws, len(raters)), np.nan)
    for place, rater in enumerate(raters):
        one, other = films[:, place], images[:, place]
        values[place] = _auc(one, other, whole)[0]
        drawn[:, place] = _auc(one, other, times)
        given = np.concatenate([one, other])
        note = MISSING if np.isnan(values[place]) else EQUAL if len(set(given[np.isfinite(given)])) < 2 else ""
        value = np.nan if note else values[place]
        yield _told(rater, int(np.isfinite(given).sum()), value, drawn[:, place], note)
        if note:
            values[place] = drawn[:, place] = np.nan
    known = np.isfinite(values)
    if not known.any():
        yield _told(ALL, 0, np.nan, np.zeros(0), "no rater whose answers differ" if raters else "no answers")
        return
    chosen = stream.multinomial(int(known.sum()), np.full(int(known.sum()), 1 / known.sum()), draws)
    pooled = (np.nan_to_num(drawn[:, known]) * chosen).sum(1) / chosen.sum(1)
    count = int(np.isfinite(np.concatenate([films, images])).sum())
    yield _told(ALL, count, float(values[known].mean()), pooled, "the mean of the raters")


def _auc(films: np.ndarray, images: np.ndarray, times: list[np.ndarray]) -> np.ndarray:
    """Return the AUROC (draws,) of films (n,) above images (m,), each counted `times` ((draws, n), (draws, m)); ties half."""
    wins = (films[:, None] > images) + 0.5 * (films[:, None] == images)
    known = np.isfinite(films)[:, None] & np.isfinite(images)
    sums = [((times[0] @ part) * times[1]).sum(1) for part in (np.where(known, wins, 0.0), known.astype(float))]
    return np.asarray(np.divide(sums[0], sums[1], out=np.full(len(sums[0]), np.nan), where=sums[1] > 0))


def _told(rater: str, n: int, value: float, drawn: np.ndarray, note: str) -> dict[str, Any]:
    usable = drawn[np.isfinite(drawn)] if np.isfinite(value) else np.zeros(0)
    low, high = np.quantile(usable, [0.025, 0.975]) if usable.size else (np.nan, np.nan)
    return {
        "measure": "auc",
        "rater": rater,
        "n": n,
        "value": value,
        "low": float(low),
        "high": float(high),
        "note": note,
    }
