"""What a synthetic cell is worth in real films: numbers from curves drawn by hand, bounds, intervals, notes, the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import isotonic_regression

from scripts import measure_equivalence
from scripts.lib.evidence.equivalence import EQUIVALENCE, equivalence, films_for, monotone, read_equivalence
from scripts.lib.evidence.predicted import gather_predictions
from scripts.lib.evidence.resampling import resample
from tests.helpers.predicted_trials import mask_table, write_file

FILMS = {"0.01": 10, "0.1": 100, "1": 1000}
DICE = {("0.01", "real", 0): 0.2, ("0.1", "real", 0): 0.4, ("1", "real", 0): 0.8}


def test_monotone_pools_neighbours_that_fall() -> None:
    # 3, 1 -> their mean 2, twice; then 2.5; 4 and 0 fall below 2.5 together: (2.5 + 4 + 0) / 3 = 2.1667 for all three.
    assert monotone(np.array([3.0, 1.0, 2.5, 4.0, 0.0])) == pytest.approx([2, 2, 6.5 / 3, 6.5 / 3, 6.5 / 3])
    values = np.random.default_rng(1).normal(size=(50, 6))
    wanted = [isotonic_regression(row).x for row in values]
    assert monotone(values) == pytest.approx(np.array(wanted))


def test_films_are_read_in_log_n_and_bounded_by_the_ends() -> None:
    films, curve = np.array([10.0, 100.0, 1000.0]), np.array([0.2, 0.4, 0.8])
    scores = np.array([0.3, 0.7, 0.2, 0.8, 0.1, 0.9])
    # half way from 10 to 100: sqrt(1000) = 31.62; three quarters from 100 to 1000: 100 * 10 ** 0.75 = 562.34
    found = films_for(scores, films, np.tile(curve, (6, 1)))
    assert found == pytest.approx([1000**0.5, 100 * 10**0.75, 10, 1000, -np.inf, np.inf])


def test_on_a_flat_piece_the_fewest_films_count() -> None:
    films, curve = np.array([10.0, 100.0, 1000.0]), np.array([[0.4, 0.4, 0.8], [0.2, 0.4, 0.4]])
    assert films_for(np.array([0.4, 0.4]), films, curve) == pytest.approx([10, 100])
    assert list(films_for(np.array([0.3, 0.5]), np.array([10.0]), np.array([[0.4], [0.4]]))) == [-np.inf, np.inf]


def tables(cells: dict[tuple[str, str, int], float], spread: float = 0.0, trials: int = 2) -> Iterator[pd.DataFrame]:
    """Yield trainings whose Dice on every film of 100 pixels is that of the cell, give or take the film and the trial."""
    for (fraction, arm, multiplier), dice in cells.items():
        for trial in range(trials):
            noise = np.random.default_rng([trial, 5]).uniform(-spread, spread, 40)
            overlap = np.round(1000 * np.clip(dice + noise, 0, 1)).astype(int).tolist()
            about = {"fraction": fraction, "arm": arm, "multiplier": multiplier, "trial": trial}
            about |= {"n_real": FILMS[fraction], "n_synthetic": multiplier * FILMS[fraction]}
            yield mask_table(overlap, [1000] * 40, [1000] * 40, dataset="siim", **about)


def made(cells: dict[tuple[str, str, int], float], spread: float = 0.0) -> pd.DataFrame:
    predicted = gather_predictions(tables(cells, spread))
    drawn = resample(predicted, 400, np.random.default_rng(3), ["dice"])
    films = {cell: (float(FILMS[cell[0]]), float(cell[2] * FILMS[cell[0]])) for cell in cells}
    return equivalence(predicted, drawn, films, 1)


def test_cells_are_projected_on_the_curve_with_an_interval() -> None:
    table = made(DICE | {("0.1", "original", 2): 0.6, ("0.01", "original", 5): 0.1, ("1", "original", 2): 0.95}, 0.04)
    assert list(table.columns) == EQUIVALENCE and list(table["kind"]) == ["curve"] * 3 + ["cell"] * 3
    rows = table[table["kind"] == "cell"].set_index("multiplier")
    below, inside, above = (table[table["kind"] == "cell"].iloc[place] for place in (0, 1, 2))
    # (0.6 - 0.4) / (0.8 - 0.4) of the way from 100 to 1000 in logs: 100 * sqrt(10) = 316.2; the noise of the films is shared
    assert inside["n_equivalent"] == pytest.approx(316.2, rel=0.02) and inside["bound"] == ""
    assert inside["more_films"] == pytest.approx(inside["n_equivalent"] - 100)
    assert inside["low"] - 0.1 <= inside["n_equivalent"] <= inside["high"] + 0.1 and inside["low"] > 100
    assert (below["bound"], below["n_equivalent"], below["low_bound"]) == ("<=", 10, "<=")
    assert (above["bound"], above["n_equivalent"], above["high_bound"]) == (">=", 1000, ">=")
    assert np.isnan(above["more_films"]) and len(rows) == 3


def test_flat_curves_and_single_points_are_told() -> None:
    flat = made({("0.1", "real", 0): 0.5, ("1", "real", 0): 0.5, ("0.1", "original", 2): 0.5})
    assert "flat from 100 to 1000 real films" in flat["note"].iloc[-1] and np.isnan(flat["n_equivalent"].iloc[-1])
    one = made({("0.1", "real", 0): 0.5, ("0.1", "original", 2): 0.7}).iloc[-1]
    assert (one["bound"], one["n_equivalent"]) == (">=", 100) and "the curve has one point" in one["note"]
    falls = made({("0.1", "real", 0): 0.6, ("1", "real", 0): 0.5, ("0.1", "original", 2): 0.7})
    assert list(falls["fitted"][:2]) == pytest.approx([0.55, 0.55]) and "scores fall" in falls["note"].iloc[-1]


def test_the_command_writes_the_same_bytes_twice(tmp_path: Path) -> None:
    files = [write_file(tmp_path, table) for table in tables(DICE | {("0.1", "original", 2): 0.6}, 0.04)]
    patterns = sorted({str(path).replace("trial-0", "trial-{}").replace("trial-1", "trial-{}") for path in files})
    settings = {"statistics": {"metrics": ["f1", "dice"], "bootstrap": {"draws": 300}}, "trials": 2, "seed": 4}
    settings |= {
        "datasets": [{"name": "siim", "task": "segmentation", "empty_policy": "exclude", "predictions": patterns}]
    }
    outs = [tmp_path / name for name in ("one.csv", "two.csv")]
    for out in outs:
        measure_equivalence.main(["--config", json.dumps(settings), "--out", str(out)])
    assert outs[0].read_bytes() == outs[1].read_bytes()
    table = read_equivalence(outs[0])
    assert set(table["metric"]) == {"dice"} and (table["kind"] == "cell").sum() == 1
