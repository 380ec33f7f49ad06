"""Figure 4: the sets that raters told apart best, their mean scores, the monitor's best step, and the bars."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.evidence.tables import FIGURE2
from scripts.lib.generators.controlled.preference_report import COLUMNS
from scripts.lib.plotting.figure4 import RatedSet, choose_sets, draw_figure4, rated_sets


def table():
    about = {"dataset": "rsna", "title": "RSNA", "task": "classification", "metric": "f1", "fraction": 0.1}
    rows = []
    for arm, values in (("real", (0.4, 0.5)), ("original", (0.5, 0.6)), ("dpo", (0.6, 0.7))):
        cell = about | {"arm": arm, "multiplier": 0 if arm == "real" else 2}
        rows += [cell | {"kind": "trial", "trial": k, "value": value} for k, value in enumerate(values)]
        rows.append(cell | {"kind": "mean", "value": np.mean(values), "difference": 0.1, "p_bonferroni": 0.2})
    return pd.DataFrame(rows).reindex(columns=FIGURE2).assign(significant=False)


SETS = [RatedSet("small left pneumothorax", np.zeros((4, 8, 8), np.uint8), np.array([1.0, 4.5, np.nan, 0.0]))]
ACCURACY = pd.DataFrame(
    [("heldout", "", 50, 8, 30, 0.7, 0.6, 0.8, 0.1, ""), ("report", "", 50, 9, 40, 0.56, 0.47, 0.65, 0.1, "")],
    columns=COLUMNS,
)
MONITOR = pd.DataFrame({"step": [0, 50, 100], "implicit_accuracy": [0.5, 0.7, 0.6], "distance": [0.0, 0.1, 0.3]})


def test_sets_with_the_widest_scores_come_first_and_kinds_take_turns():
    rows = [("a", "text", 0, 1), ("a", "text", 1, 2), ("b", "text", 0, 0), ("b", "text", 1, 5)]
    rows += [("c", "mask", 0, 3), ("c", "mask", 1, 3.5)]
    scores = pd.DataFrame(rows, columns=["set_id", "kind", "image", "score"])
    # Spreads: a 1, b 5, c 0.5. First of each kind (mask c, text b), then the second text set.
    assert choose_sets(scores, 3) == ["c", "b", "a"]
    assert choose_sets(scores, 2) == ["c", "b"]


@pytest.fixture
def pool(tmp_path):
    with CohortWriter(tmp_path / "pool", 16, ["lungs"], [], {}, with_masks=True) as writer:
        for sample in range(4):
            mask = np.zeros((16, 16), np.uint8)
            mask[4:8, 4:8] = 1
            row = {"image_id": f"c-{sample}", "patient_id": "p", "split": "train", "synthetic": True}
            writer.add(np.full((16, 16), 50 * sample, np.uint8), mask, row | {"condition_id": "c", "sample": sample})
    return Cohort.open(tmp_path / "pool")


def test_scores_are_means_over_raters_and_aspects_and_controls_stay_out(pool):
    latest = pd.DataFrame(
        [("s1", 0, 4), ("s1", 0, 2), ("s1", 1, 5), ("s1", 2, 0), ("k1", 0, 5)], columns=["set_id", "image", "score"]
    )
    sets = pd.DataFrame(
        {"set_id": ["s1", "k1"], "kind": ["mask", "control"], "prompt": [None, None], "condition_id": ["c", None]}
    )
    (rated,) = rated_sets(latest, sets, pool, 5)
    # Image 0: (4 + 2) / 2 = 3; image 3 has no score.
    assert rated.scores[:3] == pytest.approx([3.0, 5.0, 0.0]) and np.isnan(rated.scores[3])
    assert rated.outline is not None and rated.outline.sum() == 16 and rated.prompt is None
    assert rated.images[:, 0, 0].tolist() == [0, 50, 100, 150]


def test_a_set_whose_films_are_gone_is_named(pool):
    latest = pd.DataFrame({"set_id": ["s2"], "image": [0], "score": [3]})
    sets = pd.DataFrame({"set_id": ["s2"], "kind": ["text"], "prompt": ["edema"], "condition_id": ["other"]})
    with pytest.raises(InputError, match="0 films of set s2, expected 4"):
        rated_sets(latest, sets, pool, 1)


def test_the_best_film_is_framed_and_the_published_step_is_named():
    figure = draw_figure4(SETS, MONITOR, ACCURACY, table(), {"dpo": "preference tuned"})
    axes = [axis for part in figure.subfigs for axis in part.axes]
    films = [axis for axis in axes if axis.images]
    assert [axis.get_title() for axis in films] == ["1.0", "4.5", "not rated", "0.0"]
    assert [axis.spines["top"].get_visible() for axis in films] == [False, True, False, False]
    texts = [text.get_text() for axis in axes for text in axis.texts]
    # What chose the step (0.70) is not what is reported.
    assert "published: step 50; 9 sets apart: 0.56 (0.47 to 0.65)" in texts and not any(
        "0.70" in text for text in texts
    )
    bars = [bar.get_height() for axis in axes for bar in axis.patches]
    assert bars == pytest.approx([0.45, 0.55, 0.65])


def test_without_sets_there_is_no_figure():
    with pytest.raises(InputError, match="a rated set"):
        draw_figure4([], MONITOR, ACCURACY, table(), {})
    with pytest.raises(InputError, match="one row of the report"):
        draw_figure4(SETS, MONITOR, ACCURACY.head(1), table(), {})
    without = ACCURACY.assign(ci_low=np.nan, ci_high=np.nan)
    figure = draw_figure4(SETS, MONITOR, without, table(), {})
    texts = [text.get_text() for part in figure.subfigs for axis in part.axes for text in axis.texts]
    assert "published: step 50; 9 sets apart: 0.56, no interval" in texts


def test_an_arm_that_learned_from_more_films_has_a_dagger():
    texts = []
    for note in ("", "without edema; not limited to 10 % of the training films: x"):
        rows = table().astype({"note": object})
        rows.loc[(rows["arm"] == "dpo") & (rows["kind"] == "mean"), "note"] = note
        figure = draw_figure4(SETS, MONITOR, ACCURACY, rows, {"dpo": "preference tuned"})
        (axis,) = [axis for part in figure.subfigs for axis in part.axes if axis.patches]
        names = [label.get_text() for label in axis.get_xticklabels()]
        texts.append((names, axis.get_legend().get_title().get_text()))
    assert [name for name in texts[1][0] if "†" in name] == ["preference\ntuned†"] and "†" not in str(texts[0])
    assert "† not limited to this share of the films, see the table's note" in texts[1][1]
