"""How small a difference a design can find, and how many trials or test films a given difference needs.

The variances are those of differences.csv: between trials, of the films that one trial errs on alone, and of the films that
all trials share. The standard error of a mean of T trials on k times as many films follows from them:

    sqrt((sd_trials^2 + sd_films^2 / k) / T + se_films^2 / k)

The smallest difference that is found with the wanted power is the sum of two quantiles, 1 - alpha / 2 and the power, of the error
(Bloom 1995, Evaluation Review 19:547). The error is the one by which differences.csv decides (evidence/bootstrap.py): films count
as a normal variable, what trials add as Student's t with T - 1 degrees of freedom. With two trials that is one degree of freedom.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from scripts.lib.evidence.bootstrap import widening
from scripts.lib.evidence.differences import ABOUT, COUNTS, SPREADS

POWER = [
    *[*ABOUT, "against", "multiplier", "difference", "alpha", "power", *SPREADS, "standard_error", "detectable"],
    *["wanted", "trials_needed", "films_needed", *COUNTS, "note"],
]
MOST_TRIALS = 10_000
MOST_FILMS = 10_000_000
FEW_TRIALS = 5
NORMAL = np.linspace(-6, 6, 241)  # places of a normal variable, with their shares
WEIGHTS = stats.norm.pdf(NORMAL) / stats.norm.pdf(NORMAL).sum()


@dataclass(frozen=True)
class Design:
    """A comparison: variances as of differences.csv, and how many trials and test patients they come from."""

    sd_trials: float
    sd_films: float
    se_films: float
    patients: int

    def detectable(self, trials: int, alpha: float, power: float, more_films: float = 1.0) -> float:
        """Return the smallest difference found with `power` at the two-sided level `alpha`, with `more_films` times the films."""
        variance = self.sd_films**2 / more_films
        films = np.sqrt(variance / trials + self.se_films**2 / more_films) * widening(
            max(self.patients * more_films, 2)
        )
        between = np.sqrt((self.sd_trials**2 + variance / 2) / trials) if trials > 1 else 0.0
        return sum(error_quantile(share, float(films), float(between), trials - 1) for share in (1 - alpha / 2, power))


def error_quantile(share: float, films: float, between: float, freedom: int) -> float:
    """Return the quantile, share .5 to 1, of `films` times a normal variable plus `between` times Student's t.

    Both factors are in the metric. The distribution of the sum is that of t, averaged over the normal variable.
    """
    if between == 0:
        return films * float(special.ndtri(share))
    alone = between * float(special.stdtrit(freedom, share))
    if films == 0:
        return alone

    def beyond(value: float) -> float:
        return float(special.stdtr(freedom, (value - films * NORMAL) / between) @ WEIGHTS) - share

    most = alone + films * float(special.ndtri(share))
    while beyond(most) < 0:
        most *= 2
    return float(optimize.brentq(beyond, 0.0, most)) if share > 0.5 else 0.0


def estimate_power(table: pd.DataFrame, alpha: float, power: float, wanted: float) -> pd.DataFrame:
    """Return one row (POWER) a comparison of differences.csv that belongs to a family.

    alpha   level of a family; each comparison is tested at alpha / family_size, as Bonferroni's correction does
    wanted  the difference that trials_needed (with these films) and films_needed (with these trials) are for
    """
    rows = [_row(row, alpha / row["family_size"], power, wanted) for row in table.to_dict("records") if row["family"]]
    whole = dict.fromkeys(("trials_needed", "films_needed"), "Int64")
    return pd.DataFrame(rows, columns=POWER).astype(whole)


def _row(row: Mapping[Any, Any], alpha: float, power: float, wanted: float) -> dict[str, Any]:
    trials, films = int(row["n_trials"]), int(row["n_films"])
    filled = {**row, "alpha": alpha, "power": power, "wanted": wanted, "note": ""}
    if np.isnan(row["se_films"]):
        return filled | {"note": f"cannot be estimated: {row['note'] or 'the comparison has no interval'}"}
    alone = trials == 1
    between, of_films, shared = (0.0 if np.isnan(row[name]) else float(row[name]) for name in SPREADS)
    design = Design(between, of_films, shared, int(row["n_patients"]))
    notes = ["one trial: how much trials differ is unknown and counted 0, so all of these are too small"] * alone
    notes += [_few(trials, design.sd_trials)] if 1 < trials < FEW_TRIALS else []
    error = np.sqrt((design.sd_trials**2 + design.sd_films**2) / trials + design.se_films**2)
    filled |= {"standard_error": error, "detectable": design.detectable(trials, alpha, power)}
    if not alone:
        needed = smallest(lambda count: design.detectable(count, alpha, power) <= wanted, 2, MOST_TRIALS)
        filled["trials_needed"] = needed
        notes += [] if needed else ["no number of trials is enough: these test films alone leave more"]
    needed = smallest(lambda count: design.detectable(trials, alpha, power, count / films) <= wanted, 2, MOST_FILMS)
    filled["films_needed"] = needed
    notes += [] if needed else ["no number of test films is enough: these trials alone leave more"]
    return filled | {"note": "; ".join(notes)}


def _few(trials: int, spread: float) -> str:
    """Return how little a few trials say of how much trials differ: the 95 % interval of a standard deviation."""
    if spread == 0:
        return f"{trials} trials differ no more than their films explain; that others would not either cannot be told"
    low, high = (float(np.sqrt((trials - 1) / stats.chi2.ppf(share, trials - 1))) for share in (0.975, 0.025))
    return f"of {trials} trials sd_trials may truly be {low:.2g} to {high:.2g} times as large (95 %), and what follows with it"


def smallest(enough: Callable[[int], bool], low: int, most: int) -> int | None:
    """Return the smallest count from `low` to `most` for which `enough`, which holds from some count on; None where none is."""
    if not enough(most):
        return None
    high = most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low
