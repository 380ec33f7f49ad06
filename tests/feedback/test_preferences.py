"""Ratings to pairs, from real logs: which images are compared, by whom, and which sets are held out."""

from __future__ import annotations

import json
from collections import Counter

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts import build_preferences
from scripts.lib.core.errors import InputError
from scripts.lib.feedback.log import Rating, RatingLog, read_ratings
from scripts.lib.feedback.preferences import build_pairs, count_partial, read_pairs, split_pairs, split_parts

RULE = {"pairs": "all", "margin": 2, "raters": "combined", "combine": "mean", "heldout": 0.25, "report": 0.25}


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


PARTS = ("train", "heldout", "report")


def pairs(folder, common, **changes):
    outs = [word for part in PARTS for word in (f"--out-{part}", f"{folder}/{part}.jsonl")]
    build_preferences.main([*common, "--config", json.dumps({**RULE, **changes}), *outs])
    return [[json.loads(x) for x in (folder / f"{n}.jsonl").read_text().splitlines()] for n in PARTS]


def test_pairs_split_by_set_in_any_order_of_the_log(tmp_path):
    common = study(tmp_path, lambda r, k, i: (0, 1, 1, 4)[i])
    parts = pairs(tmp_path, common)
    assert [len(part) for part in parts] == [10, 5, 5]  # 6 pairs a set less the tie of 1 and 1; 2, 1 and 1 sets
    assert len({p["set_id"] for part in parts for p in part}) == 4
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
    assert pairs(tmp_path, common) == [[], [], []]
    assert "no pairs" in capsys.readouterr().err


def rated(*scores):
    """Latest ratings of set-0 from (rater, image, aspect, score[, role])."""
    columns = ["rater", "image", "aspect", "score", "role"]
    frame = pd.DataFrame([(*one, "shared")[:5] for one in scores], columns=columns)
    return frame.assign(set_id="set-0", place=frame.groupby(["rater", "role"], sort=False).ngroup())


SETS = pd.DataFrame({"set_id": ["set-0"], "kind": ["both"], "prompt": ["edema"], "mask_source": ["a"]}).assign(
    condition_id="c"
)


def sides(found):
    return [(p["winner"]["sample"], p["loser"]["sample"], p["winner"]["text"], p["loser"]["text"]) for p in found]


def test_a_half_rated_set_compares_images_by_the_raters_of_both():
    """ann is two points stricter than bob. Over all who rated, image 1 would have 5 against (1 + 3) / 2 = 2 of image 0."""
    half = rated(("ann", 0, "text", 1), ("bob", 0, "text", 3), ("bob", 1, "text", 5), ("ann", 2, "text", 4))
    assert sides(build_pairs(half, SETS, RULE)) == [(1, 0, 5.0, 3.0), (2, 0, 4.0, 1.0)]  # 1 and 2: no common rater


def test_repeats_are_averaged_and_controls_left_out():
    """(2 + 5) / 2 = 3.5 of image 0 beats (3 + 3) / 2 = 3 of image 1; a repeat that scored one image says nothing."""
    latest = rated(("ann", 0, "text", 2), ("ann", 0, "text", 5, "repeat"), ("ann", 1, "text", 3))
    controls = rated(("ann", 1, "text", 5, "control"), ("ann", 0, "text", 0, "control")).assign(place=9)
    assert sides(build_pairs(pd.concat([latest, controls]), SETS, RULE)) == [(1, 0, 3.0, 2.0)]
    whole = pd.concat([latest, rated(("ann", 1, "text", 3, "repeat")).assign(place=1), controls])
    assert sides(build_pairs(whole, SETS, RULE)) == [(0, 1, 3.5, 3.0)]
    assert build_pairs(whole.assign(role="shared"), SETS.assign(kind="control"), RULE) == []


def test_a_rater_who_saw_a_set_twice_counts_once():
    """ann: (0 + 1) / 2 against (1 + 2) / 2, bob 5 against 4: means (0.5 + 5) / 2 and (1.5 + 4) / 2 tie."""
    scores = [("ann", "shared", 0, 1), ("ann", "repeat", 1, 2), ("bob", "shared", 5, 4)]
    latest = rated(*((r, i, "text", s, role) for r, role, *both in scores for i, s in enumerate(both)))
    assert build_pairs(latest, SETS, RULE) == []
    assert [p["raters"] for p in build_pairs(latest, SETS, {**RULE, "raters": "each"})] == [["ann"], ["bob"]]


def test_a_pair_names_who_has_compared_its_images():
    half = rated(("ann", 0, "text", 1), ("ann", 1, "mask", 3), ("bob", 0, "text", 3), ("bob", 1, "text", 5))
    half = pd.concat([half, rated(("cat", 0, "mask", 0), ("cat", 1, "mask", 4)).assign(place=7)])
    (found,) = build_pairs(half, SETS, RULE)
    assert found["raters"] == ["bob", "cat"]  # ann has scored no aspect of both
    assert found["winner"] == {"sample": 1, "text": 5, "mask": 4} and found["loser"] == {
        "sample": 0,
        "text": 3,
        "mask": 0,
    }
    each = build_pairs(half, SETS, {**RULE, "raters": "each"})
    assert [(p["raters"], p["weight"], p["winner"]["text"]) for p in each] == [(["bob"], 0.5, 5), (["cat"], 0.5, None)]


