"""What a trial may learn from at a fraction: the first thing that conditions are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.subsets import set_aside, smallest_fraction, subset_rows
from scripts.lib.core.seeds import trial_seed


@dataclass(frozen=True)
class Subset:
    """The films of one trial at one fraction.

    `films` are all of them, `learned` those that are not set aside for validation: positions in the cohort, ascending.
    `ranks` is the cohort's table of subsets.
    """

    cohort: Cohort
    ranks: pd.DataFrame
    trial: int
    fraction: float
    films: np.ndarray
    learned: np.ndarray

    def positives(self, labels: list[str]) -> list[int]:
        """Return how many of the films that are learned from carry each label."""
        index = self.cohort.index
        return [int((index[name].iloc[self.learned] == 1).sum()) for name in labels]

    def smallest_with(self, shows: np.ndarray) -> str | None:
        """Return the smallest fraction at which this trial has a film with `shows`, int (N,) of the cohort; None = none has."""
        index = self.cohort.index.assign(shows=shows)
        return smallest_fraction(index, self.ranks, [self.trial], "shows", classes=(1,))


def choose_subset(
    cohort: Cohort,
    ranks: pd.DataFrame,
    settings: Mapping[str, Any],
    dataset: str,
    trial: int,
    fraction: float,
    seed: int,
) -> Subset:
    """Return the films of a trial; `settings`: validation_share, validation_patients; `seed`: that of the study.

    Raises InputError where the table has no such trial or the fraction holds no film.
    """
    films = subset_rows(cohort.index, ranks, trial, fraction)
    aside = (settings["validation_share"], settings["validation_patients"])
    learned = films[set_aside(cohort.index, films, *aside, trial_seed(seed, dataset, trial))[0]]
    return Subset(cohort, ranks, trial, fraction, films, learned)
