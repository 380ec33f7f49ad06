"""Metrics on drawn films are those of metrics.py and scikit-learn on films repeated as often as they were drawn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from scripts.lib.core.errors import InputError
from scripts.lib.downstream.metrics import overlap_scores
from scripts.lib.evidence.predicted import Member, Predicted, gather_predictions
from scripts.lib.evidence.resampling import (
    draw_weights,
    metrics_of,
    point_scores,
    resample,
)
from scripts.lib.study.tables import EMPTY_POLICIES, LABEL_METRICS, MASK_METRICS
from tests.helpers.predicted_trials import label_table, mask_table

LABELS = ("a", "b", "c")


def labelled(films: int = 60, ties: bool = False, seed: int = 5) -> Predicted:
    """Return three trainings of three labels, two films a patient, some truths unknown."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((films, 3)) < 0.4).astype(float)
    truth[rng.random((films, 3)) < 0.1] = np.nan
    patients = [f"p{place // 2}" for place in range(films)]
    tables = []
    for trial in range(3):
        scores = 1 / (1 + np.exp(-(np.nan_to_num(truth) + rng.normal(size=truth.shape))))
        scores = np.round(scores, 1) if ties else scores
        tuning = (truth[:20], scores[:20])
        tables.append(label_table(truth, scores, patients, tuning, LABELS, trial=trial))
    return gather_predictions(tables)


def masked(films: int = 40) -> Predicted:
    rng = np.random.default_rng(3)
    truth = rng.integers(1, 50, films) * (rng.random(films) < 0.6)
    predicted = rng.integers(1, 50, films) * (rng.random(films) < 0.7)
    overlap = rng.integers(0, 1 + np.minimum(truth, predicted))
    patients = [f"p{place // 2}" for place in range(films)]
    return gather_predictions([mask_table(overlap, predicted, truth, patients)])


def drawn_films(made: Predicted, draws: int, seed: int) -> list[np.ndarray]:
    """Return, for each draw that `resample` makes of this seed, the films, repeated as often as their patient was drawn."""
    found = []
    for _, weights in draw_weights(made.n_patients, draws, np.random.default_rng(seed)):
        found += [np.repeat(np.arange(len(made.films)), times[made.patients].astype(int)) for times in weights.T]
    return found


@pytest.mark.parametrize("ties", [False, True])
def test_labels_agree_with_scikit_learn_on_repeated_films(ties: bool) -> None:
    made = labelled(ties=ties)
    found = resample(made, 6, np.random.default_rng(9))
    for draw, films in enumerate(drawn_films(made, 6, 9)):
        for place, member in enumerate(found.members):
            expected: dict[str, list[float]] = {name: [] for name in LABEL_METRICS}
            for k in range(3):
                truth, scores = made.truth[films, k], made.scores[member][films, k]
                truth, scores = truth[~np.isnan(truth)], scores[~np.isnan(truth)]
                threshold = made.thresholds[member][k]
                assert threshold is not None
                expected["f1"].append(f1_score(truth, scores > 0.5))
                expected["f1_tuned"].append(f1_score(truth, scores > threshold))
                expected["auroc"].append(roc_auc_score(truth, scores))
                expected["auprc"].append(average_precision_score(truth, scores))
            for name, values in expected.items():
                assert found.draws[name][draw, place] == pytest.approx(np.mean(values), abs=2e-6), name


def test_masks_agree_with_the_scores_of_repeated_films() -> None:
    made = masked()
    assert metrics_of(made) == list(MASK_METRICS)
    for policy in EMPTY_POLICIES:
        found = resample(made, 12, np.random.default_rng(2), policy=policy)
        for draw, films in enumerate(drawn_films(made, 12, 2)):
            overlap, predicted = made.scores[found.members[0]][films, 0].T
            expected = overlap_scores(overlap, predicted, made.truth[films, 0], policy)
            for name in MASK_METRICS:
                assert found.draws[name][draw, 0] == pytest.approx(expected[name], abs=1e-6), (name, policy)


def test_a_draw_without_a_class_by_hand() -> None:
    # Three patients of a film each, the first positive. F1 of the films as they are: 2 * 1 / (1 + 2) = 2/3.
    made = gather_predictions([label_table(np.array([[1.0], [0.0], [0.0]]), np.array([[0.9], [0.8], [0.1]]))])
    assert point_scores(made, Member("0.1", "real", 0, 0), "exclude")["f1"] == pytest.approx(2 / 3)
    found = resample(made, 3000, np.random.default_rng(1), ["f1", "auroc"])
    # No positive film: (2/3)^3 = .296; no negative film: (1/3)^3 = .037; together .333, and there is no value then.
    lost = np.isnan(found.draws["f1"][:, 0])
    assert (lost == np.isnan(found.draws["auroc"][:, 0])).all() and (lost == (found.fewer == 1)).all()
    assert lost.mean() == pytest.approx(1 / 3, abs=0.03)
    # Of k positive films and j times the second one F1 is 2 k / (2 k + j): (1, 2) 1/2, (1, 1) 2/3, (2, 1) 4/5, (k, 0) 1.
    values = found.draws["f1"][~lost, 0]
    assert np.unique(values.round(4)) == pytest.approx([0.5, 2 / 3, 0.8, 1.0], abs=1e-4)
    assert (found.draws["auroc"][~lost, 0] == 1).all()


def test_a_label_of_one_class_is_left_out_of_the_mean_as_in_trials_csv() -> None:
    made = labelled()
    made.truth[:, 1] = 1.0
    found = resample(made, 50, np.random.default_rng(0), ["auroc"])
    alone = Predicted(made.dataset, made.task, made.films, made.patients, ("a", "c"), made.truth[:, [0, 2]])
    for member in found.members:
        alone.scores[member] = made.scores[member][:, [0, 2]]
        alone.thresholds[member] = [made.thresholds[member][k] for k in (0, 2)]
    again = resample(alone, 50, np.random.default_rng(0), ["auroc"])
    assert np.array_equal(found.draws["auroc"], again.draws["auroc"])
    assert found.points["auroc"] == pytest.approx(again.points["auroc"])


def test_points_are_the_metrics_of_the_films_as_they_are_and_chunks_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = labelled()
    whole = resample(made, 40, np.random.default_rng(4), threads=2)
    monkeypatch.setattr("scripts.lib.evidence.resampling.CHUNK_BYTES", 4 * made.n_patients * 7)  # 7 draws at a time
    parts = resample(made, 40, np.random.default_rng(4))
    for name in LABEL_METRICS:
        # Whether a draw of all films alike is the point itself is tested through scikit-learn above.
        assert whole.points[name] == pytest.approx(parts.points[name])
        assert whole.draws[name] == pytest.approx(parts.draws[name], abs=1e-6)
    with pytest.raises(InputError, match="statistics.bootstrap.metrics: accuracy: expected some of f1, f1_tuned"):
        resample(made, 10, np.random.default_rng(4), ["auroc", "accuracy"])
    with pytest.raises(InputError, match="statistics.bootstrap.draws: 0"):
        resample(made, 0, np.random.default_rng(4))


def test_without_films_set_aside_there_is_no_tuned_f1() -> None:
    made = gather_predictions([label_table(np.array([[1.0], [0.0]] * 9), np.linspace(0, 1, 18)[:, None])])
    found = resample(made, 5, np.random.default_rng(0))
    assert np.isnan(found.points["f1_tuned"]).all() and np.isnan(found.draws["f1_tuned"]).all()
    assert not np.isnan(found.points["f1"]).any()
