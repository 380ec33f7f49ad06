"""The command `train_trials`, from films on disk to its predictions, and the rows that they make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import trial_seed
from scripts.lib.downstream.predictions import open_predictions, write_rows
from scripts.lib.downstream.rows import Setting
from scripts.lib.downstream.scoring import score_predictions
from scripts.lib.downstream.settings import steps_of
from scripts.lib.downstream.training import Training
from scripts.lib.downstream.trials import _finished, select_films, synthetic_films
from scripts.lib.evidence.tables import text_table
from scripts.lib.study.tables import LABELS, TRIALS
from scripts.train_trials import main
from tests.helpers.downstream_films import settings_for, write_trial_inputs

LABEL_METRICS = ["f1", "f1_tuned", "auroc", "auprc"]
METRICS = {
    "classification": LABEL_METRICS,
    "multilabel": LABEL_METRICS + [f"{name}:{label}" for name in LABEL_METRICS for label in ("edema", "pneumonia")],
    "segmentation": [
        *("dice", "dice_exclude", "dice_kaggle", "dice_zero"),
        *("iou", "iou_exclude", "iou_kaggle", "iou_zero", "false_positive_share"),
    ],
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return write_trial_inputs(tmp_path_factory.mktemp("inputs"))


class Command:
    """A call of train_trials with its files in one folder."""

    def __init__(self, folder: Path, inputs: tuple[Path, Path, Path], task: str, **changes: Any) -> None:
        self.cohort, self.subsets, self.pool = inputs
        self.folder, self.settings = folder, settings_for(task, **changes)
        self.checkpoints = folder / "checkpoints"

    def __call__(
        self, arm: str = "original", multipliers: tuple[int, ...] = (1, 2), name: str = "t.parquet", **more: Any
    ) -> bytes:
        argv = ["--cohort", self.cohort, "--subsets", self.subsets, "--config", json.dumps(self.settings)]
        argv += ["--pool", *([self.pool] if arm != "real" else []), "--dataset", "toy", "--arm", arm]
        argv += ["--fraction", more.get("fraction", 0.5), "--trial", more.get("trial", 0), "--seed", 1]
        argv += ["--multipliers", *multipliers, "--checkpoint-dir", self.checkpoints, "--out", self.folder / name]
        main([str(word) for word in [*argv, *more.get("options", ())]])
        return (self.folder / name).read_bytes()

    def rows(self, *positional: Any, **more: Any) -> list[dict[str, str]]:
        """Return the rows of the long table that the predictions of a call make, as text."""
        self(*positional, **more)
        made = open_predictions(self.folder / more.get("name", "t.parquet"))
        columns = [*TRIALS, *LABELS]
        table = text_table(score_predictions(made, self.settings, "toy"), columns, self.folder)
        return table[columns].to_dict("records")


@pytest.mark.parametrize("task", ["classification", "multilabel", "segmentation"])
def test_the_rows_are_the_contract_and_the_same_every_time(tmp_path: Path, inputs: tuple, task: str) -> None:
    command = Command(tmp_path, inputs, task)
    made = command()
    rows = command.rows(name="again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == made
    names = METRICS[task]
    assert [row["metric"] for row in rows] == names * 2
    # 20 training films, half of them
    assert {(row["multiplier"], row["n_real"], row["n_synthetic"]) for row in rows} == {
        ("1", "10", "10"),
        ("2", "10", "20"),
    }
    assert all(0 <= float(row["value"]) <= 1 for row in rows if not row["metric"].startswith("f1_tuned"))
    assert {row["value"] for row in rows if row["metric"].startswith("f1_tuned")} <= {""}, "nothing was set aside"
    assert {row["seed"] for row in rows} == {str(trial_seed(1, "toy", 0))}
    assert not command.checkpoints.exists()
    assert command.rows(multipliers=(2,), name="one.parquet") == rows[len(names) :]


def test_what_is_to_be_known_of_an_arm_stands_in_every_row(tmp_path: Path, inputs: tuple) -> None:
    told = "not limited to 50 % of the training films: x"
    rows = Command(tmp_path, inputs, "classification").rows(options=("--note", told))
    assert rows and all(row["note"].endswith(told) for row in rows)
    assert {row["note"] for row in rows if row["metric"] != "f1_tuned"} == {told}


def test_real_only_needs_no_pool(tmp_path: Path, inputs: tuple) -> None:
    rows = Command(tmp_path, inputs, "classification").rows("real", (0,), fraction=1, trial=1)
    assert {(row["arm"], row["multiplier"], row["fraction"], row["n_real"], row["n_synthetic"]) for row in rows} == {
        ("real", "0", "1", "20", "0")
    }


def test_a_killed_job_resumes_to_the_same_bytes(tmp_path: Path, inputs: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Command(tmp_path, inputs, "segmentation")(name="whole.parquet")
    command = Command(tmp_path, inputs, "segmentation")
    steps: list[int] = []
    step = Training._step

    def dying(self: Training, *batch: np.ndarray) -> None:
        if len(steps) == 6:  # four steps of the first multiplier, two of the second
            raise KeyboardInterrupt
        step(self, *batch)
        steps.append(self.progress.step)

    monkeypatch.setattr(Training, "_step", dying)
    with pytest.raises(KeyboardInterrupt):
        command()
    assert not (tmp_path / "t.parquet").exists()
    assert (command.checkpoints / "multiplier-1.parquet").exists()
    monkeypatch.setattr(Training, "_step", lambda self, *batch: (step(self, *batch), steps.append(self.progress.step)))
    steps.clear()
    assert command() == expected
    assert len(steps) == 4  # the finished multiplier was read back
    assert not command.checkpoints.exists()


def test_work_of_other_settings_is_not_taken_over(tmp_path: Path, inputs: tuple) -> None:
    command = Command(tmp_path, inputs, "classification")
    expected = command(multipliers=(1,))
    command.checkpoints.mkdir()
    rows = open_predictions(tmp_path / "t.parquet").table
    write_rows(command.checkpoints / "multiplier-1.parquet", rows.slice(0, 3), {"key": "0123456789abcdef"})
    (command.checkpoints / "multiplier-1.safetensors").write_bytes(b"torn")
    assert command(multipliers=(1,)) == expected


@pytest.mark.parametrize("damage", ["empty", "torn", "text", "no metadata"])
def test_a_damaged_file_of_a_finished_cell_is_named_and_not_taken(tmp_path: Path, capsys, damage: str) -> None:
    path, rows = tmp_path / "multiplier-1.parquet", pa.table({"multiplier": [1]})
    assert _finished(path, "k") is None and capsys.readouterr().err == ""
    write_rows(path, rows, {"key": "k"})
    assert _finished(path, "k") == rows and _finished(path, "other") is None and capsys.readouterr().err == ""
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "torn": content[: len(content) // 2], "text": b"[1]"}.get(damage, content))
    if damage == "no metadata":
        pq.write_table(rows, path)
    assert _finished(path, "k") is None
    assert str(path) in capsys.readouterr().err


def test_the_budget_of_a_fraction(tmp_path: Path, inputs: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    assert steps_of({"steps": 7}, 0.3) == 7
    by_fraction = {"steps": {"1": 6, "0.1": 3, "0.01": 2}}
    # As listed; 0.05 takes that of 0.1, the next larger one, 0.001 that of 0.01.
    assert [steps_of(by_fraction, f) for f in (0.01, 0.1, 1.0, 0.05, 0.001)] == [2, 3, 6, 3, 2]
    assert steps_of({"steps": {"0.1": 3}}, 1.0) == 3  # above the largest: the largest
    step, done = Training._step, []
    monkeypatch.setattr(Training, "_step", lambda self, *batch: (step(self, *batch), done.append(self.progress.step)))
    command = Command(tmp_path, inputs, "classification", budget={"steps": {"0.5": 3, "1": 5}})
    counts = {}
    for arm, multipliers in (("real", (0,)), ("original", (1, 2))):
        for fraction in (0.5, 1):
            done.clear()
            command(arm, multipliers, fraction=fraction)
            counts[arm, fraction] = len(done) / len(multipliers)
    assert counts == {("real", 0.5): 3, ("original", 0.5): 3, ("real", 1): 5, ("original", 1): 5}  # alike in all cells


def select(inputs: tuple, pool: Path | None = None, trial: int = 0, **changes: Any):
    settings = settings_for("multilabel", **changes)
    setting = Setting("toy", "original", 0.5, trial, trial_seed(1, "toy", trial))
    opened = Cohort.open(pool) if pool else None
    return (
        select_films(Cohort.open(inputs[0]), pd.read_parquet(inputs[1]), opened, setting, settings),
        setting,
        settings,
    )


def test_multipliers_are_prefixes_and_trials_differ(inputs: tuple) -> None:
    films, setting, settings = select(inputs, inputs[2])
    parts = [synthetic_films(films, multiplier, setting, settings) for multiplier in (1, 2, 4)]
    assert [len(part) for part in parts] == [10, 20, 40]
    for small, large in zip(parts, parts[1:]):
        np.testing.assert_array_equal(small.rows, large.rows[: len(small)])
    assert synthetic_films(films, 0, setting, settings) is None
    with pytest.raises(InputError, match="trial 0: 40 synthetic images, but 50"):
        synthetic_films(films, 5, setting, settings)
    other, second, _ = select(inputs, inputs[2], trial=1)
    assert set(other.real.rows) != set(films.real.rows)
    assert second.seed != setting.seed
    np.testing.assert_array_equal(other.test.rows, films.test.rows)


def test_what_is_set_aside_and_too_few_are_not(inputs: tuple) -> None:
    films, _, _ = select(inputs)
    assert len(films.validation) == 0 and len(films.training) == 10
    films, _, _ = select(inputs, validation_share=0.4, validation_patients=2)
    assert len(films.training) + len(films.validation) == len(films.real) == 10
    assert set(films.training.rows).isdisjoint(films.validation.rows)
    assert len(films.validation.cohort.index["patient_id"].iloc[films.validation.rows].unique()) == 2
    films, _, _ = select(inputs, validation_share=0.4, validation_patients=3)
    assert len(films.validation) == 0 and len(films.training) == 10


@pytest.mark.parametrize(("least", "stops_early"), [(2, True), (5, False)])
def test_few_patients_neither_stop_a_training_nor_choose_a_threshold(
    tmp_path: Path, inputs: tuple, least: int, stops_early: bool
) -> None:
    command = Command(tmp_path, inputs, "classification", budget={"kind": "epochs", "epochs": 2, "steps": 3})
    command.settings |= {"validation_share": 0.4, "validation_patients": least}
    rows = {row["metric"]: row for row in command.rows("real", (0,))}
    told = "trained 3 steps: fewer than 5 patients could be set aside to stop early by"
    assert (told in rows["f1"]["note"]) is not stops_early
    assert stops_early or (rows["f1_tuned"]["value"] == "" and told in rows["f1_tuned"]["note"])


def test_one_class_in_the_test_split_leaves_the_value_empty(tmp_path: Path) -> None:
    inputs = write_trial_inputs(tmp_path, films=22, test=1)  # the only test film, number 21, has pneumonia
    rows = Command(tmp_path, inputs, "classification").rows(multipliers=(1,), fraction=1)
    assert [row["value"] for row in rows] == [""] * 4


@pytest.mark.parametrize(
    ("arm", "multipliers", "message"),
    [
        ("real", (2,), "expected 0 alone and no pool"),
        ("original", (0, 2), "expected numbers above 0"),
        ("original", (2, 2), "expected different whole numbers"),
        ("original", (-1,), "expected different whole numbers"),
        ("original", (5,), "trial 0: 40 synthetic images"),
    ],
)
def test_multipliers_that_make_no_sense(
    tmp_path: Path, inputs: tuple, arm: str, multipliers: tuple, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Command(tmp_path, inputs, "classification")(arm, multipliers)
    assert not (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "guessing"}, "trials.task = 'guessing'; expected one of"),
        ({"target": ["edema"]}, "expected one name for the task"),
        (
            {"mixing": {"kind": "shuffle", "real_share": 0.5}},
            "trials.mixing.kind = 'shuffle'; expected one of concat, balanced, pretrain",
        ),
        ({"target": "fracture"}, "no label 'fracture'"),
    ],
)
def test_settings_that_make_no_sense(tmp_path: Path, inputs: tuple, change: dict, message: str) -> None:
    command = Command(tmp_path, inputs, "classification")
    command.settings |= change
    with pytest.raises(InputError, match=message):
        command()


def test_a_missing_setting_is_named(tmp_path: Path, inputs: tuple) -> None:
    command = Command(tmp_path, inputs, "classification")
    del command.settings["optimizer"]["weight_decay"], command.settings["device"]
    with pytest.raises(
        InputError, match="settings: trials.device, trials.optimizer.weight_decay: missing; config.yaml"
    ):
        command()


def test_a_pool_of_another_size_is_refused(tmp_path: Path, inputs: tuple) -> None:
    from scripts.lib.cohort.writer import CohortWriter

    with CohortWriter(tmp_path / "pool", 8, ["lungs"], ["edema", "pneumonia"], {}) as writer:
        writer.add(np.zeros((8, 8), np.uint8), None, {"image_id": "a", "patient_id": "a", "trial": -1, "position": 0})
    with pytest.raises(InputError, match="images of side 8, but the cohort's have 16"):
        select(inputs, tmp_path / "pool")