def test_readings_without_some_score_are_counted_in_the_log(tmp_path, capsys):
    """Set 0 is `both`: bob lacks a mask score there, ann nothing; set 1 is `text`: cat lacks image 3."""
    kinds = SETS.assign(set_id="set-1", kind="text")
    whole = [("ann", i, aspect, i) for i in range(4) for aspect in ("text", "mask")]
    latest = rated(*whole, *(("bob", i, aspect, 1) for _, i, aspect, _ in whole[:-1]))
    latest = pd.concat([latest, rated(*(("cat", i, "text", i) for i in range(3))).assign(set_id="set-1")])
    assert count_partial(latest, pd.concat([SETS, kinds])) == (2, 3)
    assert count_partial(latest.iloc[:0], SETS) == (0, 0)
    pairs(tmp_path, study(tmp_path, lambda r, k, i: i))
    assert "8 readings of a set by a rater, 0 of them without some score" in capsys.readouterr().err


def test_one_margin_and_the_best_against_the_worst_by_hand():
    """Means 1, 2.5, 4, 4 of images 0 to 3. Two points apart: 2-0 and 3-0. Best against worst: the first of the equals."""
    latest = rated(
        *(("ann", i, "text", s) for i, s in enumerate((1, 2, 4, 4))),
        *(("bob", i, "text", s) for i, s in enumerate((1, 3, 4, 4))),
    )
    assert sides(build_pairs(latest, SETS, {**RULE, "pairs": "margin"})) == [(2, 0, 4, 1), (3, 0, 4, 1)]
    assert len(build_pairs(latest, SETS, {**RULE, "pairs": "margin", "margin": 1.5})) == 5  # 1-0, 2-1, 3-1 as well
    assert sides(build_pairs(latest, SETS, {**RULE, "pairs": "best_worst"})) == [(2, 0, 4, 1)]
    # One aspect that is far enough apart is enough, even if the other one takes the sum back.
    far = rated(("ann", 0, "text", 5), ("ann", 1, "text", 3), ("ann", 0, "mask", 2), ("ann", 1, "mask", 3))
    assert sides(build_pairs(far, SETS, {**RULE, "pairs": "margin"})) == [(0, 1, 5, 3)]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"pairs": "some"}, "preferences.pairs = 'some': expected one of all, best_worst, margin"),
        ({"combine": "max"}, "preferences.combine = 'max'"),
        ({"pairs": "margin", "margin": 0}, "preferences.margin = 0: expected points above 0"),
    ],
)
def test_rules_that_are_none_are_named(change, complaint):
    with pytest.raises(InputError, match=complaint):
        build_pairs(rated(("ann", 0, "text", 1)), SETS, {**RULE, **change})


def test_ratings_of_other_sets_are_refused():
    with pytest.raises(InputError, match="set set-0 is not in the table of sets"):
        build_pairs(rated(("ann", 0, "text", 1)), SETS.assign(set_id="set-9"), RULE)


def test_the_median_is_not_the_mean():
    """Image 0: 0, 4, 5; image 1: 3, 3, 5. Means 3 and 11/3, medians 4 and 3."""
    scores = {"ann": (0, 3), "bob": (4, 3), "cat": (5, 5)}
    latest = rated(*((r, i, "text", s) for r, both in scores.items() for i, s in enumerate(both)))
    assert sides(build_pairs(latest, SETS, RULE)) == [(1, 0, 3.666666667, 3.0)]
    assert sides(build_pairs(latest, SETS, {**RULE, "combine": "median"})) == [(0, 1, 4.0, 3.0)]


def test_aspects_that_disagree_are_decided_by_their_sum_then_by_the_text():
    for masks, winner in (((0, 5), 1), ((2, 3), 0)):  # text 4 against 3: -4 in sum, and a tie
        latest = rated(*((("ann", i, "text", 4 - i)) for i in (0, 1)), *(("ann", i, "mask", masks[i]) for i in (0, 1)))
        assert build_pairs(latest, SETS, RULE)[0]["winner"]["sample"] == winner


def test_every_kind_gives_its_share_of_held_out_sets():
    """20, 6 and 4 sets at a fifth: 4, 1.2 and 0.8, six in all, so that the largest remainder gets the sixth."""
    kinds = ["text"] * 20 + ["mask"] * 6 + ["both"] * 4
    found = [{"set_id": f"set-{k:02}", "kind": kind} for k, kind in enumerate(kinds) for _ in range(3)]
    train, held = split_pairs(found, 0.2, 1)
    chosen = {p["set_id"]: p["kind"] for p in held}
    assert Counter(chosen.values()) == {"text": 4, "mask": 1, "both": 1} and len(held) == 18
    assert not set(chosen) & {p["set_id"] for p in train}
    assert {p["set_id"] for p in split_pairs(found[::-1], 0.2, 1)[1]} == set(chosen)
    assert {p["set_id"] for p in split_pairs(found, 0.2, 2)[1]} != set(chosen)
    assert [len(part) for part in split_pairs(found[:3], 0.2, 1)] == [3, 0]  # one set teaches
    assert split_pairs([], 0.2, 1) == ([], [])


