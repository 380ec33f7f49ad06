"""Shares of the questionnaire by hand: counts, Clopper and Pearson's intervals, differences, agreement and missing answers."""

from __future__ import annotations

import pandas as pd
import pytest

from scripts.lib.feedback.forms.questions import make_questions
from scripts.lib.feedback.forms.shares import ALL, EXTREME, NOT_INDEPENDENT, agreement, noted, tabulate

FORMS = pd.DataFrame(
    [
        {"set_id": name, "about": "film", "shown": shown, "other": other}
        for name, shown, other in (("e1", "edit", "normal"), ("e2", "edit", "ill"), ("r1", "real", "normal"), ("r2", "real", "ill"))
    ]
)  # fmt: skip
ASKED = make_questions(
    [
        {"id": "authentic", "text": "Real?", "about": "film", "kind": "yesno", "topic": "real"},
        {"id": "finding", "text": "What?", "about": "film", "kind": "choice", "topic": "class"},
        {"id": "sure", "text": "How sure?", "about": "film", "kind": "scale", "anchors": ["no", "so", "yes"]},
    ],
    ["normal", "ill"],
)
GIVEN = {
    "ann": {"e1": "yes", "e2": "no", "r1": "yes", "r2": "yes"},
    "bob": {"e1": "yes", "e2": "yes", "r1": "yes", "r2": "no"},
}


def answers(given: dict[str, dict[str, object]], question: str = "authentic", role: str = "shared") -> pd.DataFrame:
    rows = [
        {"rater": rater, "set_id": name, "role": role, "place": place, "question": question, "answer": answer}
        for rater, own in given.items()
        for place, (name, answer) in enumerate(own.items())
    ]
    return pd.DataFrame(rows).astype({"answer": "object"})


def table(latest: pd.DataFrame) -> pd.DataFrame:
    return tabulate(latest, FORMS, ASKED, 400, 1).set_index(["question", "answer", "rater"])


def test_shares_and_exact_intervals_of_edits_stand_beside_those_of_real_films() -> None:
    repeat = answers({"ann": {"e1": "no"}}, role="repeat")  # counts for self-agreement alone
    found = table(pd.concat([answers(GIVEN), repeat]))
    both = found.loc[("authentic", "yes", ALL)]
    # Edits: yes of ann for e1, of bob for e1 and e2, 3 of 4. Real films: r1 twice, r2 once, 3 of 4.
    assert both[["n", "count", "share", "n_real", "count_real", "share_real"]].tolist() == [4, 3, 0.75, 4, 3, 0.75]
    # Clopper and Pearson for 3 of 4: high is 1 - (1 - .975^(1/4)) = .975^.25 = .9937; low solves 4 p^3 (1 - p) + p^4 = .025:
    # at p = .1941, 4 x .007312 x .8059 + .001419 = .02499.
    assert both["high"] == pytest.approx(0.9937, abs=1e-4) and both["low"] == pytest.approx(0.1941, abs=1e-4)
    assert both["difference"] == 0 and both["difference_low"] < 0 < both["difference_high"]
    assert NOT_INDEPENDENT in both["note"]
    ann = found.loc[("authentic", "yes", "ann")]
    # 1 of 2: low 1 - .975^(1/2) = .01258, high .975^(1/2) = .98742; 2 of 2: low .025^(1/2) = .15811, high 1
    assert ann[["low", "high", "low_real", "high_real"]].tolist() == pytest.approx(
        [0.01258, 0.98742, 0.15811, 1], abs=1e-5
    )
    # Drawn anew, her edits have a share of 0, 1/2 or 1 (in a quarter, half, a quarter of the draws), her real films always 1: the
    # difference is -1, -1/2 or 0, and .025 and .975 of the draws lie at the ends.
    assert ann[["difference", "difference_low", "difference_high"]].tolist() == [-0.5, -1, 0]
    assert EXTREME in ann["note"] and NOT_INDEPENDENT not in ann["note"]


def test_what_is_right_differs_between_edits_and_real_films() -> None:
    found = table(answers(GIVEN))
    # yes is wrong of an edit: right are ann for e2 alone, 1 of 4; of real films ann twice, bob for r1, 3 of 4
    assert found.loc[("authentic", "right", ALL), ["share", "share_real"]].tolist() == [0.25, 0.75]
    classes = table(answers({"ann": {"e1": "normal", "e2": "normal", "r1": "ill", "r2": "ill"}}, "finding"))
    assert classes.loc[("finding", "normal", "ann"), ["share", "share_real"]].tolist() == [1, 0]
    assert classes.loc[("finding", "right", "ann"), ["share", "share_real"]].tolist() == [0.5, 0.5]
    assert [answer for question, answer, _ in classes.index if question == "finding"][::2] == ["normal", "ill", "right"]


def test_a_scale_has_a_share_for_each_number_and_one_side_alone_says_so() -> None:
    found = table(answers({"ann": {"e1": 3, "e2": 3, "r1": 1, "r2": 2}}, "sure"))
    assert found.loc["sure"].xs("ann", level="rater")["share"].tolist() == [0, 0, 1]
    assert found.loc["sure"].xs("ann", level="rater")["share_real"].tolist() == [0.5, 0.5, 0]
    alone = table(answers({"ann": {"e1": "yes"}})).loc[("authentic", "yes", ALL)]
    assert alone["n_real"] == 0 and pd.isna(alone["share_real"]) and pd.isna(alone["difference_low"])
    assert alone["note"].startswith("no answer about real films")


def test_agreement_among_raters_and_with_oneself() -> None:
    repeat = answers({"ann": {"e1": "no", "e2": "no"}}, role="repeat")
    found = agreement(pd.concat([answers(GIVEN), repeat]), ASKED[:1], 200, 1).set_index("measure")
    # Pairs yes-yes, no-yes, yes-yes, yes-no: 6 yes and 2 no, 4 unequal ordered pairs.
    # alpha = 1 - (8 - 1) x 4 / (2 x 6 x 2) = 1 - 28 / 24 = -1/6
    assert found.loc["alpha", "value"] == pytest.approx(-1 / 6) and found.loc["alpha", "n"] == 4
    assert found.loc["alpha", "low"] <= found.loc["alpha", "value"] <= found.loc["alpha", "high"]
    # e1 first yes, then no; e2 twice no: 1 of 2
    assert found.loc["self", ["rater", "n", "value"]].tolist() == ["ann", 2, 0.5]
    alone = agreement(answers({"ann": GIVEN["ann"]}), ASKED[:1], 200, 1)
    assert alone["note"].tolist() == ["not measurable: no form was answered by two raters"]


def test_missing_and_simulated_answers_are_said() -> None:
    assignments = pd.DataFrame({"set_id": ["e1", "e2"]})
    told = noted(answers({"ann": {"e1": "yes"}}), assignments, {"e1": "film", "e2": "film"}, ASKED, True)
    assert told == ["simulated answers: no person has seen these forms", "1 of 6 answers given"]
    assert noted(answers(GIVEN), assignments[:1], {"e1": "film"}, ASKED, False) == []
