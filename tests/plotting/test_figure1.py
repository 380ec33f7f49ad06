"""Figure 1: every stage has its box, in order, joined by arrows, with pictures and numbers of the study's own results."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.evidence.tables import FIGURE2
from scripts.lib.plotting.figure1 import COLUMNS, DrawnStage, OutlinedFilm, draw_figure1
from scripts.lib.plotting.stages import StageMaterial, study_stages
from scripts.lib.plotting.style import save
from tests.helpers.diffusion_models import write_cohort

ABOUT = {
    "titles": {"toy": "Toy films"},
    "foundation": ["toy"],
    "base": None,
    "fractions": [0.1, 1.0],
    "multipliers": [0, 2, 5],
    "trials": 2,
    "target": "pneumothorax",
    "models": ["small"],
}


def film(level):
    return np.full((16, 16), level, np.uint8)


@pytest.mark.parametrize("count", [1, 4, 7])
def test_boxes_run_left_to_right_and_back_again(count, tmp_path):
    stages = [
        DrawnStage(f"Stage {k}", ["a line"], [OutlinedFilm(film(20 * k), film(1) > 0, True, "word")])
        for k in range(count)
    ]
    figure = draw_figure1(stages)
    page = figure.axes[0]
    boxes = [patch for patch in page.patches if isinstance(patch, FancyBboxPatch)]
    arrows = [patch for patch in page.patches if isinstance(patch, FancyArrowPatch)]
    assert len(boxes) == count and len(arrows) == count - 1
    if count > COLUMNS:  # the fifth box stands below the fourth
        assert boxes[4].get_x() == pytest.approx(boxes[3].get_x()) and boxes[4].get_y() > boxes[3].get_y()
    first, second = tmp_path / "a.pdf", tmp_path / "b.pdf"
    save(figure, [first])
    save(draw_figure1(stages), [second])
    assert first.read_bytes() == second.read_bytes()


def test_nothing_to_draw_is_named():
    with pytest.raises(InputError, match="no stage"):
        draw_figure1([])


@pytest.fixture
def material(tmp_path):
    cohort = Cohort.open(write_cohort(tmp_path / "toy", split="train"))
    rows = [
        {
            "kind": "mean",
            "dataset": "toy",
            "metric": "dice",
            "fraction": 0.1,
            "multiplier": times,
            "value": 0.4 + times / 20,
        }
        for times in (0, 2, 5)
    ]
    tests = [
        {"dataset": "toy", "fraction": 0.1, "multiplier": times, "difference": gain, "ci_low": 0.0, "ci_high": 0.3}
        | {"p_bonferroni": p}
        for times, gain, p in ((2, 0.1, 0.04), (5, 0.25, 0.01), (10, 0.0, np.nan))
    ]
    return StageMaterial({"toy": cohort}, pd.DataFrame(rows).reindex(columns=FIGURE2), pd.DataFrame(tests))


def test_boxes_say_what_the_study_did(material):
    stages = {stage.title: stage for stage in study_stages(material, ABOUT)}
    assert list(stages) == ["Cohorts", "Subsets", "Conditions", "Generator", "Pools", "Trials", "Tests"]
    assert stages["Cohorts"].text[0] == "1 datasets, 12 films"
    assert stages["Pools"].text[0].startswith("2, 5 films for each")
    assert [name for name, _ in stages["Trials"].bars] == ["real", "2x", "5x"]
    assert [value for _, value in stages["Trials"].bars] == pytest.approx([0.4, 0.5, 0.65])
    # The smallest P value among the cells that could be tested.
    assert stages["Tests"].text[0] == "toy, 10 %, 5x:" and "+0.250" in stages["Tests"].text[1]
    assert "2 cells," in stages["Tests"].text[-1]


def test_scored_films_show_what_was_kept(material):
    from dataclasses import replace

    scores = pd.DataFrame({"condition_id": list("abcd"), "sample": 0, "label": "edema", "score": [0.1, 0.4, 0.2, 0.3]})
    pool = material.cohorts["toy"]
    more = replace(material, scored_pool=pool, scores=scores, kept=scores[scores["score"] > 0.35])
    choice = next(stage for stage in study_stages(more, ABOUT) if stage.title == "Choice")
    # Sorted 0.1, 0.2, 0.3, 0.4: the lowest, the one at place 4 // 2 = 2, the highest, which alone was kept.
    assert [picture.caption for picture in choice.pictures] == ["0.10", "0.30", "0.40"]
    assert [picture.framed for picture in choice.pictures] == [False, False, True]
    assert choice.text[1] == "1 of 4 kept (framed)"
