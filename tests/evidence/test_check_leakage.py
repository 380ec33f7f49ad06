"""The command check_leakage: its table, the line that stops a run, and inputs that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts import check_leakage, reduce_films
from scripts.lib.cohort.learned import LIST, films_learned, not_known, write_learned
from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.evidence.leakage import COLUMNS
from tests.helpers.leakage_films import CHANGES, SETTINGS, phantom


def cohort(folder: Path, name: str, films: list[np.ndarray], split: list[str]) -> Cohort:
    with CohortWriter(folder, films[0].shape[0], [], [], {"dataset": name}) as writer:
        for number, (film, side) in enumerate(zip(films, split)):
            names = {"image_id": f"{name}-{number}", "patient_id": f"{name}-p{number}", "split": side}
            writer.add(film, None, {**names, "sha256": pixels_sha256(film)})
    return Cohort.open(folder)


def command(root: Path, *learned_from: Path) -> list[str]:
    places = [f"{name}={root / name / 'cohort'}" for name in ("mine", "other")]
    return [
        *["--dataset", "mine", "--arm", "original", "--cohorts", *places, "--config", json.dumps(SETTINGS)],
        *["--learned", *map(str, learned_from), "--out", str(root / "out.csv"), "--hits", str(root / "hits.csv")],
    ]


def prepared(root: Path, leaked: bool) -> Path:
    """Write two cohorts with their pictures and a model that learned from one; return its folder."""
    cohort(root / "mine" / "cohort", "mine", [phantom(n) for n in range(8)], ["test"] * 4 + ["train"] * 4)
    films = [CHANGES["mirrored"](phantom(n)) if leaked else phantom(n + 100) for n in range(4)]
    other = cohort(root / "other" / "cohort", "other", films, ["train"] * 4)
    for name in ("mine", "other"):
        reduce_films.main(["--cohort", str(root / name / "cohort"), "--out", str(root / name / "reduced.npy")])
    (root / "model").mkdir()
    write_learned(root / "model", [films_learned(other, np.arange(4), "base")])
    return root / "model"


def test_the_command_writes_the_table(tmp_path: Path) -> None:
    model = prepared(tmp_path, leaked=False)
    (tmp_path / "hits.csv").write_text("of an earlier run")
    check_leakage.main(command(tmp_path, model))
    assert (tmp_path / "out.csv").read_text().startswith(",".join(COLUMNS)) and not (tmp_path / "hits.csv").exists()
    assert set(pd.read_csv(tmp_path / "out.csv")["verdict"]) == {"clean"}


def test_a_hit_stops_the_command_with_one_line_and_the_table(tmp_path: Path) -> None:
    model = prepared(tmp_path, leaked=True)
    with pytest.raises(InputError) as caught:
        check_leakage.main(command(tmp_path, model))
    line = str(caught.value)
    assert "\n" not in line and "4 of 4 among 4 films of other (role base)" in line and "near-duplicate" in line
    assert "mirrored" in line and str(tmp_path / "hits.csv") in line and "leakage.allow" in line
    assert not (tmp_path / "out.csv").exists() and len(pd.read_csv(tmp_path / "hits.csv")) == 6


def test_the_command_says_of_a_model_without_a_list_that_nothing_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = prepared(tmp_path, leaked=False)
    (model / LIST).unlink()
    check_leakage.main(command(tmp_path, model))
    table = pd.read_csv(tmp_path / "out.csv")
    assert table.set_index("role")["verdict"].to_dict() == {"model": "not known", "training": "clean"}
    assert "role model: not known" in capsys.readouterr().err
    write_learned(model, [not_known("base").iloc[:0]])
    with pytest.raises(InputError, match="model: its learned_from.parquet has no row; list the films that taught it"):
        check_leakage.main(command(tmp_path, model))


@pytest.mark.parametrize("content", [b"", b"no array", "short"])
def test_damaged_pictures_end_with_one_line(tmp_path: Path, content: Any) -> None:
    model = prepared(tmp_path, leaked=False)
    if content == "short":
        np.save(tmp_path / "other" / "reduced.npy", np.zeros((3, 64, 64), np.uint8))
    else:
        (tmp_path / "other" / "reduced.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"other/reduced.npy: .*make it anew with reduce_films") as caught:
        check_leakage.main(command(tmp_path, model))
    assert "\n" not in str(caught.value)


def test_a_film_that_is_listed_twice(tmp_path: Path) -> None:
    model = prepared(tmp_path, leaked=False)
    index = tmp_path / "other" / "cohort" / "index.parquet"
    pd.read_parquet(index).assign(image_id="same").to_parquet(index)
    with pytest.raises(InputError, match="other/cohort/index.parquet: film same is listed twice"):
        check_leakage.main(command(tmp_path, model))


def test_a_wrong_name_of_a_cohort(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected NAME=FOLDER"):
        check_leakage.main(
            ["--dataset", "a", "--arm", "b", "--cohorts", "results/a", "--config", "{}", "--out", "o", "--hits", "h"]
        )
