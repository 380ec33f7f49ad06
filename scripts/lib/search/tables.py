"""What a search found: its history, and how much each key matters to the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json
from scripts.lib.search.rounds import COMPLETE, FAIL, Score, best_of, distributions, rebuilt

LEAST = 8  # proposals below which an importance is chance
DIGITS = 6


def read_scores(paths: Sequence[Path]) -> list[Score]:
    """Return the scores of files, by number; raises InputError for a file that is none."""
    found = []
    for path in paths:
        content = read_json(path, "the score of a proposal")
        try:
            score = Score(**content)
        except TypeError as error:
            raise InputError(f"{path}: {error}; remove it, and it is made anew") from None
        if score.state not in (COMPLETE, FAIL) or (score.state == COMPLETE) != isinstance(score.score, float):
            raise InputError(
                f"{path}: state {score.state!r} with score {score.score!r}; expected {COMPLETE} with a number, or {FAIL}"
            )
        found.append(score)
    return sorted(found, key=lambda one: one.number)


def history(scores: Sequence[Score]) -> pd.DataFrame:
    """Return a row a proposal: number, round, state, score, best (so far), the searched keys, note."""
    rows, best = [], np.nan
    for one in scores:
        value = np.nan if one.score is None else one.score
        best = np.nanmin([best, value]) if not np.isnan([best, value]).all() else np.nan
        about = {"number": one.number, "round": one.round, "state": one.state, "score": value, "best": best}
        rows.append({**about, **dict(sorted(one.values.items())), "note": one.note})
    return pd.DataFrame(rows)


def best_file(scores: Sequence[Score]) -> dict[str, Any]:
    """Return what best.json holds: the best proposal, and the score of the defaults beside it."""
    best = best_of(scores)
    return {"number": best.number, "score": best.score, "default": scores[0].score, "values": dict(best.values)}


def importance(scores: Sequence[Score], settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """Return key, importance (a share, summing to 1) and note: fANOVA of a random forest (Hutter et al. 2014).

    With fewer than LEAST scores, or none that differ, there is no number and the note says why.
    """
    keys = sorted(settings["space"])
    known = [one for one in scores if one.state == COMPLETE]
    if len(known) < LEAST or len({one.score for one in known}) < 2:
        why = f"{len(known)} scores, fewer than the {LEAST} that an importance needs, or all the same"
        return pd.DataFrame({"key": keys, "importance": np.nan, "note": why})
    space = distributions(settings["space"], settings["defaults"])
    study = rebuilt(known, space, seed, 1)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed % 2**32)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    rounded = [float(f"{shares[key]:.{DIGITS}g}") for key in keys]
    return pd.DataFrame({"key": keys, "importance": rounded, "note": ""})
