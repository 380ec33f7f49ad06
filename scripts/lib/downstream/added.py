"""What an arm adds to the real films of a trial: images of a pool, or one of the controls, which need no generator.

A control answers what a gain is not: `duplicate` repeats the films that the trial learns from anyway, `augmented` changes each
copy, `reconstructed` shows what the decoder alone costs, `extra-real` takes other real films, the ceiling of what images could
be worth. `cohort` takes the training films of another dataset, and `pool` holds images that somebody made elsewhere. All sources give Films, so that the
training does not know the one from the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort, read_index, with_films
from scripts.lib.cohort.subsets import ranks_of
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng
from scripts.lib.downstream.data import HASHES, Films, films_of, label_names, short_hashes
from scripts.lib.downstream.rows import Setting
from scripts.lib.downstream.strong import strong_films
from scripts.lib.pools.order import balanced_order, kinds_of
from scripts.lib.study.arms import SOURCES
from scripts.lib.study.tasks import of_structures


@dataclass(frozen=True)
class Stock:
    """What a control of a trial draws on.

    training  the films that the trial learns from
    others    all that it may add and does not learn from already, in the order in which it is added; None where it repeats films
    settings  those of the trial; seed: that of the trial, alike in every arm
    """

    training: Films
    others: Films | None
    settings: Mapping[str, Any]
    seed: int


def make_stock(
    control: str,
    cohort: Cohort,
    subsets: pd.DataFrame,
    training: Films,
    pool: Cohort | None,
    setting: Setting,
    settings: Mapping[str, Any],
) -> Stock | None:
    """Return what the trials of a control add from; None for an arm that is no control (control "").

    `pool`: the store that a source with a rule of its own reads (open_store), None for any other.
    """
    if not control:
        return None
    others, task, target = None, settings["task"], settings["target"]
    if control == "extra-real":
        rows = other_rows(cohort.index, subsets, setting.trial, setting.fraction)
        others = films_of(cohort, rows, task, target)
    elif control == "cohort" and pool is not None:
        others = cohort_films(pool, settings, setting.seed)
    elif control == "pool" and pool is not None:
        columns = ["present"] if of_structures(settings) else label_names(settings)
        kinds = kinds_of(pool.index[columns].to_numpy(dtype=np.float64, na_value=np.nan))
        others = films_of(pool, balanced_order(kinds, setting.seed), task, target)
    elif control == "reconstructed" and pool is not None:
        names = cohort.index["image_id"].iloc[training.rows].astype(str)
        rows = pd.Index(pool.index["film"].astype(str)).get_indexer(pd.Index(names))
        if (rows < 0).any():
            raise InputError(
                f"{pool.folders[0]}: {(rows < 0).sum()} films of the subset are not in it, e.g. {names[rows < 0].iloc[0]}; "
                f"reconstruct the films of these subsets"
            )
        training = films_of(pool, rows, task, target)
    return Stock(training, others, settings, setting.seed)


def cohort_films(cohort: Cohort, settings: Mapping[str, Any], seed: int) -> Films:
    """Return the training films of another dataset, those of which something is known of the target, in the order of a seed.

    A prefix is a random part of them. Raises InputError where there are none.
    """
    films = films_of(cohort, cohort.rows(split="train"), settings["task"], settings["target"])
    if films.labels is not None:
        films = films.take(np.flatnonzero(~np.isnan(films.labels).all(axis=1)))
    elif films.known is not None:
        films = films.take(np.flatnonzero(films.known.any(axis=1)))
    if not len(films):
        raise InputError(
            f"{cohort.folders[0]}: no training film (split = train) says anything of {settings['target']}; name another dataset in arms.*.cohort"
        )
    return films.take(rng(seed, "cohort", "order").permutation(len(films)))


def open_store(folders: Sequence[Path], labels: Sequence[str]) -> Cohort:
    """Open the store of a control whole, with the columns of its index that trials read and these label columns."""
    columns = ["image_id", "film", "present", *HASHES, *labels]
    store = Cohort.open(folders, columns, lambda folder: np.arange(len(read_index(folder, ["image_id"]))), short_hashes)
    return with_films(store)


def other_rows(index: pd.DataFrame, subsets: pd.DataFrame, trial: int, fraction: float) -> np.ndarray:
    """Return the positions in `index` of the training films outside of a subset, those first that the next fraction would add.

    They are of other patients, and neither for testing nor set aside: all of these share no rank with them.
    """
    ranks = ranks_of(index, subsets, trial)
    order = np.argsort(ranks, kind="stable")  # films that are not for training have no rank and come last
    return order[ranks[order] >= fraction]


def repeated_places(films: int, count: int, seed: int) -> np.ndarray:
    """Return `count` places in a list of `films` films, int64: one shuffled pass over all of them after another.

    Each pass has its own order, so a shorter answer begins a longer one and no film is shown twice more than another.
    """
    if films < 1:
        raise InputError("no training film to repeat; raise the fraction, or lower trials.validation_share")
    passes = [rng(seed, "duplicate", number).permutation(films) for number in range(-(-count // films))]
    return np.concatenate([*passes, np.empty(0, np.int64)])[:count].astype(np.int64)


def _duplicate(stock: Stock, count: int) -> Films:
    return stock.training.take(repeated_places(len(stock.training), count, stock.seed))


def _augmented(stock: Stock, count: int) -> Films:
    places = repeated_places(len(stock.training), count, stock.seed)
    return strong_films(stock.training, places, stock.settings, stock.seed)


def _others(stock: Stock, count: int) -> Films:
    others = stock.others
    if others is None or len(others) < count:
        raise InputError(f"{count} other images are needed, but there are {0 if others is None else len(others)}")
    return others.take(np.arange(count))


# By the arm's source: what its trials add, of a stock and how many.
CONTROLS: dict[str, Callable[[Stock, int], Films]] = {
    "duplicate": _duplicate,
    "augmented": _augmented,
    "reconstructed": _duplicate,
    "extra-real": _others,
    "cohort": _others,
    "pool": _others,
}


def control_films(control: str, stock: Stock, count: int) -> Films:
    """Return the first `count` images that a control adds; a smaller count is a prefix of a larger one."""
    return CONTROLS[control](stock, count)


def fitting_multipliers(control: str, stock: Stock | None, films: int, wanted: Sequence[int]) -> tuple[list[int], str]:
    """Return the multipliers for which a control has images enough, and a note on those that are left out.

    `films`: those of the subset. Raises InputError where none is left, or where images that somebody made are too few: these are
    no matter of chance, and one line says what is to be changed.
    """
    if stock is None or stock.others is None:
        return list(wanted), ""
    there, name = len(stock.others), SOURCES[control].says
    fits = [value for value in wanted if value * films <= there]
    if len(fits) == len(wanted):
        return fits, ""
    lacking = ", ".join(f"{value}x" for value in wanted if value not in fits)
    most = there // films
    line = f"{lacking} of {films} films need more than the {there} {name} there are; the largest multiplier that works is {most}"
    if not fits or not (SOURCES[control].others or SOURCES[control].cohort):
        raise InputError(f"{line}: lower study.multipliers, or say in arms.*.cells where the arm runs")
    return fits, f"left out: {line}"
