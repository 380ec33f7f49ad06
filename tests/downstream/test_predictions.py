"""The file of a trial's predictions, and the table that `score_trials` makes of such files."""

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
from scripts.lib.downstream.data import films_of
from scripts.lib.downstream.predictions import (
    Predictions,
    model_rows,
    open_predictions,
    read_predictions,
    write_predictions,
)
from scripts.lib.downstream.scoring import score_file, tested_films
from scripts.lib.study.config import load_study, to_json
from scripts.lib.study.study import Study
from scripts.score_trials import main
from tests.conftest import ROOT
from tests.helpers.downstream_films import LABELS, settings_for, write_films

FILMS = 4  # of the test split: numbers 4 to 7; pneumonia 0 1 0 1, edema 0 0 1 1, patients p2 p2 p3 p3
SCORES = np.array([[0.9, 0.2], [0.1, 0.8], [0.6, 0.4], [0.7, 0.6]])  # edema, pneumonia


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films") / "cohort"
    write_films(folder, 8, FILMS)
    return folder


def make(folder: Path, cohort: Path, task: str, arm: str = "original", **changes: Any) -> Path:
    """Write the predictions of a trial with two multipliers, the second of which is certain and wrong."""
    settings, opened = settings_for(task), Cohort.open(cohort)
    films = films_of(opened, opened.rows(split=changes.pop("split", "test")), task, settings["target"])
    parts = []
    for multiplier in (2, 10):
        if films.labels is None:
            truth = np.array([0.0, 36, 0, 36])
            found = {
                "overlap": truth * {2: 1 / 2, 10: 1 / 4}[multiplier],
                "predicted": np.array([0.0, 36, 9, 36]),
                "truth": truth,
            }
        else:
            scores = SCORES[:, -films.labels.shape[1] :]
            found = {"truth": films.labels, "score": scores if multiplier == 2 else 1 - films.labels}
        parts.append(model_rows(films, settings, "toy", "test", multiplier, found))
    cells = {each: {"n_real": 4, "n_synthetic": 4 * each, "note": "told" * (each == 10)} for each in (2, 10)}
    told = {"dataset": "toy", "task": task, "arm": arm, "fraction": "0.1", "trial": 3, "seed": trial_seed(1, "toy", 3)}
    made = Predictions(**{**told, **changes}, cells=cells, table=pa.concat_tables(parts))
    path = folder / made.place
    write_predictions(path, made)
    return path


def test_rows_are_films_by_labels_and_come_back_as_written(tmp_path: Path, cohort: Path) -> None:
    table = read_predictions([make(tmp_path, cohort, "multilabel"), make(tmp_path, cohort, "multilabel", "real")])
    assert list(table.columns) == [
        *("dataset", "split", "multiplier", "image_id", "patient_id", "label", "truth", "score"),
        *("task", "arm", "fraction", "trial", "seed", "n_real", "n_synthetic"),
    ]
    assert len(table) == 2 * 2 * FILMS * len(LABELS)
    first = table.iloc[: FILMS * 2]
    assert first["label"].tolist() == LABELS * FILMS
    assert first["image_id"].tolist() == [name for number in range(4, 8) for name in [f"f{number}"] * 2]
    assert first["patient_id"].tolist() == ["p2"] * 4 + ["p3"] * 4
    assert first["truth"].tolist() == [0, 0, 0, 1, 1, 0, 1, 1]
    np.testing.assert_array_equal(first["score"], SCORES.ravel())
    assert (table["truth"].dtype, table["score"].dtype, table["multiplier"].dtype) == (np.float32, np.float64, np.int32)
    assert set(zip(table["multiplier"], table["n_synthetic"])) == {(2, 8), (10, 40)}
    assert table["arm"].tolist() == ["original"] * 16 + ["real"] * 16 and set(table["fraction"]) == {"0.1"}
    for name in ("dataset", "split", "image_id", "patient_id", "label", "task", "arm", "fraction"):
        assert isinstance(table[name].dtype, pd.CategoricalDtype), name
    metadata = pq.read_metadata(tmp_path / "toy/trials/real/fraction-0.1/trial-3.parquet")
    assert metadata.row_group(0).column(7).compression == "ZSTD"
    assert json.loads(metadata.metadata[b"synthorax"])["cells"]["10"] == {
        "n_real": 4,
        "n_synthetic": 40,
        "note": "told",
    }


