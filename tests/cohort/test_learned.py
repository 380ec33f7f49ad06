"""The list of films that taught a model: what stands in it, its bytes, and what is said of a list that is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts.lib.cohort.learned import (
    COLUMNS,
    LIST,
    all_learned,
    films_learned,
    inherited,
    not_known,
    read_learned,
    write_learned,
)
from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError


@pytest.fixture
def films(tmp_path: Path) -> Cohort:
    with CohortWriter(tmp_path / "cohort", 4, [], [], {"dataset": "mine"}) as writer:
        for number in range(4):
            row = {"image_id": f"f{number}", "patient_id": f"p{number}", "split": "train", "sha256": f"{number}" * 64}
            writer.add(np.full((4, 4), number, np.uint8), None, row)
    return Cohort.open(tmp_path / "cohort")


def test_a_row_a_film_and_role(films: Cohort, tmp_path: Path) -> None:
    table = films_learned(films, np.array([2, 0]), "base")
    assert tuple(table.columns) == COLUMNS
    write_learned(tmp_path, [table, films_learned(films, np.array([0]), "raters"), table])
    found = read_learned(tmp_path)
    assert found is not None and found.to_numpy().tolist() == [
        ["mine", "f0", "p0", "0" * 64, "base"],
        ["mine", "f0", "p0", "0" * 64, "raters"],
        ["mine", "f2", "p2", "2" * 64, "base"],
    ]


def test_any_order_gives_the_same_bytes(films: Cohort, tmp_path: Path) -> None:
    parts = [
        films_learned(films, np.array([3, 1]), "base"),
        not_known("mgca"),
        films_learned(films, np.array([0]), "mgca"),
    ]
    write_learned(tmp_path / "one.parquet", parts)
    write_learned(tmp_path / "two.parquet", [part.iloc[::-1] for part in reversed(parts)])
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_a_tuned_model_begins_with_the_list_of_its_start(films: Cohort, tmp_path: Path) -> None:
    write_learned(tmp_path, [films_learned(films, np.array([1]), "base")])
    write_learned(
        tmp_path / "tuned.parquet", [inherited(tmp_path, "base"), films_learned(films, np.array([2]), "raters")]
    )
    found = read_learned(tmp_path / "tuned.parquet")
    assert found is not None and found["role"].tolist() == ["base", "raters"]


def test_a_model_from_elsewhere_is_not_known(tmp_path: Path) -> None:
    assert read_learned(tmp_path) is None
    found = inherited(tmp_path / "roentgen", "base")
    assert found["role"].tolist() == ["base"] and found["dataset"].isna().all()
    write_learned(tmp_path, [found])
    again = read_learned(tmp_path)  # what is not known stays so
    assert again is not None and again.equals(found)
    assert all_learned([tmp_path / "roentgen"])["role"].tolist() == ["roentgen"] and all_learned([]).empty


def test_a_list_beside_a_file_of_weights_counts(films: Cohort, tmp_path: Path) -> None:
    (tmp_path / "vit.ckpt").touch()
    assert read_learned(tmp_path / "vit.ckpt") is None
    write_learned(tmp_path, [films_learned(films, np.array([1]), "mgca")])
    assert read_learned(tmp_path / "vit.ckpt") is not None


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pd.DataFrame({"image_id": ["a"]}), "no column dataset, patient_id, sha256, role"),
        (
            pd.DataFrame([["mine", None, None, None, "base"]], columns=list(COLUMNS)),
            "row 1: expected dataset, image_id",
        ),
        (pd.DataFrame([["mine", "a", None, None, None]], columns=list(COLUMNS)), "row 1: expected dataset, image_id"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, table: pd.DataFrame, said: str) -> None:
    table.to_parquet(tmp_path / LIST)
    with pytest.raises(InputError, match=said) as caught:
        read_learned(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_damaged_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / LIST).write_bytes(b"PAR1 no more")
    with pytest.raises(InputError, match="not a parquet file"):
        read_learned(tmp_path)
