"""Detection and segmentation of several structures: the models, and the commands from films on disk to scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.subsets import draw_ranks
from scripts.lib.core.errors import InputError
from scripts.lib.downstream.baselines import baseline_rows
from scripts.lib.downstream.boxes import NONE
from scripts.lib.downstream.losses import mask_loss
from scripts.lib.downstream.models import Network, build_model
from scripts.lib.downstream.predictions import open_predictions
from scripts.lib.downstream.scoring import score_predictions
from scripts.lib.downstream.settings import check_settings
from scripts.lib.downstream.training import Training
from scripts.train_trials import main
from tests.helpers.box_films import SIDE, write_box_films
from tests.helpers.downstream_films import settings_for

BOTH = ["spot", "hole"]
CHANGES: dict[str, dict[str, Any]] = {
    "detection": {
        "target": BOTH,
        "augment": {"rotation": 0.0},
        "model": {"channels": [8, 16], "decoder_channels": [16]},
        "boxes": {"score": 0.01, "overlap": 0.5, "most": 20},
    },
    "segmentation": {"target": BOTH, "model": {"channels": [4, 8], "decoder_channels": [8, 4], "fold": 2}},
}


def settings_of(task: str, **more: Any) -> dict[str, Any]:
    return settings_for(task, **{**CHANGES[task], **more})


def detector(**more: Any) -> Network:
    return build_model(settings_of("detection", **more), 2, SIDE, 3)


def boxes(*rows: list[float]) -> torch.Tensor:
    return torch.tensor([list(rows)])


def test_an_untrained_detector_says_little_and_every_box_lies_on_the_film() -> None:
    model = detector(boxes={"score": 0.0, "overlap": 0.5, "most": 20})
    model.eval()
    outputs = model(torch.rand(3, 1, SIDE, SIDE))
    # Strides 2 and 4: 16 x 16 and 8 x 8 places; of each two kinds, four edges and the centre.
    assert outputs.shape == (3, 256 + 64, 2 + 4 + 1)
    edges, scores, kinds = model.boxes(outputs)
    for box, score, kind in zip(edges, scores, kinds):
        assert 0 < len(box) <= 20 and (box >= 0).all() and (box <= SIDE).all() and (box[:, 2:] > box[:, :2]).all()
        assert (np.diff(score) <= 0).all() and set(kind) <= {0, 1} and box.dtype == np.float32


@pytest.mark.parametrize("size", [None, 16])
def test_boxes_come_back_in_the_pixels_of_the_film(size: int | None) -> None:
    """A detector that says the truth: at every place the edges' distances from it, in strides of 2 and 4 pixels."""
    model, true = detector(image_size=size), np.array([10.0, 6, 26, 18], np.float32)
    side, edges = size or SIDE, torch.tensor(true) * (size or SIDE) / SIDE
    outputs = model(torch.zeros(1, 1, SIDE, SIDE)).detach()
    outputs[:, :, :2] = -20.0
    places = torch.cat([stride * torch.cartesian_prod(*[torch.arange(side // stride)] * 2) for stride in (2, 4)])
    strides = torch.cat([torch.full(((side // stride) ** 2, 1), stride) for stride in (2, 4)])
    row, column = places.T
    outputs[0, :, 2:6] = (
        torch.stack([column - edges[0], row - edges[1], edges[2] - column, edges[3] - row], 1) / strides
    )

    def lost(*moves: float) -> float:
        return float(model.box_loss(outputs, boxes([1, *(true + np.float32(moves))])))

    exact = lost(0, 0, 0, 0)
    assert all(lost(*moves) > exact + 0.01 for moves in np.r_[np.eye(4), -np.eye(4)])
    chosen = (places == torch.tensor([3, 4]) * side // 8).all(1).int().argmax()  # 18 right and 12 down on the film
    outputs[0, chosen, [1, 6]] = 20.0
    found, scores, kinds = model.boxes(outputs)
    assert kinds[0].tolist() == [1] and scores[0] == pytest.approx([1.0])
    np.testing.assert_allclose(found[0], [true], atol=1e-4)


def test_a_kind_that_nobody_looked_for_teaches_nothing() -> None:
    outputs = torch.randn(1, 320, 7)
    model = detector()
    model(torch.zeros(1, 1, SIDE, SIDE))  # where the places lie
    box, none, unknown = [0, 4, 4, 20, 20], [NONE] * 5, [1] + [torch.nan] * 4
    for rows, taught in (([box, none], True), ([box, unknown], False)):
        told = outputs.clone().requires_grad_()
        model.box_loss(told, boxes(*rows)).backward()
        assert told.grad is not None and torch.isfinite(told.grad).all()
        assert bool(told.grad[:, :, 1].any()) == taught and bool(told.grad[:, :, 0].any())
    # No box at all is legal: all places are background.
    assert torch.isfinite(model.box_loss(outputs, torch.full((1, 0, 5), NONE)))


def test_masks_of_several_structures_count_where_somebody_looked() -> None:
    logits = torch.randn(2, 2, 4, 4)
    masks = (torch.rand(2, 2, 4, 4) > 0.5).float()
    both = mask_loss(logits, masks, 1.0, 0.0)
    assert both == pytest.approx(float(torch.nn.functional.binary_cross_entropy_with_logits(logits, masks)))
    partly = masks.clone()
    partly[0, 1] = torch.nan
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    known = torch.cat([each[0, 0].flatten(), each[1].flatten()])
    assert mask_loss(logits, partly, 1.0, 0.0) == pytest.approx(float(known.mean()))
    told = logits.clone().requires_grad_()
    mask_loss(told, partly, 1.0, 1.0).backward()
    assert told.grad is not None and not told.grad[0, 1].any() and told.grad[0, 0].any()


def test_settings_that_a_detector_cannot_have() -> None:
    assert check_settings(settings_of("detection"))["task"] == "detection"
    for changes, line in (
        ({"augment": {"rotation": 2.0}}, r"trials.augment.rotation = 2.0; expected 0"),
        ({"strong_augment": {"rotation": 15.0}}, r"trials.strong_augment.rotation = 15.0; expected 0"),
        ({"model": {"decoder_channels": [16, 8]}}, r"decoder_channels = \[16, 8\]; expected one width"),
        ({"model": {"decoder_channels": []}}, r"decoder_channels = \[\]; expected one width"),
    ):
        with pytest.raises(InputError, match=line):
            check_settings(settings_of("detection", **changes))
    with pytest.raises(InputError, match="side 32 cannot be halved to the model's depth; expected a multiple of 64"):
        detector(model={"channels": [4] * 6})


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    folder = tmp_path_factory.mktemp("films")
    cohort = write_box_films(folder / "cohort", 48, test=16, table=True, heart_known=False)
    ranks: pd.DataFrame = draw_ranks(cohort.index, [], 2, True, 1, "toy")
    ranks.to_parquet(folder / "subsets.parquet", index=False)
    pool = write_box_films(folder / "pool", 80)
    index = pool.index.assign(trial=0, position=np.arange(80), mask_source=[f"f{number % 32}" for number in range(80)])
    index.drop(columns="annotated").to_parquet(folder / "pool" / "index.parquet", index=False)
    return folder / "cohort", folder / "subsets.parquet", folder / "pool"


def trained(films: tuple[Path, Path, Path], out: Path, task: str, **changes: Any) -> list[dict[str, Any]]:
    """Train two multipliers and return the rows of their scores."""
    settings = settings_of(task, budget={"steps": 4}, **changes)
    argv = ["--cohort", films[0], "--subsets", films[1], "--config", json.dumps(settings), "--pool", films[2]]
    argv += ["--dataset", "boxes", "--films-of", "toy", "--arm", "original", "--fraction", 1, "--trial", 0, "--seed", 1]
    argv += ["--multipliers", 1, 2, "--checkpoint-dir", out.parent / "checkpoints", "--out", out]
    main([str(word) for word in argv])
    return score_predictions(open_predictions(out), settings, "boxes")


@pytest.mark.parametrize(("task", "metric"), [("detection", "ap50"), ("segmentation", "dice")])
def test_a_trial_writes_the_same_predictions_twice_and_scores_of_each_structure(
    tmp_path: Path, films: tuple[Path, Path, Path], task: str, metric: str
) -> None:
    rows = trained(films, tmp_path / "one.parquet", task)
    assert trained(films, tmp_path / "two.parquet", task) == rows
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    found = {(row["multiplier"], row["metric"]): row for row in rows}
    assert {name for number, name in found if number == 1 and name.startswith(metric + ":")} == {
        f"{metric}:spot",
        f"{metric}:hole",
    }
    mean = found[2, metric]
    assert mean["n_labels"] == 2 and mean["n_real"] == 32 and mean["n_synthetic"] == 64
    assert mean["value"] == pytest.approx(np.mean([found[2, f"{metric}:{name}"]["value"] for name in BOTH]))
    table = open_predictions(tmp_path / "one.parquet").table.to_pandas()
    assert len(table) == 2 * 16 * 2
    # Nobody looked for a hole on films that do not show one.
    unknown = table[table["label"] == "hole"]["truth"].isna()
    assert unknown.sum() == 2 * sum(number % 3 != 0 for number in range(32, 48))
    assert not table[table["label"] == "spot"]["truth"].isna().any()


def test_a_killed_training_of_boxes_ends_with_the_same_bytes(
    tmp_path: Path, films: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(films, tmp_path / "whole.parquet", "detection")
    step, done = Training._step, 0

    def dying(self: Training, *batch: np.ndarray) -> None:
        nonlocal done
        if done == 6:  # four steps of the first multiplier, two of the second
            raise KeyboardInterrupt
        step(self, *batch)
        done += 1

    monkeypatch.setattr(Training, "_step", dying)
    with pytest.raises(KeyboardInterrupt):
        trained(films, tmp_path / "again.parquet", "detection", checkpoint_seconds=0)
    assert not (tmp_path / "again.parquet").exists()
    monkeypatch.setattr(Training, "_step", step)
    trained(films, tmp_path / "again.parquet", "detection", checkpoint_seconds=0)
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_the_trivial_box_is_the_mean_box_of_the_training_films(films: tuple[Path, Path, Path]) -> None:
    rows = {row["metric"]: row for row in baseline_rows(Cohort.open(films[0]), "toy", settings_of("detection"))}
    assert {row["baseline"] for row in rows.values()} == {"mean_box"}
    assert 0 <= rows["ap50"]["value"] < 0.5 and rows["ap50"]["n_labels"] == 2
    several = baseline_rows(Cohort.open(films[0]), "toy", settings_of("segmentation"))
    assert {row["baseline"] for row in several} == {"all_positive", "all_negative"}
    assert next(row for row in several if row["metric"] == "dice:hole")["n_labels"] == 1


def test_films_without_any_box_and_pools_of_masks_are_refused(tmp_path: Path, films: tuple[Path, Path, Path]) -> None:
    empty = write_box_films(tmp_path / "cohort", 12, test=4)
    (tmp_path / "cohort" / "masks.npy").write_bytes((tmp_path / "cohort" / "masks.npy").read_bytes())
    blank = np.lib.format.open_memmap(tmp_path / "cohort" / "masks.npy", mode="r+")
    blank[:] = 0
    blank.flush()
    draw_ranks(empty.index, [], 2, True, 1, "toy").to_parquet(tmp_path / "subsets.parquet", index=False)
    with pytest.raises(InputError, match="8 films to learn from, and none has a box of spot, hole"):
        trained((tmp_path / "cohort", tmp_path / "subsets.parquet", films[2]), tmp_path / "x.parquet", "detection")
    about = json.loads((films[2] / "cohort.json").read_text())
    for name in ("images.npy", "masks.npy", "index.parquet"):
        (tmp_path / name).write_bytes((films[2] / name).read_bytes())
    (tmp_path / "cohort.json").write_text(json.dumps(about | {"kind": "masks"}))
    with pytest.raises(InputError, match="a pool of masks, without films or images"):
        trained((films[0], films[1], tmp_path), tmp_path / "x.parquet", "detection")
