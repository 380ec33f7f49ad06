"""The desk of the questionnaire: answers what a rater sees of a form, and takes answers into the log."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.core.phantom import origin_of
from scripts.lib.feedback.app.log_desk import LogDesk
from scripts.lib.feedback.app.pictures import KEPT, data_url, structures_of
from scripts.lib.feedback.forms.answers import AnswerLog, FormAnswer, read_answers
from scripts.lib.feedback.forms.drawing import COLUMNS, difference, heading
from scripts.lib.feedback.forms.questions import (
    FILM,
    PAIR,
    READING,
    SCALE,
    Question,
    of_form,
    open_before,
    read_questions,
)
from scripts.lib.feedback.forms.reading import read_told
from scripts.lib.feedback.log_lines import latest_moment
from scripts.lib.feedback.log_values import ROLES
from scripts.lib.feedback.tables import ASSIGNMENTS, read_table

NAMES = {
    FILM: ["Film"],
    READING: ["Film"],
    PAIR: ["First picture", "Second picture", "Difference: grey where nothing changed"],
}
ADVICE = "draw the forms again (draw_forms)"


@dataclass(frozen=True)
class FormPlace:
    """One form as one rater sees it."""

    number: int
    set_id: str
    role: str
    about: str


@dataclass(frozen=True)
class Questionnaire:
    """What is asked: forms by set_id, the questions, each rater's places in order, and the pictures."""

    forms: Mapping[str, Mapping[str, Any]]
    questions: Sequence[Question]
    places: Mapping[str, Sequence[FormPlace]]
    pictures: Cohort
    told: str = ""  # what raters are told of the films before they begin
    origin: str = ""  # what is said of phantom films

    @property
    def abouts(self) -> dict[str, str]:
        """Return {set_id: film | pair | reading}."""
        return {name: str(form["about"]) for name, form in self.forms.items()}


def open_questionnaire(folder: Path) -> Questionnaire:
    """Return what `draw_forms` wrote; raises InputError, naming the file, for what does not fit together."""
    source = folder / "forms.parquet"
    table = read_table(source, COLUMNS)
    rows: list[dict[str, Any]] = [{str(key): value for key, value in form.items()} for form in table.to_dict("records")]
    forms = {str(form["set_id"]): form for form in rows}
    pictures, questions = Cohort.open(folder / "pictures"), read_questions(folder / "questions.json")
    for name, form in forms.items():
        shown = [form["second"], *([form["first"]] if form["about"] == PAIR else [])]
        if form["about"] not in NAMES or not all(0 <= int(row) < len(pictures) for row in shown):
            raise InputError(f"{source}: form {name}: about {form['about']!r}, pictures {shown} of {len(pictures)}; {ADVICE}")  # fmt: skip
        if not of_form(questions, form["about"]):
            raise InputError(
                f"{folder / 'questions.json'}: no question about a {form['about']}, and {name} is one; {ADVICE}"
            )
    places = _read_places(folder / "assignments.parquet", forms)
    return Questionnaire(forms, questions, places, pictures, read_told(folder), origin_of(table))


def _read_places(source: Path, forms: Mapping[str, Mapping[str, Any]]) -> dict[str, list[FormPlace]]:
    places: dict[str, list[FormPlace]] = {}
    for row, line in enumerate(read_table(source, ASSIGNMENTS).to_dict("records")):
        if line["set_id"] not in forms or line["role"] not in ROLES:
            raise InputError(f"{source}: row {row}: form {line['set_id']!r}, role {line['role']!r}: not of these forms; {ADVICE}")  # fmt: skip
        about = str(forms[line["set_id"]]["about"])
        place = FormPlace(int(line["place"]), str(line["set_id"]), str(line["role"]), about)
        places.setdefault(str(line["rater"]), []).append(place)
    for rater, own in places.items():
        own.sort(key=lambda place: place.number)
        if [place.number for place in own] != list(range(len(own))):
            raise InputError(f"{source}: places of {rater!r} are not 0 to {len(own) - 1}; {ADVICE}")
    return places


