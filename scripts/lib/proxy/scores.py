"""Tables of scores: which label a film was made for, what films are ranked by, and reading all shards as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.errors import InputError
from scripts.lib.prompts import NORMAL, SIDES, label_prompts, with_side

IDENTITY = ["condition_id", "sample"]
# What scores, filters and their tables need of a pool's index; the rest of it need not be held.
READ = ["image_id", *IDENTITY, "trial", "position", "view", "sex"]
KEPT = ["image_id", *IDENTITY, "trial", "source_position", "position", "label", "score"]


def own_labels(cohort: Cohort, prompts: Mapping[str, object]) -> list[str]:
    """Return the label that each film of a pool was made to show; `normal` where that is no disease.

    The film's prompt decides where it is the prompt of one label, else its one positive label. Raises InputError for a
    film with several, or with one that has no prompt, since nothing says then by which text to judge it.
    """
    named = {
        with_side(str(word), side): label
        for label, word in prompts.items()
        if isinstance(word, str)
        for side in (*SIDES, None)
    }
    labels = cohort.index[cohort.labels].fillna(0).to_numpy() == 1
    found = []
    for name, text, positive in zip(cohort.index["image_id"], cohort.index["report"], labels):
        shown = [label for label, on in zip(cohort.labels, positive) if on]
        own = named.get(text) if isinstance(text, str) else None
        if own is None:
            if len(shown) > 1:
                raise InputError(f"{cohort.folders[0]}: film {name} shows {shown}; expected one label, or its prompt")
            own = shown[0] if shown else NORMAL
        elif own in cohort.labels and own not in shown:
            raise InputError(f"{cohort.folders[0]}: film {name} has prompt {text!r}, but its label {own} is not 1")
        found.append(own)
    label_prompts(prompts, sorted(set(found)), with_normal=False)
    return found


def ranks_by(scores: pd.DataFrame, label: str, rank_by: str) -> np.ndarray:
    """Return what films are ranked by for a label, (n,): the cosine with its text, or its margin over `normal`'s.

    `normal` has no margin, so it is ranked by its cosine in either case.
    """
    values = scores[f"score_{label}"].to_numpy()
    if rank_by == "cosine" or label == NORMAL:
        return values
    if f"score_{NORMAL}" not in scores:
        raise InputError(f"proxy.rank_by = margin: there is no prompt for {NORMAL}; add one, or rank by cosine")
    return values - scores[f"score_{NORMAL}"].to_numpy()


def read_scores(paths: Sequence[Path], pool: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of all shards in the order of the pool's index; raises InputError unless they match."""
    parts = []
    for path in paths:
        try:
            part = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not a table of scores ({' '.join(str(error).split())}); score it anew") from None
        wrong = part[[name for name in part if name.startswith("score")]].isna().any(axis=1)
        if wrong.any():
            name = part["image_id"][wrong.to_numpy().argmax()]
            raise InputError(f"{path}: the score of {name} is missing ({wrong.sum()} films); score this shard anew")
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    if table.duplicated(IDENTITY).any() or pool.duplicated(IDENTITY).any():
        raise InputError(f"{paths[0]}: a film (condition_id, sample) occurs twice; give each shard's scores once")
    scores = table.drop(columns=["image_id", "trial", "position"])
    found = pool[["image_id", *IDENTITY, "trial", "position"]].merge(scores, on=IDENTITY, how="left")
    if len(table) != len(pool) or found["score"].isna().any():  # a score is never missing in the tables
        raise InputError(f"{paths[0]}: {len(table)} scores for a pool of {len(pool)} other films; score this pool anew")
    return found
