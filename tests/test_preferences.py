"""Ratings to pairs, and the agreement of raters, from real logs."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from scripts import build_preferences, measure_agreement
from scripts.lib.feedback.agreement import icc_interval
from scripts.lib.feedback.log import Rating, RatingLog

RULE = {"pairs": "all", "margin": 2, "raters": "combined", "combine": "mean", "heldout": 0.25}


def study(folder, scores, raters=("ann", "bob")):
    """`scores(rater, set, image)`: four text sets rated by all."""
    names = [f"set-{k}" for k in range(4)]
    frame = pd.DataFrame({"set_id": names, "kind": "text", "prompt": "edema", "mask_source": None})
    frame.assign(condition_id=names).to_parquet(folder / "sets.parquet")
    pd.DataFrame({"rater": raters}).to_parquet(folder / "assignments.parquet")
    log = RatingLog(folder / "log.jsonl")
    log.extend(
        Rating(r, n, "shared", k, i, "text", scores(r, k, i))
        for r in raters
        for k, n in enumerate(names)
        for i in range(4)
    )
    tables = ["--sets", f"{folder}/sets.parquet", "--assignments", f"{folder}/assignments.parquet"]
    return ["--ratings", f"{folder}/log.jsonl", *tables, "--seed", "1"]


def pairs(folder, common, **changes):
    outs = ["--out-train", f"{folder}/train.jsonl", "--out-heldout", f"{folder}/held.jsonl"]
    build_preferences.main([*common, "--config", json.dumps({**RULE, **changes}), *outs])
    return [[json.loads(x) for x in (folder / f"{n}.jsonl").read_text().splitlines()] for n in ("train", "held")]


def test_pairs_split_by_set_in_any_order_of_the_log(tmp_path):
    common = study(tmp_path, lambda r, k, i: (0, 1, 1, 4)[i])
    train, held = pairs(tmp_path, common)
    assert (len(train), len(held)) == (15, 5)  # 6 pairs a set less the tie of 1 and 1; 3 and 1 sets
    assert not {p["set_id"] for p in train} & {p["set_id"] for p in held}
    before = (tmp_path / "train.jsonl").read_bytes()
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    (tmp_path / "log.jsonl").write_text("\n".join(lines[::-1]) + "\n")
    pairs(tmp_path, common)
    assert (tmp_path / "train.jsonl").read_bytes() == before
    assert sum(map(len, pairs(tmp_path, common, pairs="margin"))) == 12  # 4-0, 4-1, 4-1 in 4 sets
    assert sum(map(len, pairs(tmp_path, common, pairs="best_worst"))) == 4
    assert sum(map(len, pairs(tmp_path, common, raters="each"))) == 40


def test_all_tied_is_a_named_result(tmp_path, capsys):
    common = study(tmp_path, lambda r, k, i: 3)
    assert pairs(tmp_path, common) == [[], []]
    assert "no pairs" in capsys.readouterr().err
    assert agreement(tmp_path, common)[0]["note"].str.contains("all scores are equal").all()


def agreement(folder, common):
    outs = [
        x
        for n, e in (("table", "csv"), ("raters", "csv"), ("figure", "png"))
        for x in (f"--out-{n}", f"{folder}/{n}.{e}")
    ]
    measure_agreement.main([*common, "--config", '{"bootstrap": 50}', *outs])
    assert (folder / "figure.png").stat().st_size
    table = pd.read_csv(folder / "table.csv")
    return table[table["aspect"] == "text"], pd.read_csv(folder / "raters.csv")


def test_agreement_perfect_one_rater_and_a_constant_rater(tmp_path):
    for name in ("same", "one", "five"):
        (tmp_path / name).mkdir()
    table, _ = agreement(tmp_path / "same", study(tmp_path / "same", lambda r, k, i: (i + k) % 6))
    assert table.loc[table["measure"] == "alpha", "value"].eq(1).all()
    table, raters = agreement(tmp_path / "one", study(tmp_path / "one", lambda r, k, i: i, ("ann",)))
    assert table["note"].str.contains("no image was scored by two raters").all()
    _, raters = agreement(tmp_path / "five", study(tmp_path / "five", lambda r, k, i: 5 if r == "bob" else i))
    # ann's mean is (0+1+2+3)/4 = 1.5 against 5
    assert raters["severity"].tolist() == [3.5, -3.5] and "rates everything 5" in raters["note"][1]


def test_icc_of_shrout_and_fleiss_1979():
    scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert icc_interval(pd.DataFrame(scores))["value"] == pytest.approx(0.62, abs=0.001)