def test_three_parts_share_no_set():
    """30 sets, a fifth and a fifth: 18 teach, 6 choose, 6 are reported on; the second part is what it was without the third."""
    kinds = ["text"] * 20 + ["mask"] * 6 + ["both"] * 4
    found = [{"set_id": f"set-{k:02}", "kind": kind} for k, kind in enumerate(kinds) for _ in range(3)]
    parts = split_parts(found, 0.2, 0.2, 1)
    names = [{p["set_id"] for p in part} for part in parts]
    assert [len(own) for own in names] == [18, 6, 6] and len(set.union(*names)) == 30
    assert parts[1] == split_pairs(found, 0.2, 1)[1]
    assert Counter(p["kind"] for p in parts[2])["text"] == 4 * 3
    # Of three sets each part gets one; of two none is left to report on, of which train_dpo tells.
    assert [len(part) for part in split_parts(found[:9], 0.2, 0.2, 1)] == [3, 3, 3]
    assert [len(part) for part in split_parts(found[:6], 0.2, 0.2, 1)] == [3, 3, 0]
    with pytest.raises(InputError, match="heldout = 0.5 and preferences.report = 0.5: nothing is left"):
        split_parts(found, 0.5, 0.5, 1)


def test_a_kind_is_not_held_out_whole():
    """At 0.6: 3 of 5 text sets and 0.6 of the one mask set, four in all; the fourth is a text set all the same."""
    found = [{"set_id": f"set-{k}", "kind": "text" if k else "mask"} for k in range(6)]
    assert [p["kind"] for p in split_pairs(found, 0.6, 1)[1]] == ["text"] * 4


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["text", "mask", "both"]), min_size=2, max_size=40), st.floats(0.05, 0.95), st.randoms()
)
def test_held_out_sets_are_split_by_kind_in_any_order(kinds, share, stream):
    found = [{"set_id": f"set-{k}", "kind": kind} for k, kind in enumerate(kinds) for _ in range(2)]
    train, held = split_pairs(found, share, 7)
    chosen = {p["set_id"]: p["kind"] for p in held}
    assert not set(chosen) & {p["set_id"] for p in train} and len(train) + len(held) == len(found)
    assert len(chosen) == min(max(1, round(share * len(kinds))), len(kinds) - 1)
    for kind, size in Counter(kinds).items():
        assert abs(Counter(chosen.values())[kind] - share * size) <= 1
    stream.shuffle(found)
    assert {p["set_id"] for p in split_pairs(found, share, 7)[1]} == set(chosen)


LOG = [
    {"time": f"2026-01-0{1 + k // 6}T00:00:00.000+00:00", "rater": rater, "set_id": "set-0", "role": "shared"}
    | {"place": 0, "image": image, "aspect": "text", "score": score, "session": f"s-{rater}-{k // 6}", "sequence": k}
    for rater in ("ann", "bob")
    for k, (image, score) in enumerate([(0, 1), (1, 1), (2, 5), (3, 0), (0, 4), (0, 2), (1, 5), (3, 3), (2, 0)])
]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations([json.dumps(one) for one in LOG]), st.integers(0, len(LOG)))
def test_shuffled_and_doubled_logs_with_corrections_give_the_same_pairs(tmp_path, lines, twice):
    """The last scores are 2, 5, 0 and 3: six pairs."""
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join([*lines, *lines[:twice]]) + "\n")
    found = build_pairs(read_ratings(path)[0], SETS, RULE)
    assert sides(found) == [(1, 0, 5, 2), (0, 2, 2, 0), (3, 0, 3, 2), (1, 2, 5, 0), (1, 3, 5, 3), (3, 2, 3, 0)]


PAIR = {
    "set_id": "s",
    "kind": "text",
    "prompt": "p",
    "mask_source": None,
    "condition_id": "c",
    "weight": 1.0,
    "raters": [],
}
PAIR |= {side: {"sample": k, "text": 5.0 - k, "mask": None} for k, side in enumerate(("winner", "loser"))}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        json.dumps({**PAIR, "winner": {"sample": 0}}),
        json.dumps({key: value for key, value in PAIR.items() if key != "loser"}),
        json.dumps({**PAIR, "loser": {"sample": 1, "text": 6, "mask": None}}),
        json.dumps({**PAIR, "loser": {"sample": 1, "text": float("nan"), "mask": None}}),
        json.dumps({**PAIR, "weight": 0}),
        json.dumps({**PAIR, "condition_id": 3}),
    ],
)
def test_a_line_that_is_no_pair_is_named(tmp_path, text):
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(PAIR) + "\n" + text + "\n")
    with pytest.raises(InputError, match=r"pairs.jsonl:2: not a pair .*remake it with build_preferences"):
        read_pairs(path)