def test_a_truth_that_is_not_known_stays_nan_and_is_left_out(tmp_path: Path, cohort: Path) -> None:
    opened, settings = Cohort.open(cohort), settings_for("classification")
    films = films_of(opened, opened.rows(split="test"), "classification", "pneumonia")
    truth = np.array([[0], [1], [np.nan], [1]], np.float32)
    table = model_rows(films, settings, "toy", "test", 0, {"truth": truth, "score": SCORES[:, :1]})
    cells = {0: {"n_real": 4, "n_synthetic": 0, "note": ""}}
    made = Predictions("toy", "classification", "real", "1", 0, trial_seed(1, "toy", 0), cells, table)
    path = tmp_path / made.place
    write_predictions(path, made)
    back = read_predictions([path])
    assert back["truth"].isna().tolist() == [False, False, True, False] and table["truth"].null_count == 0
    rows = {row["metric"]: row for row in score_file(path, settings, 1, {"toy": tested_films(cohort)})}
    # Without the third film: truth 0 1 1 with scores .9 .1 .7; above .5 lie the first and the last: TP 1, FP 1, FN 1.
    assert rows["f1"]["value"] == 0.5 and rows["auroc"]["value"] == 0


def test_a_threshold_is_chosen_on_the_films_set_aside_never_on_the_tested_ones(tmp_path: Path, cohort: Path) -> None:
    opened, settings = Cohort.open(cohort), settings_for("classification")
    parts = []
    # pneumonia is 0 1 0 1 on either side. Between .85 and .92 the films set aside are told apart without a fault; of the
    # tested ones only the .99 lies above: TP 1, FN 1, F1 2 / 3. Any threshold from .6 to .7 would have given them 1.
    for split, name, scores in (("test", "test", [0.6, 0.99, 0.3, 0.7]), ("train", "tuning", [0.85, 0.95, 0.8, 0.92])):
        films = films_of(opened, opened.rows(split=split), "classification", "pneumonia")
        found = {"truth": films.labels, "score": np.array(scores)[:, None]}
        parts.append(model_rows(films, settings, "toy", name, 0, found))
    cells = {0: {"n_real": 4, "n_synthetic": 0, "note": ""}}
    made = Predictions("toy", "classification", "real", "1", 0, trial_seed(1, "toy", 0), cells, pa.concat_tables(parts))
    write_predictions(tmp_path / made.place, made)
    rows = score_file(tmp_path / made.place, settings, 1, {"toy": tested_films(cohort)})
    values = {row["metric"]: row["value"] for row in rows}
    assert values["f1_tuned"] == pytest.approx(2 / 3)
    assert values["f1"] == pytest.approx(0.8)  # above .5: TP 2, FP 1


@pytest.mark.parametrize("policy", ["exclude", "kaggle", "zero"])
def test_masks_are_scored_by_the_policy_of_today(tmp_path: Path, cohort: Path, policy: str) -> None:
    path = make(tmp_path, cohort, "segmentation")
    rows = score_file(path, settings_for("segmentation") | {"empty_policy": policy}, 1, {"toy": tested_films(cohort)})
    values = {row["multiplier"]: row["value"] for row in rows if row["metric"] == "dice"}
    # Two films without the structure, one of them called empty. At 2 the overlap is 18 of 36 and 36 pixels: Dice .5; at 10 it
    # is 9: 18 / 72.
    of_two = {2: 0.5, 10: 0.25}
    expected = {"exclude": of_two, "kaggle": {each: (2 * of_two[each] + 1) / 4 for each in of_two}}
    expected["zero"] = {each: value / 2 for each, value in of_two.items()}
    assert values == pytest.approx(expected[policy])
    assert [row["note"] for row in rows if row["metric"] == "dice"] == ["", "told"]


def test_the_command_sorts_trials_and_tells_what_does_not_belong(tmp_path: Path, cohort: Path) -> None:
    for arm in ("real", "original"):
        for trial in (0, 1):
            make(tmp_path, cohort, "multilabel", arm, trial=trial, seed=trial_seed(1, "toy", trial))
    patterns = [str(tmp_path / f"toy/trials/{arm}/fraction-0.1/trial-{{}}.parquet") for arm in ("original", "real")]
    config = json.dumps({"task": "multilabel", "target": LABELS})

    def command(*more: str, trials: str = "2") -> None:
        own = ["--predictions", *patterns, "--trials", trials, "--dataset", "toy", "--cohort", str(cohort)]
        main([*own, "--config", config, "--seed", "1", "--out", str(tmp_path / "trials.csv"), *more])

    command()
    table = pd.read_csv(tmp_path / "trials.csv", dtype=str)
    assert list(table.columns) == (
        [
            "dataset",
            "task",
            "metric",
            "fraction",
            "arm",
            "multiplier",
            "trial",
            "seed",
            "n_real",
            "n_synthetic",
            "value",
            "n_labels",
            "note",
        ]
    )
    f1 = table[table["metric"] == "f1"]
    assert f1["arm"].tolist() == ["real"] * 4 + ["original"] * 4
    assert f1["multiplier"].tolist() == ["2", "2", "10", "10"] * 2 and f1["trial"].tolist() == ["0", "1"] * 4
    # edema: truth 0 0 1 1, above .5 lie 1 0 1 1: 2 TP, 1 FP: 4 / 5. pneumonia: 0 1 0 1 against 0 1 0 1: 1. Mean .9.
    assert float(f1["value"].iloc[0]) == pytest.approx(0.9) and float(f1["value"].iloc[2]) == 0
    (tmp_path / "trials.csv").unlink()
    with pytest.raises(InputError, match=r"trial-2.parquet: no such file; expected the predictions of a trial"):
        command(trials="3")
    with pytest.raises(InputError, match="seed .*, but trial 0 of this study has .*: a file of another study"):
        command("--seed", "2")
    assert not (tmp_path / "trials.csv").exists()


