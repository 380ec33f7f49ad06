"""Which training films a trial gets at a fraction: nested, drawn by patient, stratified by label.

Every training film has a `rank` in [0, 1) per trial; the subset at fraction f is the films with rank < f. So 1 % lies
inside 10 % inside 100 %, and all films of a patient, which share one rank, are in or out together.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng

MAX_STRATA = 64  # rarer combinations of labels share one stratum, so that many labels cannot make this quadratic
COLUMNS = ("image_id", "patient_id", "trial", "rank")


def draw_ranks(
    index: pd.DataFrame, labels: Sequence[str], trials: int, per_trial: bool, seed: int, dataset: str
) -> pd.DataFrame:
    """Return the subsets table (COLUMNS), one row a trial and training film, from a cohort's index.

    `per_trial`: each trial draws its own order; otherwise all share trial 0's, as in MGCA, whose trials differ only in
    their initialisation. A rank is the place of a patient's middle film in the order, over the number of films, so
    that the subset at f holds f * n films to within half a patient.
    """
    train = index.loc[(index["split"] == "train").to_numpy()]
    if train.empty:
        raise InputError(f"{dataset}: the cohort has no training films (split = train); check the split of its source")
    patients = train["patient_id"].fillna(train["image_id"]).astype(str).to_numpy()
    names, patient_of = np.unique(patients, return_inverse=True)
    positives = np.column_stack(
        [train[label].fillna(0).to_numpy(dtype=float) for label in labels] or [np.zeros(len(train))]
    )
    films = np.bincount(patient_of, minlength=len(names)).astype(float)
    counts = np.column_stack([np.bincount(patient_of, column, len(names)) for column in positives.T])
    tables = []
    for trial in range(trials):
        order = _interleave(films, counts, rng(seed, "subsets", dataset, trial if per_trial else 0))
        rank = np.empty(len(names))
        rank[order] = (np.cumsum(films[order]) - films[order] / 2) / len(train)
        tables.append(
            pd.DataFrame(
                {
                    "image_id": train["image_id"].to_numpy(),
                    "patient_id": patients,
                    "trial": trial,
                    "rank": rank[patient_of],
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def cohort_digest(folder: Path) -> str:
    """Return the SHA-256 of a cohort's index, which holds that of every image and mask, and of its description."""
    digest = hashlib.sha256()
    for name in ("index.parquet", "cohort.json"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def _interleave(films: np.ndarray, counts: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return an order of the patients (n,) in which every prefix has the label shares of the whole, nearly.

    `films` (n,) films a patient; `counts` (n, L) how many of them carry each label. Patients are shuffled inside their
    stratum (which labels they ever carry); then the stratum whose next patient leaves the smallest squared error of
    label and stratum counts goes first. Rare values are rounded up, so that even a few films hold both classes.
    """
    strata = _strata(counts > 0)
    queues = [generator.permutation(np.flatnonzero(strata == s)) for s in range(strata.max() + 1)]
    onehot = np.eye(len(queues))[strata] * films[:, None]
    features = np.hstack([counts, onehot])
    share = features.sum(axis=0) / films.sum()
    spread = share * (1 - share)
    weight = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
    weight[counts.shape[1] :] *= 0.1  # labels first: what a model learns is counted in labels
    round_up = np.where(share <= 0.5, 0.5, -0.5)
    round_up[counts.shape[1] :] = 0
    heads = np.array([queue[0] for queue in queues])
    reached, done = np.zeros(len(queues), int), np.zeros(features.shape[1])
    order = np.empty(len(films), int)
    for step in range(len(films)):
        after = done + features[heads]
        target = (done[counts.shape[1] :].sum() + films[heads])[:, None] * share + round_up
        error = ((after - target) ** 2 * weight).sum(axis=1)
        error[reached < 0] = np.inf
        chosen = int(np.argmin(error))
        order[step], done = heads[chosen], after[chosen]
        reached[chosen] += 1
        if reached[chosen] == len(queues[chosen]):
            reached[chosen] = -1
        else:
            heads[chosen] = queues[chosen][reached[chosen]]
    return order


def _strata(carried: np.ndarray) -> np.ndarray:
    """Return a stratum number (n,) for each row of carried labels, bool (n, L); the most frequent ones come first."""
    _, combination, size = np.unique(carried, axis=0, return_inverse=True, return_counts=True)
    by_size = np.argsort(-size, kind="stable")
    number = np.empty(len(size), int)
    number[by_size] = np.minimum(np.arange(len(size)), MAX_STRATA - 1)
    return number[combination.reshape(-1)]


def subset_rows(index: pd.DataFrame, subsets: pd.DataFrame, trial: int, fraction: float) -> np.ndarray:
    """Return the positions in `index`, ascending, of the films in the subset of this trial and fraction.

    Raises InputError when the trial is unknown, the table is not of this cohort, or no film has a rank below fraction.
    """
    ranks = ranks_of(index, subsets, trial)
    rows = np.flatnonzero(ranks < fraction)
    if not len(rows):
        smallest = _readable(np.nanmin(ranks))
        raise InputError(
            f"fraction {fraction:g} of {np.isfinite(ranks).sum()} training films holds no film in trial {trial}; "
            f"the smallest usable fraction is {smallest}"
        )
    return rows


def set_aside(
    index: pd.DataFrame, rows: np.ndarray, share: float, least: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the places in `rows` (training, validation) when a share of their patients is set aside, drawn at random.

    Where the share holds fewer than `least` patients none is set aside: so few would decide by chance. One patient
    always stays for training. `seed`: that of the trial, so that conditions and trainings set the same films aside.
    """
    films = index.iloc[rows]
    patients = films["patient_id"].fillna(films["image_id"]).astype(str).to_numpy()
    names, patient_of = np.unique(patients, return_inverse=True)
    count = min(int(share * len(names)), len(names) - 1)
    if count < least:
        count = 0
    chosen = rng(seed, "validation").permutation(len(names))[:count]
    aside = np.isin(patient_of, chosen)
    return np.flatnonzero(~aside), np.flatnonzero(aside)


def check_classes(
    index: pd.DataFrame, subsets: pd.DataFrame, trials: Iterable[int], fraction: float, label: str
) -> None:
    """Raise InputError where a subset lacks one of the label's classes although the training films have both."""
    for trial in trials:
        classes = index[label].iloc[subset_rows(index, subsets, trial, fraction)].dropna().nunique()
        if classes < 2 and (smallest := smallest_fraction(index, subsets, [trial], label)) is not None:
            raise InputError(
                f"fraction {fraction:g} holds only one class of {label} in trial {trial}; "
                f"the smallest usable fraction is {smallest}"
            )


def smallest_fraction(
    index: pd.DataFrame, subsets: pd.DataFrame, trials: Iterable[int], label: str, classes: Sequence[int] = (0, 1)
) -> str | None:
    """Return the smallest fraction, as readable text rounded up, at which every trial has a film of each class.

    `classes` are values of the column `label`. None when the training films themselves lack one of them.
    """
    needed = 0.0
    values = index[label].to_numpy(dtype=float, na_value=np.nan)
    for trial in trials:
        ranks = ranks_of(index, subsets, trial)
        for value in classes:
            of_class = ranks[(values == value) & np.isfinite(ranks)]
            if not len(of_class):
                return None
            needed = max(needed, float(of_class.min()))
    return _readable(needed)


def _readable(rank: float) -> str:
    """Return the smallest number of at most four decimals (more for tiny ranks) that lies above a rank, as text."""
    digits = max(4, 1 - math.floor(math.log10(rank))) if rank > 0 else 4
    above = (math.floor(rank * 10**digits) + 1) / 10**digits
    return f"{min(above, 1.0):.{digits}f}".rstrip("0").rstrip(".")


def ranks_of(index: pd.DataFrame, subsets: pd.DataFrame, trial: int) -> np.ndarray:
    """Return the trial's rank of each row of `index`, (N,), NaN for films that are not for training."""
    table = subsets.loc[(subsets["trial"] == trial).to_numpy()]
    if table.empty:
        known = sorted(subsets["trial"].unique().tolist())
        raise InputError(f"subsets: no trial {trial}; the table has trials {known}: draw the subsets with more trials")
    ids = pd.Index(table["image_id"].astype(str))
    rows = ids.get_indexer(pd.Index(index["image_id"].astype(str))) if ids.is_unique else None
    train = (index["split"] == "train").to_numpy()
    if rows is None or (rows[train] < 0).any() or len(ids) != train.sum():
        raise InputError(
            "subsets: the table does not list each training film of this cohort once; draw the subsets again"
        )
    return np.where(train, table["rank"].to_numpy(dtype=float)[rows], np.nan)
