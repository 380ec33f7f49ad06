"""How far raters agree: Krippendorff's alpha (ordinal) and ICC(2,k), by aspect and kind, with 95 % intervals."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from scripts.lib.core.seeds import rng
from scripts.lib.feedback.log_values import ASPECTS, MAX_SCORE

COLUMNS = ["aspect", "kind", "measure", "raters", "sets", "images", "value", "ci_low", "ci_high", "note"]
UNIT = ["set_id", "image"]
Level = Literal["ordinal", "nominal"]


def measure_agreement(scored: pd.DataFrame, bootstrap: int, seed: int) -> pd.DataFrame:
    """Return COLUMNS, two rows an aspect and kind ("all" = every kind). `scored`: latest ratings plus column kind.

    Repeats and controls are left out. What cannot be measured has no value, and `note` says why.
    """
    first = scored[~scored["role"].isin(["repeat", "control"]) & (scored["kind"] != "control")]
    rows: list[dict[str, Any]] = []
    for aspect in ASPECTS:
        scores = first[first["aspect"] == aspect]
        for kind in ("all", *sorted(scores["kind"].unique())):
            table = matrix(scores if kind == "all" else scores[scores["kind"] == kind])
            size = {"raters": table.shape[1], "sets": table.index.get_level_values(0).nunique(), "images": len(table)}
            for measure, value in (
                ("alpha", alpha_interval(table, bootstrap, seed)),
                ("icc2k", icc_interval(table)),
            ):
                rows.append({"aspect": aspect, "kind": kind, "measure": measure} | size | value)
    return pd.DataFrame(rows, columns=COLUMNS)


def matrix(rated: pd.DataFrame) -> pd.DataFrame:
    """Return images by raters, NaN = not rated, of the images that two raters or more have scored."""
    table = rated.pivot_table(index=UNIT, columns="rater", values="score", aggfunc="mean").sort_index()
    table = table[table.notna().sum(axis=1) >= 2]
    return table.dropna(axis=1, how="all")


def fault(table: pd.DataFrame, unit: str = "image", values: str = "scores") -> str:
    """Return why agreement cannot be measured on images (or another unit) by raters, or an empty text."""
    if table.empty:
        return f"not measurable: no {unit} was {'scored' if values == 'scores' else 'answered'} by two raters"
    if np.unique(table.to_numpy()[table.notna().to_numpy()]).size < 2:
        return f"not measurable: all {values} are equal"
    return ""


def alpha(table: pd.DataFrame, level: Level = "ordinal", domain: Sequence[int] = range(MAX_SCORE + 1)) -> float:
    """Return Krippendorff's alpha for scores 0..5 or the values of `domain`, NaN where they do not vary.

    level  ordinal | nominal: how far two values are from each other
    """
    import krippendorff

    if fault(table):
        return float("nan")
    return float(krippendorff.alpha(table.to_numpy().T, level_of_measurement=level, value_domain=list(domain)))


def alpha_interval(
    table: pd.DataFrame,
    bootstrap: int,
    seed: int,
    level: Level = "ordinal",
    domain: Sequence[int] = range(MAX_SCORE + 1),
    unit: str = "image",
    values: str = "scores",
) -> dict[str, Any]:
    """Return value, ci_low, ci_high, note; the interval draws whole sets, whose four images belong together.

    level, domain: as in `alpha`; unit, values: what the notes call the rows of the table and what it holds.
    """
    note = fault(table, unit, values)
    if note:
        return _nothing(note)
    places = list(table.groupby(level=0, sort=True).indices.values())
    stream, draws = rng(seed, "agreement", "alpha"), []
    for _ in range(bootstrap if len(places) > 1 else 0):
        chosen = np.concatenate([places[k] for k in stream.integers(0, len(places), len(places))])
        draws.append(alpha(table.iloc[chosen], level, domain))
    usable = np.array(draws)[np.isfinite(draws)] if draws else np.array([])
    low, high = np.quantile(usable, [0.025, 0.975]) if usable.size else (np.nan, np.nan)
    one, vary = (
        ("one set only", "scores hardly vary") if unit == "image" else (f"one {unit} only", f"{values} hardly vary")
    )
    note = "" if usable.size else f"no interval: {one if len(places) < 2 else vary}"
    return {"value": alpha(table, level, domain), "ci_low": low, "ci_high": high, "note": note}


def icc_interval(table: pd.DataFrame) -> dict[str, Any]:
    """Return ICC(2,k) of the images that every rater scored: absolute agreement of the raters' mean."""
    note = fault(table)
    whole = table.dropna()
    if not note and len(whole) < 2:
        note = "not measurable: fewer than two images were scored by every rater"
    note = note or fault(whole)
    if not note and whole.mean(axis=1).nunique() < 2:
        note = "not measurable: the images do not differ"
    if note:
        return _nothing(note)
    import pingouin

    long = whole.reset_index(drop=True).rename_axis("unit").reset_index().melt("unit", var_name="rater")
    # Raters who agree perfectly, or but for a shift, leave no residual to divide by: there is a value, but no interval.
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        estimates = pingouin.intraclass_corr(long, targets="unit", raters="rater", ratings="value").set_index("Type")
    row = estimates.loc["ICC(A,k)"]
    low, high = row["CI95"]
    if not np.isfinite(row["ICC"]):
        return _nothing("not measurable: no residual variance")
    note, value = "", round(float(row["ICC"]), 9) + 0.0
    if not np.isfinite([low, high]).all():
        note = "no interval: the raters " + ("agree perfectly" if value == 1 else "differ by the same in every image")
    return {"value": value, "ci_low": float(low), "ci_high": float(high), "note": note}


def _nothing(note: str) -> dict[str, Any]:
    return {"value": np.nan, "ci_low": np.nan, "ci_high": np.nan, "note": note}