def refused(path: Path, task: str = "multilabel", films: list[str] | None = None, **changes: Any) -> str:
    ids = films if films is not None else [f"f{number}" for number in range(4, 8)]
    with pytest.raises(InputError) as told:
        score_file(path, settings_for(task) | changes, 1, {"toy": ids})
    line = str(told.value)
    assert "\n" not in line and str(path) in line
    return line


def test_what_is_no_whole_file_of_predictions_is_refused_in_one_line(tmp_path: Path, cohort: Path) -> None:
    path = make(tmp_path, cohort, "multilabel")
    content = path.read_bytes()
    for torn in (b"", b"PAR1", content[:-9], content[: len(content) // 2], content[:200] + b"\0" * 50 + content[250:]):
        path.write_bytes(torn)
        assert "not a whole file of predictions" in refused(path)
    table, metadata = make_table(content)
    pq.write_table(table.replace_schema_metadata(None), path)
    assert "its metadata lack 'synthorax'" in refused(path)
    pq.write_table(table.drop_columns(["score", "split"]).replace_schema_metadata(metadata), path)
    assert "columns split, score are missing" in refused(path)
    told = json.loads(metadata[b"synthorax"])
    del told["cells"]["10"]
    pq.write_table(table.replace_schema_metadata({b"synthorax": json.dumps(told)}), path)
    assert "rows of multiplier 10, of which its metadata know nothing" in refused(path)
    pq.write_table(table.replace_schema_metadata({b"synthorax": json.dumps({"task": "multilabel"})}), path)
    assert "its metadata lack dataset, arm, fraction, trial, seed, cells" in refused(path)


def make_table(content: bytes) -> tuple[pa.Table, dict[bytes, bytes]]:
    table = pq.read_table(pa.BufferReader(content))
    return table, dict(table.schema.metadata)


def test_predictions_of_something_else_are_refused_in_one_line(tmp_path: Path, cohort: Path) -> None:
    path = make(tmp_path, cohort, "multilabel")
    assert "cohort has 4, not the same ones (for example f7)" in refused(path, films=["f4", "f5", "f6", "f9"])
    assert "4 test films of toy, its cohort has 3, not the same ones (for example f7)" in refused(
        path, films=["f4", "f5", "f6"]
    )
    assert "not the same ones (in another order)" in refused(path, films=["f5", "f4", "f6", "f7"])
    assert "task multilabel, but the dataset's is segmentation" in refused(path, "segmentation")
    assert "predictions of edema, pneumonia, expected pneumonia, edema" in refused(path, target=LABELS[::-1])
    moved = path.parent / "trial-4.parquet"
    moved.write_bytes(path.read_bytes())
    assert "holds the predictions of toy/trials/original/fraction-0.1/trial-3.parquet" in refused(moved)


def test_files_that_do_not_go_together_are_not_read_as_one(tmp_path: Path, cohort: Path) -> None:
    one = make(tmp_path / "1", cohort, "multilabel")
    with pytest.raises(InputError, match="both are toy/trials/original/fraction-0.1/trial-3.parquet; keep one"):
        read_predictions([one, make(tmp_path / "2", cohort, "multilabel")])
    with pytest.raises(InputError, match="seed 5, but .*: files of two studies"):
        read_predictions([one, make(tmp_path / "3", cohort, "multilabel", "real", seed=5)])
    with pytest.raises(InputError, match="task segmentation, but .* read labels and masks apart"):
        read_predictions([one, make(tmp_path / "4", cohort, "segmentation", "real")])
    with pytest.raises(InputError, match="no predictions to read"):
        read_predictions([])
    assert open_predictions(one).cells[2]["n_synthetic"] == 8


def test_how_trials_are_scored_is_nothing_that_a_training_is_given() -> None:
    def texts(change: dict[str, Any]) -> dict[str, tuple[str, str]]:
        study = Study(load_study([ROOT / "config.yaml"], change))
        return {
            name: (to_json(study.trial_settings(name)), to_json(study.scoring_settings(name)))
            for name in study.datasets
        }

    before, after = texts({}), texts({"trials": {"segmentation": {"empty_policy": "zero"}}})
    assert {name: given for name, (given, _) in before.items()} == {name: given for name, (given, _) in after.items()}
    assert [name for name in before if before[name][1] != after[name][1]] == ["candid", "siim"]
    assert before["rsna"][1] == '{"target":"pneumonia","task":"classification"}'