class FormDesk(LogDesk[FormPlace]):
    """The state of all raters, as the log has it. What it says holds places and questions, never which films are real."""

    log: AnswerLog

    def __init__(self, asked: Questionnaire, log: AnswerLog, study: str = "study") -> None:
        super().__init__(asked.places, log, study, asked.origin)
        self.asked = asked
        self._answers: dict[str, dict[tuple[int, str], str | int]] = {rater: {} for rater in asked.places}
        self.view_of = lru_cache(KEPT)(self._view)
        self._open()

    def _read(self) -> None:
        asked = self.asked
        _, history, self.warnings = read_answers(self.log.path, asked.abouts, asked.questions, asked.places)
        for line in history.to_dict("records"):
            self._given_before(line, "answered")
            self._answers[line["rater"]][line["place"], line["question"]] = line["answer"]
        if (moment := latest_moment(history)) is not None:
            self.log.follow(moment)

    def start(self, rater: str) -> dict[str, Any]:
        """Return what the start page shows: {study, rater, origin, places, told, questions: {film | pair | reading: as in `view`}}."""
        shown = {place.about for place in self.places[rater]}
        questions = {about: self._questions(about) for about in NAMES if about in shown}
        about = {"places": len(self.places[rater]), "told": self.asked.told, "questions": questions}
        return self._about(rater) | about

    def view(self, rater: str, number: int) -> dict[str, Any]:
        """Return {place, heading, images: data URLs, names, mask, questions: [{id, text, overlay, options: [[answer, words]]}]}.

        `mask` is there in forms about a reading, as in the rating page, to be shown with the questions of `overlay`.
        """
        place = self._place(rater, number)
        return {"place": number, **self.view_of(place.set_id)}

    def answer(self, rater: str, number: object, question: Any, answer: Any) -> dict[str, Any]:
        """Log an answer; return the state of its place. When this returns the answer is on the disk.

        InputError for what is no answer, OSError when it cannot be written.
        """
        place = self._place(rater, number)
        asked = {one.id: one for one in of_form(self.asked.questions, place.about)}
        if not isinstance(question, str) or question not in asked:
            raise InputError(f"question {question!r}: this form asks {', '.join(asked)}")
        asked[question].check(answer)
        made = FormAnswer(rater, place.set_id, place.role, place.number, question, answer)
        with self._lock:
            self._check_order(rater, place, asked, question)
            self.log.append(made)
            self._answers[rater][place.number, question] = answer
            self._given(rater, place.number, time.time())
            return self._state(rater, place)

    def _check_order(self, rater: str, place: FormPlace, asked: Mapping[str, Question], question: str) -> None:
        """Raise InputError for an answer about the outline before the others, or to one of these after it."""
        given = {one for number, one in self._answers[rater] if number == place.number}
        if missing := open_before(asked[question], self.asked.questions, given):
            raise InputError(f"{question}: {missing} is asked first, without the outline")
        if after := [one for one in given if asked[one].overlay and not asked[question].overlay]:
            raise InputError(f"{question}: it was answered without the outline, and {after[0]} with it, so it stays as it is")  # fmt: skip

    def _view(self, set_id: str) -> dict[str, Any]:
        form = self.asked.forms[set_id]
        rows = [int(form[name]) for name in ("first", "second") if not pd.isna(form[name])]
        images = list(self.asked.pictures.images(rows))
        if form["about"] == PAIR:
            images.append(difference(*images))
        about: dict[str, Any] = {
            "heading": heading(form["own"], form["other"]),
            "names": NAMES[form["about"]],
            "mask": None,
        }
        if form["about"] == READING:
            about["mask"] = self._mask(rows[0])
        return about | {"images": [data_url(one) for one in images], "questions": self._questions(form["about"])}

    def _mask(self, row: int) -> dict[str, Any]:
        pictures = self.asked.pictures
        field, bits = pictures.masks([row])[0], {name: pictures.bit(name) for name in pictures.structures}
        return {"picture": data_url(field), "structures": structures_of(bits, field)}

    def _questions(self, about: str) -> list[dict[str, Any]]:
        asked = []
        for one in of_form(self.asked.questions, about):
            words = (
                [f"{number} {text}" for number, text in zip(one.options, one.anchors)] if one.kind == SCALE else None
            )
            shown = words or [str(option).replace("_", " ") for option in one.options]
            asked.append(
                {
                    "id": one.id,
                    "text": one.text,
                    "overlay": one.overlay,
                    "options": [list(pair) for pair in zip(one.options, shown)],
                }
            )
        return asked

    def _state(self, rater: str, place: FormPlace) -> dict[str, Any]:
        """Return what `state` says, with {answers: {question: answer or null}}."""
        answers, own = self._answers[rater], self.places[rater]
        total = sum(len(of_form(self.asked.questions, one.about)) for one in own)
        return self._about(rater) | {
            "minutes": self._paces[rater].minutes(total - len(answers)),
            "place": place.number,
            "places": len(own),
            "done": sum(self._complete(rater, one) for one in own),
            "complete": self._complete(rater, place),
            "answers": {
                one.id: answers.get((place.number, one.id)) for one in of_form(self.asked.questions, place.about)
            },
            "next": self._next_open(rater, place.number + 1),
        }

    def _complete(self, rater: str, place: FormPlace) -> bool:
        return all((place.number, one.id) in self._answers[rater] for one in of_form(self.asked.questions, place.about))

    def _next_open(self, rater: str, start: int) -> int | None:
        own = self.places[rater]
        return next((one.number for one in (*own[start:], *own[:start]) if not self._complete(rater, one)), None)
