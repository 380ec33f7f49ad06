"""The questionnaire: which forms are drawn, what its log takes and survives, what its page tells, and what simulated raters say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts import draw_forms, simulate_answers, tabulate_answers
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.core.phantom import LINE, VARIABLE
from scripts.lib.feedback.app.form_desk import FormDesk, open_questionnaire
from scripts.lib.feedback.forms import drawing
from scripts.lib.feedback.forms.answers import KEYS, AnswerLog, FormAnswer, read_answers
from scripts.lib.feedback.forms.questions import make_questions
from tests.helpers.form_toy import LABEL, QUESTIONS, SETTINGS, words, write_questionnaire

NAMES = ["normal", LABEL]
FORMS = {"a": "film", "b": "pair"}
ASKED = make_questions(QUESTIONS, NAMES)
GOOD = {"rater": "ann", "set_id": "a", "role": "shared", "place": 0, "question": "authentic", "answer": "yes"}


def line(**changed: object) -> str:
    record = {"time": "2026-01-01T00:00:00+00:00"} | GOOD | {"session": "s", "sequence": 0} | changed
    return json.dumps({key: value for key, value in record.items() if value is not ...})


def read(path: Path) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    return read_answers(path, FORMS, ASKED, {"ann", "bob"})


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the forms of a study of phantom films."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "children")
        return write_questionnaire(tmp_path_factory.mktemp("asked"))


def test_the_last_answer_counts_and_the_history_stays(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "deep/answers.jsonl")
    log.extend([FormAnswer(**GOOD), FormAnswer(**GOOD | {"question": "sure", "answer": np.int64(3)})])
    log.append(FormAnswer(**GOOD | {"answer": "no"}))
    latest, history, warnings = read(log.path)
    assert latest[["question", "answer"]].to_numpy().tolist() == [["authentic", "no"], ["sure", 3]]
    assert history["answer"].tolist() == ["yes", 3, "no"] and list(history) == [*KEYS, "line"] and warnings == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (line(rater=...), "keys"),
        (line(extra=1), "keys"),
        (line(answer="perhaps"), "answer 'perhaps' to authentic: expected one of yes, no"),
        (line(answer=1), "answer 1 to authentic"),
        (line(question="sure", answer=4), "answer 4 to sure: expected one of 1, 2, 3"),
        (line(question="sure", answer="1"), "answer '1' to sure"),
        (line(question="sure", answer=True), "answer True"),
        (line(question="sure", answer=1.0), "answer 1.0"),
        (line(question="finding", answer="effusion"), "expected one of normal, pneumonia"),
        (line(question="change"), "question 'change' is not of this form, which asks authentic, finding, sure"),
        (line(set_id="z"), "set_id 'z' is not of this study"),
        (line(rater="eve"), "rater 'eve' is not of this study"),
        (line(role="guest"), "role 'guest'"),
        (line(place=-1), "place -1"),
        (line(set_id="b", question="change", sequence=1), "held"),
        (line(time="noon"), "time 'noon'"),
        (line()[:-1], "not JSON"),
        (line() + ",", "not JSON"),
        (line()[:-1] + ', "answer": "no"}', "key 'answer' is given twice"),
    ],
)
def test_a_line_that_is_no_answer_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(f"{line()}\n{text}\n{line()}\n")
    with pytest.raises(InputError, match=rf"answers.jsonl:2: .*{message}.*; correct or remove this line"):
        read(path)


def test_no_file_and_two_answers_with_one_number_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="answers.jsonl: no answers; give them with"):
        read(tmp_path / "answers.jsonl")
    (tmp_path / "answers.jsonl").write_text(line() + "\n" + line(answer="no") + "\n")
    with pytest.raises(InputError, match="jsonl:2: session s has another answer with sequence 0"):
        read(tmp_path / "answers.jsonl")


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_a_torn_end_is_dropped_reported_and_replaced(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(line() + "\n" + line(question="sure", answer=2)[:cut])
    latest, _, warnings = read(path)
    assert len(latest) == 1 and "answers.jsonl:2: the last line, torn by a crash, is dropped" in warnings[0]
    AnswerLog(path).append(FormAnswer(**GOOD | {"question": "finding", "answer": "normal"}))
    latest, history, warnings = read(path)
    assert latest["question"].tolist() == ["authentic", "finding"] and len(history) == 2 and warnings == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "scale", "anchors": ["one"]}, "anchors .*expected two or more"),
        ({"kind": "yesno", "choices": ["a", "b"]}, "choices belong to kind choice"),
        ({"topic": "class"}, "topic class of kind yesno about a film: expected null or one of real"),
        ({"about": "pair"}, "topic real of kind yesno about a pair"),
        ({"truth": "real"}, "key truth; expected some of id"),
        ({"id": "sure"}, "its id is there twice"),
        ({"kind": "choice", "topic": "class", "choices": ["a", "b"]}, "topic class needs each of normal, pneumonia"),
    ],
)
def test_a_question_that_makes_no_sense_is_named(changed: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=rf"question \w+: .*{message}"):
        make_questions([QUESTIONS[0] | changed, *QUESTIONS[1:]], NAMES)


def test_half_of_the_forms_are_real_and_no_child_is_in_two(asked: Path) -> None:
    forms = pd.read_parquet(asked / "forms.parquet")
    assert forms["kind"].value_counts().to_dict() == dict.fromkeys(
        ["film-edit", "film-real", "pair-edit", "pair-real"], 2
    )
    # Each of the four kinds asks for each class as often, so that the class tells nothing.
    assert forms.groupby("kind")["other"].apply(sorted).tolist() == [NAMES] * 4
    edits = forms[forms["kind"] == "pair-edit"]
    assert (edits["film"] == edits["source"]).all()
    real = forms[forms["kind"] == "pair-real"]
    assert (real["film"] != real["source"]).all() and (real["own"] != real["other"]).all()
    children = pd.concat([forms["film"], real["source"]])
    assert children.is_unique and set(forms["own"].dropna()) == set(NAMES)


def test_pictures_are_those_of_the_films_and_edits_and_their_names_tell_nothing(asked: Path) -> None:
    forms, pictures = pd.read_parquet(asked / "forms.parquet"), Cohort.open(asked / "pictures")
    films, edits = (Cohort.open(asked.parent / name) for name in ("films", "edits"))
    for form in forms.to_dict("records"):
        store, name = (
            (films, form["film"]) if form["shown"] == "real" else (edits, f"{form['film']}-to-{form['other']}")
        )
        wanted = store.images(np.flatnonzero(store.index["image_id"] == name))[0]
        assert (pictures.images([form["second"]])[0] == wanted).all()
    assert pictures.index["image_id"].tolist() == [f"picture-{number}" for number in range(len(pictures))]
    assert not pictures.index["synthetic"].any() and pictures.index["sha256"].nunique() > 1


def test_too_few_films_are_named_and_another_seed_draws_others(asked: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="edits of 12 children, and the forms show 14; lower edits.questionnaire.films"
    ):
        draw_forms.main([*words(asked.parent, films=14, pairs=14), "--out", str(tmp_path)])
    with pytest.raises(InputError, match="split test has too few films of class"):
        draw_forms.main([*words(asked.parent, films=12, pairs=10), "--out", str(tmp_path)])
    assert not list(tmp_path.iterdir())
    draw_forms.main([*words(asked.parent), "--seed", "4", "--out", str(tmp_path)])
    one, two = (set(pd.read_parquet(folder / "forms.parquet")["film"]) for folder in (asked, tmp_path))
    assert one != two


def test_the_difference_is_grey_where_nothing_changed_and_the_heading_names_the_change() -> None:
    first, second = np.array([[10, 200, 0]], np.uint8), np.array([[5, 200, 255]], np.uint8)
    # 128 + 5 - 10 = 123; 128 + 0 = 128; 128 + 255 = 383, cut to 255
    assert drawing.difference(first, second).tolist() == [[123, 128, 255]]
    assert drawing.heading(None, LABEL) == "" and drawing.heading("normal", LABEL) == "Pneumonia is to be there"
    assert drawing.heading("pleural_effusion", "edema") == "Pleural effusion is to be gone, edema is to be there"


def test_the_page_is_told_nothing_that_says_what_is_real(asked: Path) -> None:
    desk = FormDesk(open_questionnaire(asked), AnswerLog(asked / "blind.jsonl"))
    try:
        assert desk.start("ann")["origin"] == desk.state("ann", 0)["origin"] == LINE
        for number in range(len(desk.asked.places["ann"])):
            told = desk.view("ann", number) | desk.state("ann", number)
            text = json.dumps({key: value for key, value in told.items() if key not in ("images", "questions")})
            assert not any(word in text for word in ("form-", "edit", '"real"', "shared", "repeat", "f1", "picture-"))
            assert len(told["images"]) == (3 if told["heading"] else 1)
    finally:
        desk.close()


def test_the_desk_goes_on_where_the_log_ends_and_refuses_another_order(asked: Path, tmp_path: Path) -> None:
    path, questionnaire = tmp_path / "answers.jsonl", open_questionnaire(asked)
    desk = FormDesk(questionnaire, AnswerLog(path))
    first = desk.view("ann", 0)["questions"]
    with pytest.raises(InputError, match="answer 'maybe' to"):
        desk.answer("ann", 0, first[0]["id"], "maybe")
    with pytest.raises(InputError, match="question 'age': this form asks"):
        desk.answer("ann", 0, "age", "yes")
    for one in first:
        state = desk.answer("ann", 0, one["id"], one["options"][0][0])
    assert state["complete"] and state["done"] == 1 and state["next"] == 1 and len(path.read_text().splitlines()) == 3
    with pytest.raises(InputError, match="another rating app serves this log"):
        FormDesk(questionnaire, AnswerLog(path))
    desk.close()
    again = FormDesk(questionnaire, AnswerLog(path))
    again.close()
    assert again.state("ann")["place"] == 1 and again.state("ann", 0)["answers"] == state["answers"]
    assert again.state("bob")["done"] == 0
    path.write_text(path.read_text().replace('"place": 0', '"place": 1'))
    with pytest.raises(
        InputError, match="answers.jsonl:1: ann answered .* at place 1, which the assignments do not have"
    ):
        FormDesk(questionnaire, AnswerLog(path))


def test_simulated_raters_see_pixels_and_the_tables_say_that_they_are_none(asked: Path, tmp_path: Path) -> None:
    given = ["--forms", str(asked), "--config", json.dumps(SETTINGS), "--seed", "3"]
    films = ["--cohort", f"{asked.parent}/films", "--target", LABEL]
    for name in ("one", "two"):
        simulate_answers.main([*given, *films, "--out", f"{tmp_path}/{name}"])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    out = ["--out-shares", f"{tmp_path}/shares.csv", "--out-agreement", f"{tmp_path}/agreement.csv"]
    tabulate_answers.main(["--answers", f"{tmp_path}/one", *given, *out, "--simulated"])
    shares = pd.read_csv(tmp_path / "shares.csv").set_index(["question", "answer", "rater"])
    assert shares["note"].str.contains("simulated answers: no person has seen these forms").all()
    # The patch is plain to the rule; an edit of the toy changes nothing else, another child's film changes much.
    assert shares.loc[("finding", "right", "all"), ["share", "share_real"]].tolist() == [1, 1]
    assert shares.loc[("elsewhere", "yes", "all"), ["share", "share_real"]].tolist() == [0, 1]
    assert set(pd.read_csv(tmp_path / "agreement.csv")["measure"]) == {"alpha", "self"}


def test_a_class_that_cannot_be_told_has_no_simulated_raters(asked: Path, tmp_path: Path) -> None:
    few = {**SETTINGS, "simulation": {"films": 8, "severity": 0, "noise": 0}}
    words = ["--forms", str(asked), "--cohort", f"{asked.parent}/films", "--target", LABEL, "--seed", "3"]
    with pytest.raises(InputError, match="pneumonia cannot be told on 8 films of split train"):
        simulate_answers.main([*words, "--config", json.dumps(few), "--out", f"{tmp_path}/log"])
    assert not list(tmp_path.iterdir())
