"""Experts are validated on real films before they vote; votes are counted by hand here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts import vote_pool
from scripts.lib.core.errors import InputError
from scripts.lib.fidelity.expert_files import read_expert
from scripts.lib.fidelity.experts import (
    NORMAL,
    Expert,
    Scores,
    of_copies,
    of_labels,
    of_masks,
    of_realism,
    validate,
    vote,
)
from scripts.lib.fidelity.voting import acceptance, check_rule, count_votes, keep_voted, validate_all, votes_table
from tests.helpers.fidelity_films import as_table, films, write_store

NAN = float("nan")


def found(asked: list[list[float]], seen: list[list[float]], *labels: str) -> pd.DataFrame:
    """Return findings of labels, an image a row."""
    count = len(asked)
    table = pd.DataFrame({"image_id": [f"i{n}" for n in range(count)], "group": [f"p{n}" for n in range(count)]})
    for place, name in enumerate(labels):
        table[f"asked_{name}"] = [row[place] for row in asked]
        table[f"found_{name}"] = [row[place] for row in seen]
    return table


def real_films(label: str = "edema", count: int = 20) -> pd.DataFrame:
    """Return films with probabilities .51, .52 ... with the label, and .01, .02 ... without."""
    asked = [[1.0]] * count + [[0.0]] * count
    seen = [[0.51 + n / 100] for n in range(count)] + [[0.01 + n / 100] for n in range(count)]
    return found(asked, seen, label)


def scores(score: list[list[float]], asked: list[list[float]], *subjects: str) -> Scores:
    return Scores(subjects, np.array(asked), np.array(score), np.arange(len(score)).astype(str))


def test_the_threshold_is_what_nine_of_ten_real_films_pass() -> None:
    images = found([[1.0], [1.0], [0.0], [0.0]], [[0.52], [0.51], [0.18], [0.30]], "edema")
    expert = of_labels("classifier", real_films(), images, ["edema"])
    table = validate(expert, 0.9, 0.5).set_index("subject")
    # Of 20 films the threshold is number floor(19 x .1) = 1 from below, .52: 19 of 20 pass, and no film without it does.
    assert table.loc["edema", "threshold"] == pytest.approx(0.52) and table.loc["edema", "accepts"] == 0.95
    assert table["auroc"].iloc[0] == table["refuses"].iloc[0] == 1.0 and table["votes"].all()
    # Suspicion of a normal film is the share of the 20 normal ones below it: 0, .05 ... .95, of which .9 is still passed.
    assert table.loc[NORMAL, "threshold"] == pytest.approx(-0.9)
    # .18 is above 17 of the 20 (.01 ... .17), .30 above all of them.
    assert vote(expert, table.reset_index()).tolist() == [1.0, 0.0, 1.0, 0.0]


def test_an_expert_below_its_floor_has_no_vote_and_says_why() -> None:
    real = real_films()
    real["found_edema"] = np.tile([0.4, 0.6], 20)
    images = found([[1.0]], [[0.9]], "edema")
    expert = of_labels("classifier", real, images, ["edema"])
    row = validate(expert, 0.9, 0.5).iloc[0]
    assert not row["votes"] and row["auroc"] == 0.5 and "does not tell real films: AUROC 0.500" in row["note"]
    assert np.isnan(vote(expert, validate(expert, 0.9, 0.5))).all()
    few = validate(of_labels("classifier", real_films(count=19), images, ["edema"]), 0.9, 0.5).iloc[0]
    assert not few["votes"] and few["note"] == "19 real films with it and 19 without, fewer than 20"
    # It tells them (AUROC above .5), but nine of ten films with it reach down to where all others lie.
    weak = real_films(count=40)
    weak.loc[:7, "found_edema"] = 0.0
    row = validate(of_labels("classifier", weak, images, ["edema"]), 0.9, 0.5).iloc[0]
    assert row["low"] > 0.5 and row["threshold"] == 0.0 and not row["votes"] and "refuses no real film" in row["note"]
    with pytest.raises(InputError, match="expert classifier: edema was not validated"):
        vote(expert, pd.DataFrame({"expert": [], "subject": []}))


def test_several_labels_must_all_pass_and_an_absent_score_is_no_vote() -> None:
    rows = pd.DataFrame(
        {"expert": "e", "subject": ["a", "b", "c"], "votes": [True, True, False], "threshold": [0.5, 0.5, NAN]}
    )
    asked: list[list[float]] = [[1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 1], [1, 0, 0], [0, 0, 0], [NAN, 1, 0]]
    score: list[list[float]] = [
        [0.6, 0.5, 0],
        [0.6, 0.4, 0],
        [0.6, 0, 0.9],
        [0.4, 0, 0.9],
        [NAN, 0, 0],
        [0.9, 0.9, 0.9],
        [0.1, 0.7, 0],
    ]
    own = scores(score, asked, "a", "b", "c")
    # Both pass; b fails; c may not vote; a fails whatever c says; no score; nothing to show; a is not asked for.
    expected = [1.0, 0.0, NAN, 0.0, NAN, NAN, 1.0]
    np.testing.assert_array_equal(vote(Expert("e", own, own), rows), expected)


def test_a_segmenter_must_tell_its_own_mask_from_others() -> None:
    count = 40
    shown = np.repeat([1, 0], count // 2)
    real = pd.DataFrame(
        {"group": np.arange(count).astype(str), "asked": shown * 50, "found": shown * 50 + np.arange(count)}
    )
    real["dice"] = np.where(shown, 0.6 + np.arange(count) / 100, NAN)
    real["by_chance"] = np.where(shown, 0.2, NAN)
    images = pd.DataFrame({"group": ["a", "b", "c", "d"], "asked": [9, 9, 0, 0], "found": [9, 9, 25, 39], "dice": [0.61, 0.6, NAN, NAN], "by_chance": 0.1})  # fmt: skip
    expert = of_masks("segmenter", real, images, "heart")
    table = validate(expert, 0.9, 0.5)
    # Dice .60 ... .79: all but one reach .61. Without a heart 20 ... 39 pixels are found: all but one find at most 38.
    assert table["subject"].tolist() == ["heart", "no heart"]
    assert table["threshold"].tolist() == pytest.approx([0.61, -38.0]) and table["votes"].all()
    assert vote(expert, table).tolist() == [1.0, 0.0, 1.0, 0.0]
    real["by_chance"] = real["dice"]
    blind = validate(of_masks("segmenter", real, images, "heart"), 0.9, 0.5)
    assert blind["auroc"].iloc[0] == pytest.approx(0.5) and not blind["votes"].iloc[0]


def test_copies_and_looks() -> None:
    held = pd.DataFrame({"kind": "held-out", "patient_id": [f"p{n}" for n in range(200)], "similarity": np.linspace(0.1, 0.5, 200)})  # fmt: skip
    planted = pd.DataFrame({"kind": "exact", "patient_id": [f"q{n}" for n in range(30)], "similarity": 1.0})
    expert = of_copies("copy", pd.concat([held, planted], ignore_index=True), np.array([0.2, 0.97, NAN]), 99)
    np.testing.assert_array_equal(vote(expert, validate(expert, 0.9, 0.5)), [1.0, 0.0, NAN])
    real = real_films("real")
    looks = of_realism("realism", real, found([[1.0], [1.0]], [[0.6], [0.1]], "real"))
    assert vote(looks, validate(looks, 0.9, 0.5)).tolist() == [1.0, 0.0]


def test_k_of_n_and_must() -> None:
    votes = {"a": np.array([1, 1, 0, NAN, 1]), "b": np.array([1, 0, 1, 1, NAN]), "c": np.array([0, 0, 1, 1, 1.0])}
    # Yes: 2, 1, 2, 2, 2 of 3; with a: the third says no and the fourth nothing.
    assert count_votes(votes, 2, []).tolist() == [True, False, True, True, True]
    assert count_votes(votes, 2, ["a"]).tolist() == [True, False, False, False, True]
    assert count_votes(votes, 3, []).tolist() == [False] * 5
    table = votes_table(pd.Series(list("vwxyz")), votes, count_votes(votes, 2, ["a"]))
    assert table.columns.tolist() == ["image_id", "a", "b", "c", "yes", "kept"] and table["yes"].tolist() == [
        2,
        1,
        2,
        2,
        2,
    ]
    assert table["a"].isna().tolist() == [False, False, False, True, False] and table["a"].dtype == "boolean"


def test_rules_that_cannot_be_met_are_one_line() -> None:
    with pytest.raises(InputError, match="experts.names: a is named twice"):
        check_rule(["a", "a"], 1, [])
    with pytest.raises(InputError, match="experts.need = 3, but experts.names has 2"):
        check_rule(["a", "b"], 3, [])
    with pytest.raises(InputError, match="experts.must: c is not in experts.names"):
        check_rule(["a", "b"], 1, ["c"])
    blind = real_films()
    blind["found_edema"] = 0.5
    images = found([[1.0]], [[0.9]], "edema")
    both = [of_labels("a", real_films(), images, ["edema"]), of_labels("b", blind, images, ["edema"])]
    assert set(validate_all(both, 0.9, 0.5, 1, ["a"])["expert"]) == {"a", "b"}
    with pytest.raises(InputError, match="experts.need = 2, but 1 of 2 experts may vote .b: does not tell real films"):
        validate_all(both, 0.9, 0.5, 2, [])
    with pytest.raises(InputError, match="experts.must: b may not vote .* take it out of experts.must"):
        validate_all(both, 0.9, 0.5, 1, ["b"])


def pool_index(labels: list[tuple[int, int]]) -> pd.DataFrame:
    names = [f"i{place}" for place in range(len(labels))]
    table = pd.DataFrame(
        {"image_id": names, "condition_id": names, "sample": 0, "trial": 0, "position": range(len(labels))}
    )
    return table.assign(edema=[one for one, _ in labels], mass=[two for _, two in labels])


def test_what_is_kept_and_what_is_accepted() -> None:
    index = pool_index([(1, 0), (0, 0), (1, 1), (1, 0), (0, 0)])
    votes = {"a": np.array([0, 1, 0, 1, 1.0]), "b": np.array([1, 1, NAN, 1, 0])}
    chosen = count_votes(votes, 2, [])
    kept = keep_voted(index, ["edema", "mass"], chosen, votes)
    # The one image with both findings is refused, so its kind is left out; the second edema moves up to the first's place.
    assert kept["image_id"].tolist() == ["i3", "i1"] and kept["score"].tolist() == [1.0, 1.0]
    assert kept["position"].tolist() == [0, 1] and kept["source_position"].tolist() == [3, 1]
    sides = np.array(["left", "none", "both", "left", "none"], object)
    cell = {"dataset": "d", "arm": "m", "fraction": "1"}
    table = acceptance(index, ["edema", "mass"], sides, votes, chosen, cell)
    rows: dict[Any, Any] = {(one["expert"], one["by"], one["value"]): one for one in table.to_dict("records")}

    def counts(*key: str) -> list[int]:
        return [rows[key][name] for name in ("images", "voted", "accepted")]

    # b is silent on the image with both findings: 4 votes, 3 yes; of 3 images with edema it votes on 2, both yes.
    assert counts("b", "all", "all") == [5, 4, 3] and counts("b", "label", "edema") == [3, 2, 2]
    assert counts("a", "label", "normal") == [2, 2, 2] and counts("a", "side", "left") == [2, 2, 1]
    assert counts("kept", "findings", "1") == [2, 2, 1] and counts("kept", "findings", "2") == [1, 1, 0]
    assert np.isnan(rows["b", "findings", "2"]["share"]) and rows["b", "all", "all"]["share"] == 0.75
    with pytest.raises(InputError, match="trial 0: no image has enough votes .yes: a 60%, b 60%.; lower experts.need"):
        keep_voted(index, ["edema", "mass"], np.zeros(5, bool), votes)


def test_the_command_keeps_what_two_experts_agree_on(tmp_path: Path) -> None:
    pool = write_store(tmp_path / "pool", films(40, "experts"), ["train"] * 40, "i", True)
    asked = [[float(place % 2)] for place in range(40)]
    good = found(asked, [[0.9 if one else 0.05] for (one,) in asked], "pneumonia")
    good.loc[:4, "found_pneumonia"] = 0.3  # i0 ... i4: no pneumonia to be seen, and too much for a normal film
    good.to_parquet(tmp_path / "images.parquet")
    (tmp_path / "judge").mkdir()
    real_films("pneumonia").assign(image_id=lambda t: "f" + t["image_id"]).to_parquet(tmp_path / "judge" / "held.parquet")  # fmt: skip
    looks = found([[1.0]] * 40, [[0.6]] * 39 + [[0.0]], "real")
    looks.to_parquet(tmp_path / "looks.parquet")
    real_films("real").to_parquet(tmp_path / "real.parquet")
    tables = ("experts.csv", "acceptance.csv", "agreement.csv", "diversity.csv")
    out = {name: tmp_path / name for name in ("votes.parquet", *tables, "voted.parquet")}
    words = ["--pool", str(pool), "--dataset", "toy", "--arm", "mine", "--fraction", "1"]
    words += ["--expert", "classifier", str(tmp_path / "images.parquet"), str(tmp_path / "judge")]
    words += ["--expert", "realism", str(tmp_path / "looks.parquet"), str(tmp_path / "real.parquet")]
    words += ["--votes", str(out["votes.parquet"]), "--validation", str(out["experts.csv"])]
    words += ["--acceptance", str(out["acceptance.csv"]), "--agreement", str(out["agreement.csv"])]
    words += ["--diversity", str(out["diversity.csv"]), "--seed", "1", "--out", str(out["voted.parquet"])]
    settings = '{"need": 2, "must": ["realism"], "accept": 0.9, "floor": 0.5, "diversity": {"images": 9, "pairs": 9}}'
    vote_pool.main([*words, "--config", settings])
    kept = pd.read_parquet(out["voted.parquet"])
    assert set(kept["image_id"]) == {f"i{place}" for place in range(5, 39)}
    votes = pd.read_parquet(out["votes.parquet"]).set_index("image_id")
    assert votes.columns.tolist() == ["classifier", "realism", "yes", "kept"] and votes.loc["i39", "yes"] == 1
    assert not votes.loc["i0", "classifier"] and votes["kept"].sum() == len(kept) == 34
    told = as_table(out["experts.csv"])
    assert told["votes"].all() and told["subject"].tolist() == ["pneumonia", "normal", "real"]
    accepted = as_table(out["acceptance.csv"])
    assert set(accepted["by"]) == {"all", "label", "side", "findings"} and set(accepted["dataset"]) == {"toy"}
    # The classifier refuses i0 to i4, realism i39: they agree on the other 34 of 40.
    agreed = as_table(out["agreement.csv"])
    assert agreed[["expert", "other", "images", "both", "neither"]].values.tolist() == [
        ["classifier", "realism", 40, 34, 0]
    ]
    diverse = as_table(out["diversity.csv"]).set_index("label")
    assert diverse.loc["all", ["images", "kept", "compared"]].tolist() == [40, 34, 9]
    with pytest.raises(InputError, match="experts.need = 3, but experts.names has 2"):
        vote_pool.main([*words, "--config", settings.replace(": 2", ": 3")])
    with pytest.raises(InputError, match="the segmenter is a judge of masks"):
        read_expert("segmenter", tmp_path / "images.parquet", tmp_path / "judge", pd.Series(["i0"]))
    with pytest.raises(InputError, match="expert oracle: unknown; known are classifier"):
        read_expert("oracle", tmp_path / "images.parquet", tmp_path / "judge", pd.Series(["i0"]))
