"""The reading study: which films are drawn, that the outline comes after the answer without it, and what the tables say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts import plot_reading, sample_reading, simulate_reading, tabulate_answers
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.feedback.app.form_desk import FormDesk, open_questionnaire
from scripts.lib.feedback.forms.answers import AnswerLog, FormAnswer, read_answers
from scripts.lib.feedback.forms.questions import make_questions
from scripts.lib.feedback.forms.shares import agreement, tabulate
from scripts.lib.feedback.forms.telling import told_apart
from tests.helpers.reading_toy import ANCHORS, LABELS, QUESTIONS, SETTINGS, TOLD, words, write_reading, write_stores

ASKED = make_questions(QUESTIONS, ())


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reading(tmp_path_factory.mktemp("reading"))


def test_half_of_the_films_are_real_and_have_the_same_labels(asked: Path) -> None:
    forms, pool, cohort = pd.read_parquet(asked / "forms.parquet"), *(Cohort.open(asked.parent / name) for name in ("pool", "cohort"))  # fmt: skip
    pictures = Cohort.open(asked / "pictures")
    assert forms["shown"].value_counts().to_dict() == {"synthetic": 4, "real": 4} and set(forms["about"]) == {"reading"}
    sides = {name: sorted(own["other"]) for name, own in forms.groupby("shown")}
    assert sides["real"] == sides["synthetic"] and forms["film"].is_unique
    for row in forms.to_dict("records"):
        store = cohort if row["shown"] == "real" else pool
        place = store.index["image_id"].tolist().index(row["film"])
        assert np.array_equal(pictures.images([row["second"]]), store.images([place]))
        assert np.array_equal(pictures.masks([row["second"]]), store.masks([place]))
        labels = store.index[LABELS].iloc[place]
        assert row["other"] == ("+".join(name for name in LABELS if labels[name]) or "normal")
        assert row["shown"] == "synthetic" or store.index["split"].iloc[place] == "test"
    # nothing that the page reads says what is real
    told = {*pictures.index["image_id"], *pictures.index["patient_id"]}
    assert told == {f"picture-{place}" for place in range(8)}
    assert all(name.startswith("form-") for name in forms["set_id"])
    assert pictures.index["synthetic"].tolist() == [False] * 8 and pictures.structures == pool.structures


def test_too_few_films_and_other_structures_are_one_line(tmp_path: Path) -> None:
    write_stores(tmp_path, images=12, test=4)  # of each kind of labels, one test film at most
    with pytest.raises(
        InputError, match="[0-4] of 12 images have a film of split test with the same labels, and 5 are"
    ):
        sample_reading.main(words(tmp_path, films=10))
    other = words(tmp_path)
    other[other.index("--cohort") + 1] = str(write_reading(tmp_path / "x") / "pictures")
    json_file = tmp_path / "x" / "reading" / "pictures" / "cohort.json"
    json_file.write_text(json_file.read_text().replace("cardiomegaly", "nodule"))
    with pytest.raises(InputError, match="a reading shows both with masks of the same structures"):
        sample_reading.main(other)


def test_the_outline_comes_after_the_answer_without_it(asked: Path, tmp_path: Path) -> None:
    desk = FormDesk(open_questionnaire(asked), AnswerLog(tmp_path / "answers.jsonl"))
    start, view = desk.start("ann"), desk.view("ann", 0)
    assert (
        start["origin"] == ""
        and start["told"] == TOLD
        and [one["id"] for one in start["questions"]["reading"]] == ["authentic", "overlay"]
    )
    assert [(one["id"], one["overlay"]) for one in view["questions"]] == [("authentic", False), ("overlay", True)]
    assert view["questions"][0]["options"] == [[number, f"{number} {text}"] for number, text in enumerate(ANCHORS)]
    assert {name for name, *_ in view["mask"]["structures"]} >= {"lungs", "heart"} and len(view["images"]) == 1
    with pytest.raises(InputError, match="overlay: authentic is asked first, without the outline"):
        desk.answer("ann", 0, "overlay", 3)
    assert not desk.answer("ann", 0, "authentic", 4)["complete"]
    desk.answer("ann", 0, "authentic", 2)  # corrected before the outline was judged
    assert desk.answer("ann", 0, "overlay", 3)["complete"]
    with pytest.raises(
        InputError, match="authentic: it was answered without the outline, and overlay with it, so it stays"
    ):
        desk.answer("ann", 0, "authentic", 5)
    desk.answer("ann", 0, "overlay", 1)
    with pytest.raises(InputError, match="answer 6 to authentic: expected one of 0, 1, 2, 3, 4, 5"):
        desk.answer("ann", 1, "authentic", 6)
    desk.close()
    abouts = desk.asked.abouts
    latest, history, _ = read_answers(tmp_path / "answers.jsonl", abouts, ASKED, {"ann", "bob"})
    assert latest["answer"].tolist() == [2, 1] and history["answer"].tolist() == [4, 2, 3, 1]
    place = desk.asked.places["bob"][0]
    AnswerLog(tmp_path / "answers.jsonl").append(FormAnswer("bob", place.set_id, place.role, 0, "overlay", 3))
    with pytest.raises(
        InputError, match="answers.jsonl:5: overlay before authentic, which is asked without the outline"
    ):
        read_answers(tmp_path / "answers.jsonl", abouts, ASKED, {"ann", "bob"})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"least": 0}, "least 0: expected null, or a number of its scale above the first"),
        ({"least": 6}, "least 6"),
        ({"about": "film", "topic": None, "overlay": True}, "overlay belongs to forms about a reading"),
        ({"about": "film"}, "topic authentic of kind scale about a film"),
        ({"kind": "yesno", "anchors": [], "topic": None}, "least 3"),
    ],
)
def test_questions_that_cannot_be_asked_are_one_line(changed: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_questions([QUESTIONS[1] | changed], ())


def given(**answers: list[int]) -> pd.DataFrame:
    """Answers of each rater to two real films and two images, r1 r2 s1 s2."""
    rows = [
        {"rater": rater, "set_id": name, "role": "shared", "place": place, "question": "authentic", "answer": answer, "code": float(answer)}
        for rater, own in answers.items()
        for place, (name, answer) in enumerate(zip(("r1", "r2", "s1", "s2"), own))
    ]  # fmt: skip
    return pd.DataFrame(rows).astype({"answer": "object"})


FORMS = pd.DataFrame({"set_id": ["r1", "r2", "s1", "s2"], "shown": ["real", "real", "synthetic", "synthetic"]})
FORMS = FORMS.assign(about="reading", other="normal")


def test_from_three_on_an_answer_is_yes() -> None:
    found = tabulate(given(ann=[5, 3, 2, 3]), FORMS, ASKED, 200, 1).set_index(["question", "answer", "rater"])
    yes = found.loc[("authentic", "yes", "ann")]
    # images: 3 of 2 and 3, one of two; films: both
    assert yes[["n", "count", "n_real", "count_real", "difference"]].tolist() == [2, 1, 2, 2, -0.5]
    # Clopper and Pearson of 1 of 2: low 1 - .975^(1/2) = .01258, high .975^(1/2) = .98742
    assert yes[["low", "high"]].tolist() == pytest.approx([0.01258, 0.98742], abs=1e-5)
    assert found.loc[("authentic", 3 if 3 in found.index.levels[1] else "3", "ann"), "count"] == 1
    assert "no answer about synthetic images" in found.loc[("overlay", "yes", "all"), "note"]


def test_the_auc_by_hand() -> None:
    own = given(ann=[5, 3, 2, 3], bob=[1, 1, 1, 1], cleo=[2, 2, 4, 2]).merge(FORMS, on="set_id")
    rows = {row["rater"]: row for row in told_apart(own, 300, 1)}
    # ann: 5 beats 2 and 3, 3 beats 2 and ties with 3: (1 + 1 + 1 + .5) / 4; cleo: 2 loses to 4 and ties with 2, twice: 1 / 4
    assert rows["ann"]["value"] == 0.875 and rows["cleo"]["value"] == 0.25
    assert rows["bob"]["note"] == "all answers are the same" and np.isnan(rows["bob"]["value"])
    assert rows["all"]["value"] == pytest.approx((0.875 + 0.25) / 2) and rows["all"]["n"] == 12
    # ann's films drawn anew: of r2 alone against s2 alone the AUC is 0.5, of r1 alone 1; each in a quarter of the draws or more
    assert (rows["ann"]["low"], rows["ann"]["high"]) == (0.5, 1.0)
    table = agreement(given(ann=[5, 3, 2, 3]), ASKED, 200, 1, FORMS)
    assert table[table["measure"] == "auc"]["value"].tolist() == [0.875, 0.875]
    assert table[(table["measure"] == "alpha") & (table["question"] == "authentic")]["value"].isna().all()  # one reader


def test_simulated_readers_find_noisy_images_out_and_the_tables_say_who_read(asked: Path, tmp_path: Path) -> None:
    config = ["--config", json.dumps(SETTINGS), "--seed", "1"]
    log, files = (
        tmp_path / "simulated.jsonl",
        [tmp_path / name for name in ("shares.csv", "agreement.csv", "reading.png")],
    )
    for _ in range(2):
        simulate_reading.main(["--forms", str(asked), "--cohort", f"{asked.parent}/cohort", *config, "--out", str(log)])
        before = log.read_bytes()
    assert log.read_bytes() == before
    outs = ["--out-shares", str(files[0]), "--out-agreement", str(files[1])]
    tabulate_answers.main(["--answers", str(log), "--forms", str(asked), *config, "--simulated", *outs])
    shares, found = pd.read_csv(files[0]), pd.read_csv(files[1])
    yes = shares[(shares["question"] == "authentic") & (shares["answer"] == "yes") & (shares["rater"] == "all")].iloc[0]
    assert yes["share"] < yes["share_real"] and yes["n"] == yes["n_real"] == 8  # two readers of four films of each
    assert shares["note"].str.contains("simulated answers: no person").all() and shares["note"].str.contains("raters were told: Some").all()  # fmt: skip
    assert found[found["measure"] == "auc"]["value"].min() > 0.9
    plot_reading.main(["--shares", str(files[0]), "--agreement", str(files[1]), "--config", '{"width_mm": 180, "dpi": 60}', "--out", str(files[2])])  # fmt: skip
    assert files[2].stat().st_size > 5000
