"""Films that got worse: scores by hand, the order, the shown cell, and the command on a small cohort."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts.draw_failures import main as draw_main
from scripts.lib.evidence.failures import FAILURES, failures, film_scores, shown_cell
from scripts.lib.evidence.predicted import Member, gather_predictions
from tests.helpers.downstream_films import write_films
from tests.helpers.predicted_trials import label_table, mask_table, write_file

TRUTH = np.array([[1.0], [0.0], [1.0], [np.nan]])


def trained(scores: list[float], arm: str = "real", multiplier: int = 0, trial: int = 0) -> pd.DataFrame:
    return label_table(TRUTH, np.array(scores)[:, None], arm=arm, multiplier=multiplier, trial=trial)


def test_the_score_of_the_truth_by_hand() -> None:
    found = gather_predictions([trained([0.9, 0.2, 0.4, 0.5])])
    # probability of what is true: .9, 1 - .2 = .8, .4, and nothing where the truth is not known
    values = film_scores(found, Member("0.1", "real", 0, 0))[:, 0]
    np.testing.assert_allclose(values, [0.9, 0.8, 0.4, np.nan], atol=1e-6)
    masks = gather_predictions([mask_table([30, 0, 0, 0], [50, 0, 7, 5], [40, 0, 0, 10])])
    # 2 * 30 / (50 + 40) = .667; silent where nothing is: 1; a false positive: 0; missed: 0
    values = film_scores(masks, Member("0.1", "real", 0, 0))[:, 0]
    np.testing.assert_allclose(values, [2 / 3, 1, 0, 0], atol=1e-6)


def test_the_worst_film_of_each_cell_comes_first_on_the_mean_of_the_trials() -> None:
    tables = [trained([0.9, 0.2, 0.4, 0.5], trial=trial) for trial in range(2)]
    tables += [trained([0.5, 0.3, 0.6, 0.5], "original", 2), trained([0.7, 0.3, 0.6, 0.5], "original", 2, trial=1)]
    table = failures(gather_predictions(tables), "original", 10)
    assert list(table.columns) == FAILURES and len(table) == 2
    # film 0: mean of .5 and .7 less .9 = -.3; film 1: (1 - .3) - (1 - .2) = -.1; film 2 got better by .2
    assert table["image_id"].tolist() == ["film-0000", "film-0001"]
    np.testing.assert_allclose(table["change"], [-0.3, -0.1], atol=1e-6)
    np.testing.assert_allclose(table["mean_change"], (-0.3 - 0.1 + 0.2) / 3, atol=1e-6)
    assert table["n_trials"].tolist() == [2, 2] and set(table["note"]) == {""}
    assert len(failures(gather_predictions(tables), "original", 1)) == 1
    assert failures(gather_predictions(tables), "another", 10).empty
    alone = failures(gather_predictions([tables[0], tables[2]]), "original", 10)
    assert set(alone["note"]) == {"one trial: chance of a single training"}


def test_the_shown_cell_is_the_one_that_lost_most() -> None:
    tables = [trained([0.9, 0.2, 0.4, 0.5]), trained([0.8, 0.2, 0.4, 0.5], "original", 2)]
    tables += [trained([0.1, 0.9, 0.4, 0.5], "original", 5)]
    table = failures(gather_predictions(tables), "original", 10)
    shown = shown_cell(table, ["rsna", "siim"])
    assert list(shown) == ["rsna"] and set(shown["rsna"]["multiplier"]) == {5} and len(shown["rsna"]) == 2


@pytest.mark.parametrize("worse", [True, False])
def test_the_command_writes_a_table_and_a_sheet(tmp_path: Path, worse: bool) -> None:
    write_films(tmp_path / "cohort", 4, present=[0, 1, 0, 1])
    names = {f"film-{number:04d}": f"f{number}" for number in range(4)}
    after = [0.1, 0.9, 0.2, 0.5] if worse else [0.95, 0.1, 0.5, 0.5]
    for arm, multiplier, scores in (("real", 0, [0.9, 0.2, 0.4, 0.5]), ("original", 2, after)):
        table = trained(scores, arm, multiplier)
        table["image_id"] = table["image_id"].astype(str).map(names)
        write_file(tmp_path, table)
    patterns = [str(tmp_path / f"rsna/trials/{arm}/fraction-0.1/trial-{{}}.parquet") for arm in ("real", "original")]
    entry = {"name": "rsna", "task": "classification", "predictions": patterns}
    figures = {"arm": "original", "width_mm": 180, "dpi": 60}
    figures["datasets"] = [{"name": "rsna", "title": "RSNA", "task": "classification"}]
    config = json.dumps({"datasets": [entry], "trials": 1, "figures": figures})
    for number in "12":
        outs = ["--table", str(tmp_path / f"{number}.csv"), "--out", str(tmp_path / f"{number}.png")]
        draw_main(["--config", config, "--cohorts", f"rsna={tmp_path / 'cohort'}", *outs])
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()
    assert len(pd.read_csv(tmp_path / "1.csv")) == (3 if worse else 0)
