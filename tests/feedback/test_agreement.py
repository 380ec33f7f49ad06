"""Agreement of raters: alpha and ICC against tables of their authors, raters one by one, and results that have a name."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from scripts import measure_agreement
from scripts.lib.feedback.agreement import alpha, alpha_interval, icc_interval
from scripts.lib.feedback.agreement_raters import describe_raters
from scripts.lib.feedback.log import Rating, RatingLog
from tests.feedback.test_preferences import study

NAN = float("nan")


def agreement(folder, common):
    """Run the command, where any warning fails; return the table's rows of aspect text, and the raters."""
    outs = [
        x
        for n, e in (("table", "csv"), ("raters", "csv"), ("figure", "png"))
        for x in (f"--out-{n}", f"{folder}/{n}.{e}")
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
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


def test_all_tied_is_a_named_result(tmp_path):
    table, _ = agreement(tmp_path, study(tmp_path, lambda r, k, i: 3))
    assert table["note"].str.contains("all scores are equal").all() and table["value"].isna().all()


def test_alpha_by_hand():
    """Units (1,1), (2,2), (1,2): coincidences o11 = o22 = 2, o12 = o21 = 1, n1 = n2 = 3, and the ordinal distance
    (6 - 3)^2 = 9. Observed 2 * 9 / 6 = 3, expected 2 * 3 * 3 * 9 / 30 = 5.4; alpha = 1 - 3 / 5.4."""
    assert alpha(pd.DataFrame([[1, 1], [2, 2], [1, 2]])) == pytest.approx(1 - 3 / 5.4)


def test_alpha_of_krippendorff_2011():
    """Four observers, twelve units, missing values: 0.815 for ordinal data."""
    a = [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN]
    b = [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3]
    c = [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN]
    d = [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN]
    assert alpha(pd.DataFrame({"a": a, "b": b, "c": c, "d": d})) == pytest.approx(0.815, abs=5e-4)


def test_icc_of_shrout_and_fleiss_1979():
    scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert icc_interval(pd.DataFrame(scores))["value"] == pytest.approx(0.62, abs=0.001)


def scores_of_sets(number, seed):
    stream = np.random.default_rng(seed)
    places = pd.MultiIndex.from_product([[f"s{k}" for k in range(number)], range(4)])
    true = stream.integers(0, 6, len(places))
    raters = {name: np.clip(true + stream.integers(-1, 2, len(places)), 0, 5) for name in "abc"}
    return pd.DataFrame(raters, index=places).astype(float)


def test_the_interval_holds_the_value_and_depends_on_the_seed_alone():
    table = scores_of_sets(12, 1)
    found = alpha_interval(table, 200, 1)
    assert found["ci_low"] < found["value"] < found["ci_high"] and found == alpha_interval(table, 200, 1)
    assert found["ci_low"] != alpha_interval(table, 200, 2)["ci_low"]
    wide = alpha_interval(table.iloc[:16], 200, 1)  # four sets say less than twelve
    assert wide["ci_high"] - wide["ci_low"] > found["ci_high"] - found["ci_low"]
    assert alpha_interval(table.iloc[:4], 200, 1)["note"] == "no interval: one set only"


@pytest.mark.parametrize(
    ("scores", "note"),
    [
        ([[3, 3], [3, 3]], "all scores are equal"),
        ([[5, 1], [5, 1]], "the images do not differ"),
        ([[1, 2]], "fewer than two images"),
        ([[1, NAN, 2], [NAN, 3, 4]], "fewer than two images"),
    ],
)
def test_an_icc_that_cannot_be_has_a_reason(scores, note):
    found = icc_interval(pd.DataFrame(scores, dtype=float))
    assert note in found["note"] and np.isnan(found["value"])


def test_perfect_agreement_is_one_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = icc_interval(pd.DataFrame([[0, 0, 0], [3, 3, 3], [5, 5, 5]], dtype=float))
    assert found["value"] == 1 and found["note"] == "no interval: the raters agree perfectly"


def test_raters_who_differ_by_a_shift_have_a_value_and_no_interval():
    """Images 1.5, 2.5, 3.5: MS of rows 2, of columns 1.5, of residuals 0; ICC(2,k) = 2 / (2 + 1.5 / 3) = 0.8."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = icc_interval(pd.DataFrame([[1, 2], [2, 3], [3, 4]], dtype=float))
    assert found["value"] == pytest.approx(0.8) and "differ by the same" in found["note"]


def write_ratings(folder, scores, kinds=("text", "text")):
    """A log of (rater, set number, image, aspect, score[, role]); places in the order in which a rater meets a set."""
    names = [f"set-{k}" for k in range(len(kinds))]
    frame = pd.DataFrame({"set_id": names, "kind": kinds, "prompt": "edema", "mask_source": None})
    frame.assign(condition_id=names).to_parquet(folder / "sets.parquet")
    raters = sorted({one[0] for one in scores} | {"nobody"})
    pd.DataFrame({"rater": raters}).to_parquet(folder / "assignments.parquet")
    log, places = RatingLog(folder / "log.jsonl"), {}
    (folder / "log.jsonl").touch()
    for rater, number, image, aspect, score, role in ((*one, "shared")[:6] for one in scores):
        own = places.setdefault(rater, {})
        place = own.setdefault((number, role), len(own))
        log.append(Rating(rater, names[number], role, place, image, aspect, score))
    tables = ["--sets", f"{folder}/sets.parquet", "--assignments", f"{folder}/assignments.parquet"]
    return ["--ratings", f"{folder}/log.jsonl", *tables, "--seed", "1"]


def test_raters_of_different_sets_share_nothing(tmp_path):
    scores = [(rater, k, i, "text", i + k) for k, rater in enumerate(("ann", "bob")) for i in range(4)]
    table, raters = agreement(tmp_path, write_ratings(tmp_path, scores))
    assert table["note"].str.contains("no image was scored by two raters").all() and set(table["sets"]) == {0}
    assert raters["severity"].isna().all() and raters["note"].str.contains("no image shared with another").all()
    assert raters["drift"].isna().all()  # one set each


def test_a_log_without_a_score_is_a_table_of_reasons(tmp_path):
    table, raters = agreement(tmp_path, write_ratings(tmp_path, []))
    assert len(table) == 2 and table["value"].isna().all() and raters.empty
    assert table["note"].str.contains("no image was scored by two raters").all()


def test_everything_5_from_all_raters_has_a_name(tmp_path):
    scores = [(rater, k, i, "text", 5) for rater in ("ann", "bob") for k in range(2) for i in range(4)]
    table, raters = agreement(tmp_path, write_ratings(tmp_path, scores))
    assert table["note"].str.contains("all scores are equal").all()
    assert raters["note"].str.contains("rates everything 5").all() and raters["severity"].eq(0).all()
    assert raters["drift"].eq(0).all() and raters["spread"].eq(0).all()


def test_an_aspect_that_nobody_scored_has_a_reason_and_the_other_a_value(tmp_path):
    """Mask sets alone: text is empty; of the mask scores one rater left out half."""
    scores = [("ann", k, i, "mask", i) for k in range(2) for i in range(4)]
    scores += [("bob", 0, i, "mask", i) for i in range(4)]
    text, _ = agreement(tmp_path, write_ratings(tmp_path, scores, ("mask", "mask")))
    table = pd.read_csv(tmp_path / "table.csv")
    mask = table[table["aspect"] == "mask"]
    assert len(text) == 2 and text["value"].isna().all() and set(text["images"]) == {0}
    assert (
        mask["value"].tolist() == [1, 1, 1, 1] and set(mask["kind"]) == {"all", "mask"} and set(mask["images"]) == {4}
    )
    assert mask.loc[mask["measure"] == "alpha", "note"].str.contains("one set only").all()


def test_repeats_and_controls_do_not_count_as_agreement(tmp_path):
    """Both agree perfectly on set 0; what they gave it the second time, and the films of set 1, is another matter."""
    scores = [(rater, 0, i, "text", i) for rater in ("ann", "bob") for i in range(4)]
    scores += [("ann", 0, i, "text", 3 - i, "repeat") for i in range(4)]
    scores += [(rater, 1, i, "text", s, "control") for rater, s in (("ann", 5), ("bob", 0)) for i in range(4)]
    table, raters = agreement(tmp_path, write_ratings(tmp_path, scores, ("text", "control")))
    assert table["value"].eq(1).all() and set(table["kind"]) == {"all", "text"}
    ann, bob = raters.to_dict("records")
    # |0-3|, |1-2|, |2-1|, |3-0|: 2 on average, none equal
    assert (ann["self_pairs"], ann["self_exact"], ann["self_difference"]) == (4, 0, 2) and bob["self_pairs"] == 0
    assert (ann["control_mean"], bob["control_mean"]) == (5, 0) and ann["severity"] == bob["severity"] == 0


def test_the_command_gives_the_same_bytes_for_any_order_of_the_lines(tmp_path):
    common, written = study(tmp_path, lambda r, k, i: (i + k + (r == "bob" and i % 2)) % 6), []
    for step in (1, -1):
        lines = (tmp_path / "log.jsonl").read_text().splitlines()[::step]
        (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
        agreement(tmp_path, common)
        written.append([(tmp_path / name).read_bytes() for name in ("table.csv", "raters.csv", "figure.png")])
    assert written[0] == written[1]


def test_raters_by_hand():
    """ann: 1 then 5 of one image of set a (self-difference 4), drift from place 0 (mean 2) to place 1 (mean 4) = 2;
    against bob, who gave the same images 3 and 5: severity ((3 - 1) + (5 - 3)) / 2 = 2. Controls: (5 + 4) / 2."""
    rows = [
        ("ann", "a", "shared", 0, 0, 1),
        ("ann", "a", "shared", 0, 1, 3),
        ("ann", "b", "own", 1, 0, 4),
        ("ann", "a", "repeat", 2, 0, 5),
        ("ann", "c", "control", 3, 0, 5),
        ("ann", "c", "control", 3, 1, 4),
        ("bob", "a", "shared", 0, 0, 3),
        ("bob", "a", "shared", 0, 1, 5),
    ]
    scored = pd.DataFrame(rows, columns=["rater", "set_id", "role", "place", "image", "score"])
    ann, bob = describe_raters(scored.assign(aspect="text", kind="text")).to_dict("records")
    assert (ann["scores"], ann["severity"], bob["severity"]) == (3, 2, -2)
    assert ann["drift"] == pytest.approx(2) and np.isnan(bob["drift"])
    assert (ann["self_pairs"], ann["self_exact"], ann["self_difference"]) == (1, 0, 4)
    assert (ann["control_scores"], ann["control_mean"]) == (2, 4.5)
    assert bob["note"] == "self-agreement not measurable: nothing rated twice; no control rated"
    # The same scores as of masks (ann's two controls apart): bob gave one with the outline off, and of one nothing is known.
    masks = scored.assign(aspect="mask", kind="mask", outline_seen=[True] * 6 + [False, None])
    ann, bob = describe_raters(masks).to_dict("records")
    assert (ann["mask_scores"], ann["mask_unseen"], bob["mask_scores"], bob["mask_unseen"]) == (4, 0, 2, 1)
    assert (
        bob["note"].endswith("1 of 2 mask scores given without a look at the outline") and "outline" not in ann["note"]
    )
