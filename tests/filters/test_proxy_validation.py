"""Validation of the proxy model on real films, and the refusal of labels that it cannot tell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng
from scripts.lib.filters.proxy.usable import read_validation, refuse_unusable
from scripts.lib.filters.proxy.validation import auroc_interval, truth_of
from scripts.validate_proxy import main
from tests.helpers.proxy_models import PROXY, write_model, write_pool


def test_interval_of_two_patients() -> None:
    # Patient a: a positive above its negative (AUROC 1 alone). Patient b: the reverse (0). Drawn twice each, the other
    # draws a+a -> 1, b+b -> 0, a+b -> the four pairs .9>.5, .9>.4, .1<.5, .1<.4 = 2/4: so the interval is [0, 1].
    truth = np.array([True, False, True, False])
    scores = np.array([0.9, 0.5, 0.1, 0.4])
    patients = np.array(["a", "a", "b", "b"])
    assert auroc_interval(truth, scores, patients, 200, rng(1)) == (0.0, 1.0)


def test_interval_of_perfect_and_of_tied_scores() -> None:
    truth = np.array([True, False] * 4)
    one_each = np.arange(8)
    assert auroc_interval(truth, truth.astype(float), one_each, 100, rng(1)) == (1.0, 1.0)
    assert auroc_interval(truth, np.zeros(8), one_each, 100, rng(1)) == (0.5, 0.5)  # ties count half


def test_interval_depends_on_patients_not_on_films() -> None:
    truth, scores = np.array([True, False] * 10), rng("s").random(20)
    once = auroc_interval(truth, scores, np.arange(20), 300, rng(1))
    copies = auroc_interval(np.tile(truth, 5), np.tile(scores, 5), np.tile(np.arange(20), 5), 300, rng(1))
    assert copies == pytest.approx(once)  # five copies of each film in the same patient: no more certain


def test_interval_where_no_draw_holds_both_classes() -> None:
    low, high = auroc_interval(np.array([True, False]), np.array([1.0, 0.0]), np.array([0, 1]), 1, rng("one class"))
    assert np.isnan([low, high]).all() or (low, high) == (1.0, 1.0)


def test_normal_is_true_without_any_label(tmp_path: Path) -> None:
    cohort = write_pool(tmp_path, 6)
    assert truth_of(cohort, "normal").tolist() == [0, 0, 1, 0, 0, 1]
    cohort.index.loc[2, "edema"] = pd.NA
    cohort.index.loc[1, "edema"] = pd.NA
    truth = truth_of(cohort, "normal")
    assert pd.isna(truth[2])  # unknown
    assert truth[1] == 0  # pneumonia: not normal whatever the other is
    assert truth_of(cohort, "effusion") is None


def test_the_command(tmp_path: Path) -> None:
    cohort = write_pool(tmp_path / "cohort", 12)
    assert len(cohort)
    settings = {**PROXY, "prompts": {**PROXY["prompts"], "effusion": "effusion"}}
    arguments = ["--model", write_model(tmp_path / "model"), "--cohort", str(tmp_path / "cohort"), "--split", "train"]
    arguments += ["--config", json.dumps(settings), "--seed", "1", "--out"]
    for name in "ab":
        main([*arguments, str(tmp_path / name)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    table = read_validation(tmp_path / "a").set_index("label")
    assert table.loc["effusion", "note"] == "no such label here"
    assert not table.loc["effusion", "usable"]
    assert table.loc["edema", ["films", "positive", "patients"]].tolist() == [12, 4, 12]
    assert (table["ci_low"].dropna() <= table["auroc"].dropna()).all()
    main([*arguments, str(tmp_path / "noted"), "--note", "seen by trials"])
    notes = read_validation(tmp_path / "noted").set_index("label")["note"]
    assert notes["edema"] == "seen by trials" and notes["effusion"] == "no such label here; seen by trials"
    with pytest.raises(InputError, match="no film of split other"):
        main([*arguments[:4], "--split", "other", *arguments[6:], str(tmp_path / "c")])


def test_one_class_only_says_so(tmp_path: Path) -> None:
    write_pool(tmp_path / "cohort", 1)
    arguments = ["--model", write_model(tmp_path / "model"), "--cohort", str(tmp_path / "cohort"), "--split", "train"]
    main([*arguments, "--config", json.dumps(PROXY), "--seed", "1", "--out", str(tmp_path / "v.csv")])
    table = read_validation(tmp_path / "v.csv").set_index("label")
    assert table.loc["edema", "note"] == "one class only: every film has it"
    assert table.loc["pneumonia", "note"] == "one class only: no film has it"
    assert table["auroc"].isna().all()
    assert not table["usable"].any()


def table_of(**changes: object) -> pd.DataFrame:
    row = {"label": "edema", "ranked_by": "cosine", "auroc": 0.6, "ci_low": 0.48, "ci_high": 0.7, "note": ""}
    return pd.DataFrame([{**row, "usable": False, **changes}])


def test_an_unusable_label_is_refused() -> None:
    source = Path("validation.csv")
    with pytest.raises(InputError, match="edema.*AUROC 0.600.*0.480 to 0.700.*allow_unvalidated") as error:
        refuse_unusable(table_of(), ["edema"], "cosine", False, source)
    assert "\n" not in str(error.value)
    refuse_unusable(table_of(), ["edema"], "cosine", True, source)
    refuse_unusable(table_of(usable=True), ["edema"], "cosine", False, source)
    with pytest.raises(InputError, match="pneumonia.*not validated"):
        refuse_unusable(table_of(usable=True), ["edema", "pneumonia"], "cosine", False, source)
    with pytest.raises(InputError, match="rank_by cosine, but margin"):
        refuse_unusable(table_of(usable=True), ["edema"], "margin", False, source)


def test_another_table_is_no_validation(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="columns"):
        read_validation(tmp_path / "t.csv")
    with pytest.raises(InputError, match="no such table"):
        read_validation(tmp_path / "nothing.csv")
