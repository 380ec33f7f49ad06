"""Scores among groups of test films: bands by hand, values of each group alone, gaps, groups too small, missing columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.evidence.predicted import Predicted, gather_predictions
from scripts.lib.evidence.subgroups import SUBGROUPS, age_band, subgroups
from tests.helpers.predicted_trials import label_table

TRUTH = (np.arange(80) % 2 == 0).astype(float)[:, None]
SETTINGS = {"draws": 300, "seed": 1, "policy": "exclude", "threads": 1}
INDEX = pd.DataFrame(
    {
        "image_id": [f"film-{place:04d}" for place in range(80)],
        "sex": ["F"] * 40 + ["M"] * 34 + [None] * 6,
        "age": pd.array([30.0] * 79 + [None], dtype="Float32"),
    }
)


def predictions() -> Predicted:
    """Real films find all women's films and call no man ill; synthetic ones find everything."""
    right = np.where(TRUTH == 1, 0.9, 0.1)
    half = np.where(np.arange(80)[:, None] < 40, right, 0.1)
    return gather_predictions(
        label_table(TRUTH, scores, arm=arm, multiplier=multiplier, trial=trial)
        for arm, multiplier, scores in (("real", 0, half), ("original", 2, right))
        for trial in range(2)
    )


def test_bands_begin_with_their_edge() -> None:
    ages = pd.Series(pd.array([0, 17.9, 18, 39, 40, 90, None], dtype="Float32"))
    assert list(age_band(ages, [18, 40])) == ["0-17", "0-17", "18-39", "18-39", "40+", "40+", "unknown"]


def test_each_group_is_scored_alone_and_held_against_real_films() -> None:
    table = subgroups(predictions(), INDEX, ["sex", "age"], [18, 40], ["f1"], SETTINGS)
    assert list(table.columns) == SUBGROUPS
    assert list(dict.fromkeys(table["group"])) == ["F", "M", "unknown", "18-39"]
    rows = table[table["column"] == "sex"].set_index(["group", "arm"])
    assert rows.loc[("F", "real"), "value"] == 1 and rows.loc[("M", "real"), "value"] == 0
    assert rows.loc[("M", "original"), ["value", "gap"]].tolist() == [1, 1]
    assert rows.loc[("F", "original"), "gap"] == 0
    assert rows.loc[("M", "real"), ["n_films", "n_positives"]].tolist() == [34, 17]
    assert np.isnan(rows.loc[("M", "real"), "gap"])
    assert "too few to say: 6 patients" in rows.loc[("unknown", "real"), "note"]
    alone = table[(table["column"] == "age") & (table["group"] == "unknown")].iloc[0]
    assert "all 1 films are negative" in alone["note"] and np.isnan(alone["value"])


def test_a_column_that_is_not_there_is_one_line() -> None:
    with pytest.raises(
        InputError, match=r"index.parquet: no column race \(statistics.subgroups\); expected one of sex, age"
    ):
        subgroups(predictions(), INDEX, ["race"], [18], ["f1"], SETTINGS)
