"""Tables of scores: which label a film was made for, what films are ranked by, and reading all shards as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort, read_index
from scripts.lib.conditions.prompts import NORMAL, SIDES, label_prompts, with_side
from scripts.lib.core.errors import InputError
from scripts.lib.core.parquet import read_parquet

IDENTITY = ["condition_id", "sample"]
# What tables about a filter need of a pool's index beside the scores; the rest of it need not be held.
READ = ["trial", "view", "sex"]
HELD = ["image_id", *IDENTITY, "trial", "position", "label", "score"]
KEPT = ["image_id", *IDENTITY, "trial", "source_position", "position", "label", "score"]


def own_labels(cohort: Cohort, prompts: Mapping[str, str | None]) -> list[str]:
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
    chosen = []
    for name, text, positive in zip(cohort.index["image_id"], cohort.index["report"], labels):
        shown = [label for label, on in zip(cohort.labels, positive) if on]
        own = named.get(text) if isinstance(text, str) else None
        if own is None:
            if len(shown) > 1:
                raise InputError(f"{cohort.folders[0]}: film {name} shows {shown}; expected one label, or its prompt")
            own = shown[0] if shown else NORMAL
        elif own in cohort.labels and own not in shown:
            raise InputError(f"{cohort.folders[0]}: film {name} has prompt {text!r}, but its label {own} is not 1")
        chosen.append(own)
    label_prompts(prompts, sorted(set(chosen)), with_normal=False)
    return chosen


def ranks_by(scores: Mapping[str, pd.Series] | pd.DataFrame, label: str, rank_by: str) -> np.ndarray:
    """Return what films are ranked by for a label, (n,): the cosine with its text, or its margin over `normal`'s.

    `normal` has no margin, so it is ranked by its cosine in either case.
    """
    values = scores[f"score_{label}"].to_numpy()
    if rank_by == "cosine" or label == NORMAL:
        return values
    if f"score_{NORMAL}" not in scores:
        raise InputError(f"proxy.rank_by = margin: there is no prompt for {NORMAL}; add one, or rank by cosine")
    return values - scores[f"score_{NORMAL}"].to_numpy()


def own_ranks(scores: pd.DataFrame, label: str, rank_by: str) -> np.ndarray:
    """Return what films that were made for this label are ranked by, (n,); `score` is their cosine with its text."""
    columns = {f"score_{NORMAL}": scores[f"score_{NORMAL}"]} if f"score_{NORMAL}" in scores else {}
    return ranks_by({**columns, f"score_{label}": scores["score"]}, label, rank_by)


def read_scores(paths: Sequence[Path], folders: Sequence[Path]) -> pd.DataFrame:
    """Return the scores of a pool's shards, in the order of its films: HELD, and score_normal where there is one.

    One shard is read at a time, and of its films about 100 bytes are held each. Raises InputError unless each table holds
    the scores of its shard, without gaps, and no film occurs twice.
    """
    if len(paths) != len(folders):
        raise InputError(f"{paths[0]}: {len(paths)} tables of scores for {len(folders)} shards; give one for each")
    parts, keys = [], []
    for path, folder in zip(paths, folders):
        part = _scores_of(path, folder)
        keys.append(pd.util.hash_pandas_object(part[IDENTITY], index=False, categorize=False).to_numpy())
        part["label"] = part["label"].astype("category")
        parts.append(part)
    labels = pd.api.types.union_categoricals([part["label"] for part in parts], sort_categories=True).categories
    for part in parts:
        part["label"] = part["label"].cat.set_categories(labels)
    if len(np.unique(np.concatenate(keys))) < sum(map(len, keys)):
        table = pd.concat([part[IDENTITY] for part in parts])
        if table.duplicated().any():
            raise InputError(f"{paths[0]}: a film (condition_id, sample) occurs twice; give each shard's scores once")
    return pd.concat(parts, ignore_index=True)


def _scores_of(path: Path, folder: Path) -> pd.DataFrame:
    """Return what is held of one shard's scores, checked against its films."""
    part = read_parquet(path, "table of scores", "score it anew")
    wrong = part[[name for name in part if str(name).startswith("score")]].isna().any(axis=1)
    if wrong.any():
        name = part["image_id"][wrong.to_numpy().argmax()]
        raise InputError(f"{path}: the score of {name} is missing ({wrong.sum()} films); score this shard anew")
    films = read_index(folder, ["image_id", *IDENTITY, "trial", "position"])
    if len(part) != len(films) or not all((part[name].array == films[name].array).all() for name in IDENTITY):
        raise InputError(f"{path}: {len(part)} scores of other films than the {len(films)} of {folder}; score it anew")
    normal = f"score_{NORMAL}"
    return films.assign(**{name: part[name] for name in ("label", "score", normal) if name in part})
