"""Draws of the test patients for boxes and for several structures: as if the films were there so many times."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.downstream.box_metrics import box_scores, match
from scripts.lib.downstream.metrics import overlap_scores
from scripts.lib.evidence.failures import film_scores
from scripts.lib.evidence.predicted import Member, Predicted, gather_predictions
from scripts.lib.evidence.resampling import draw_weights, metrics_of, point_scores, resample
from scripts.lib.evidence.subgroups import of_films
from tests.helpers.box_films import Kinds, made_boxes

KINDS = ("a", "b", "c")
REAL = Member("0.1", "real", 0, 0)
ABOUT = {"dataset": "toy", "arm": "real", "fraction": "0.1", "multiplier": 0, "trial": 0, "seed": 7, "split": "test"}


def table(kinds: Kinds, **about: object) -> pd.DataFrame:
    """Return the rows of one training: two films a patient."""
    rows = []
    for film in range(len(kinds[0][0])):
        for kind, (boxes, scores, true) in enumerate(kinds):
            edges = true[film]
            row = {"image_id": f"f{film:03d}", "patient_id": f"p{film // 2:03d}", "label": KINDS[kind]}
            row |= {
                "truth": None if edges is None else edges.ravel(),
                "score": scores[film],
                "boxes": boxes[film].ravel(),
            }
            rows.append(row | ABOUT | {"task": "detection"} | about)
    return pd.DataFrame(rows)


def drawn_films(predicted: Predicted, draws: int, seed: int) -> list[np.ndarray]:
    """Return the films of each draw, a film as often as its patient."""
    weights = np.concatenate(
        [part for _, part in draw_weights(predicted.n_patients, draws, np.random.default_rng(seed))], 1
    )
    films = np.arange(len(predicted.films))
    return [np.repeat(films, column.astype(int)[predicted.patients]) for column in weights.T]


def test_boxes_agree_with_the_scores_of_repeated_films() -> None:
    kinds = made_boxes(1, films=24)
    kinds[1][2][3] = None  # nobody looked for b on film 3
    # Scores without ties between films, so that copies of a film stay together.
    stream = np.random.default_rng(0)
    kinds = [(boxes, [stream.random(len(score)) for score in scores], true) for boxes, scores, true in kinds]
    kinds[2] = (kinds[2][0], kinds[2][1], [np.zeros((0, 4), np.float32)] * 22 + kinds[2][2][22:])
    made = gather_predictions([table(kinds)])
    assert metrics_of(made) == ["map", "ap50", "froc"] and np.isnan(made.truth[3, 1])
    assert point_scores(made, REAL, "exclude") == pytest.approx(
        {name: value for name, value in box_scores([match(*kind) for kind in kinds]).items() if ":" not in name}
    )
    found = resample(made, 40, np.random.default_rng(2))
    exact, fewer = [], []
    for draw, films in enumerate(drawn_films(made, 40, 2)):
        again = [match(*([part[film] for film in films] for part in kind)) for kind in kinds]
        expected = box_scores(again)
        for name in ("map", "ap50", "froc"):
            value = expected[name]
            assert value is not None and found.draws[name][draw, 0] == pytest.approx(value, abs=0.01), (name, draw)
            exact.append(abs(found.draws[name][draw, 0] - value) < 1e-5)
        fewer.append(sum(not one.truths.sum() for one in again))
    # COCO's recalls are sums of rounded hundredths: where one equals a recall of the films the two may differ by that place.
    assert np.mean(exact) > 0.8 and found.fewer.tolist() == fewer and max(fewer) == 1


def test_several_structures_agree_with_the_scores_of_repeated_films() -> None:
    stream = np.random.default_rng(4)
    truth = stream.integers(0, 3, (20, 2)) * 10.0
    truth[5, 1] = np.nan
    marked = stream.integers(0, 20, (20, 2)).astype(float)
    overlap = np.minimum(np.nan_to_num(truth), marked) * (stream.random((20, 2)) < 0.7)
    rows = pd.DataFrame({"overlap": overlap.ravel(), "predicted": marked.ravel(), "truth": truth.ravel()})
    names = np.repeat([f"f{film:03d}" for film in range(20)], 2)
    rows = rows.assign(image_id=names, patient_id=names, label=["a", "b"] * 20, task="segmentation", **ABOUT)
    made = gather_predictions([rows])
    found = resample(made, 15, np.random.default_rng(3), ["dice", "dice_kaggle", "false_positive_share"])
    for draw, films in enumerate(drawn_films(made, 15, 3)):
        expected = overlap_scores(overlap[films], marked[films], truth[films], "exclude")
        for name in found.draws:
            assert found.draws[name][draw, 0] == pytest.approx(expected[name], abs=1e-5), (name, draw)
    assert np.isnan(film_scores(made, REAL)[5, 1]) and not np.isnan(film_scores(made, REAL)[5, 0])


def test_how_right_a_training_is_on_a_film_by_hand() -> None:
    box, far = np.array([[0, 0, 10, 10]], np.float32), np.array([[20, 20, 30, 30]], np.float32)
    nothing = np.zeros((0, 4), np.float32)
    found = [np.concatenate([box, far]), far, nothing, box]
    scores = [np.array([0.8, 0.3]), np.array([0.4]), np.zeros(0), np.array([0.9])]
    true: list[np.ndarray | None] = [np.concatenate([box, far + 40]), nothing, box, None]
    made = gather_predictions([table([(found, scores, true)])])
    # One of two true boxes, by a box of .8; a false box of .4; nothing found of one; nobody looked.
    np.testing.assert_allclose(film_scores(made, REAL)[:, 0], [0.4, 0.6, 0.0, np.nan])


def test_some_of_the_films_are_scored_as_if_there_were_no_others() -> None:
    kinds, chosen = made_boxes(2, films=20), np.arange(20) % 3 > 0
    part = of_films(gather_predictions([table(kinds)]), chosen)
    alone = [match(*([one for one, keep in zip(values, chosen) if keep] for values in kind)) for kind in kinds]
    expected = {name: value for name, value in box_scores(alone).items() if ":" not in name}
    assert point_scores(part, REAL, "exclude") == pytest.approx(expected)
    assert resample(part, 3, np.random.default_rng(1), ["ap50"]).draws["ap50"].shape == (3, 1)


def test_other_true_boxes_in_another_trial_are_refused() -> None:
    kinds = made_boxes(1, films=6)
    moved = [
        (boxes, scores, [edges if edges is None else edges + 1 for edges in true]) for boxes, scores, true in kinds
    ]
    with pytest.raises(InputError, match="another truth of the same films"):
        gather_predictions([table(kinds), table(moved, trial=1)])
    both = gather_predictions([table(kinds), table(kinds, trial=1)])
    assert [member.trial for member in both.members] == [0, 1] and both.trials_of("0.1", "real", 0) == [0, 1]
