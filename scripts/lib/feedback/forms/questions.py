"""The questions of a form, as the configuration words them: their kinds, their answers, and what they are about."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json_list
from scripts.lib.feedback.log_values import check_name

# What a form shows: one film; original, edited film and difference; or one film, and then its mask's outline on it.
FILM, PAIR, READING = "film", "pair", "reading"
YESNO, CHOICE, SCALE = "yesno", "choice", "scale"
YES, NO = "yes", "no"
REAL, CLASS, SAME = "real", "class", "same"
CHANGE, ELSEWHERE, SURE, PLAUSIBLE = "change", "elsewhere", "sure", "plausible"
AUTHENTIC, USEFUL = "authentic", "useful"
TRUE = (REAL, CLASS, SAME)  # topics of which the true answer is known
# What a question is about, with the kind that it then has, of a film or of a pair.
TOPICS = {
    REAL: ((FILM,), YESNO),
    CLASS: ((FILM,), CHOICE),
    SAME: ((PAIR,), YESNO),
    CHANGE: ((PAIR,), YESNO),
    ELSEWHERE: ((PAIR,), YESNO),
    SURE: ((FILM, PAIR), SCALE),
    PLAUSIBLE: ((FILM, PAIR), SCALE),
    AUTHENTIC: ((READING,), SCALE),
    USEFUL: ((READING,), SCALE),
}
KEYS = ("id", "text", "about", "kind", "choices", "anchors", "topic", "first", "least", "overlay")


@dataclass(frozen=True)
class Question:
    """One question.

    about    film | pair | reading: the forms that ask it
    kind     yesno | choice: one of `choices` | scale: whole numbers from `first` on with the words of `anchors`, lowest first
    topic    what it is about: is it real, which class, the same child, is the change to be seen, is anything elsewhere changed, how
             sure, how plausible; of a reading: how authentic, how useful the outline. None for anything else. Of the first three
             the true answer is known. Simulated raters go by it.
    least    of a scale: from which answer on it counts as yes; None: it does not
    overlay  of a reading: it is asked with the outline, once the questions without it are answered
    """

    id: str
    text: str
    about: str
    kind: str
    choices: tuple[str, ...] = ()
    anchors: tuple[str, ...] = ()
    topic: str | None = None
    first: int = 1
    least: int | None = None
    overlay: bool = False

    def __post_init__(self) -> None:
        check_name("id", self.id)
        if self.about not in (FILM, PAIR, READING) or self.kind not in (YESNO, CHOICE, SCALE):
            raise InputError(f"question {self.id}: about {self.about!r}, kind {self.kind!r}: expected film, pair or reading, and yesno, choice or scale")  # fmt: skip
        for name, words, kind in (("choices", self.choices, CHOICE), ("anchors", self.anchors, SCALE)):
            if kind == self.kind and (len(words) < 2 or len(set(words)) < len(words)):
                raise InputError(f"question {self.id}: {name} {list(words)}: expected two or more, each once")
            if kind != self.kind and words:
                raise InputError(
                    f"question {self.id}: {name} belong to kind {kind}, not to {self.kind}; leave them out"
                )
            for word in words:
                check_name(f"question {self.id}: {name}", word)
        if self.least is not None and (self.kind != SCALE or self.least not in self.options[1:]):
            raise InputError(
                f"question {self.id}: least {self.least}: expected null, or a number of its scale above the first"
            )
        if self.overlay and self.about != READING:
            raise InputError(f"question {self.id}: overlay belongs to forms about a reading, not to a {self.about}; leave it out")  # fmt: skip
        if self.topic is None:
            return
        about, kind = TOPICS.get(self.topic, ((), ""))
        if self.about not in about or self.kind != kind:
            known = ", ".join(f"{topic} ({' or '.join(about)}, {kind})" for topic, (about, kind) in TOPICS.items())
            raise InputError(f"question {self.id}: topic {self.topic} of kind {self.kind} about a {self.about}: expected null or one of {known}")  # fmt: skip

    @property
    def options(self) -> tuple[str | int, ...]:
        """The answers that there are, in the order of the page."""
        if self.kind == YESNO:
            return (YES, NO)
        return self.choices if self.kind == CHOICE else tuple(range(self.first, self.first + len(self.anchors)))

    def check(self, answer: object) -> None:
        """Raise InputError unless this is one of the answers."""
        if not any(type(answer) is type(one) and answer == one for one in self.options):
            raise InputError(f"answer {answer!r} to {self.id}: expected one of {', '.join(map(str, self.options))}")


def make_questions(given: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> list[Question]:
    """Return the questions of the configuration; a question of kind choice without choices takes the classes.

    Raises InputError for an id that is there twice, a kind without its words, or a topic that the kind cannot have.
    """
    made = []
    for one in given:
        if unknown := sorted(set(one) - set(KEYS)):
            raise InputError(f"question {one.get('id')}: key {unknown[0]}; expected some of {', '.join(KEYS)}")
        fields = {**one, "anchors": tuple(one.get("anchors") or ())}
        fields["choices"] = tuple(one.get("choices") or (classes if one.get("kind") == CHOICE else ()))
        try:
            question = Question(**fields)
        except TypeError:
            raise InputError(f"question {one.get('id')}: expected the keys id, text, about and kind") from None
        if question.topic == CLASS and not set(classes) <= set(question.choices):
            raise InputError(f"question {question.id}: choices {', '.join(question.choices)}: topic class needs each of {', '.join(classes)} among them")  # fmt: skip
        made.append(question)
    ids = [one.id for one in made]
    if twice := [name for name in ids if ids.count(name) > 1]:
        raise InputError(f"question {twice[0]}: its id is there twice; each question needs one of its own")
    return made


def as_json(questions: Sequence[Question]) -> list[dict[str, Any]]:
    """Return questions as what `read_questions` reads."""
    return [asdict(one) for one in questions]


def read_questions(path: Path) -> list[Question]:
    """Return the questions beside drawn forms; raises InputError, one line, where the file holds none."""
    try:
        return make_questions(read_json_list(path, "the questions of forms"), ())
    except (InputError, AttributeError, TypeError) as error:
        raise InputError(f"{path}: {error}; draw the forms again (draw_forms)") from None


def of_form(questions: Sequence[Question], about: str) -> list[Question]:
    """Return the questions that forms about this ask, in order; those with the outline come last."""
    return sorted((one for one in questions if one.about == about), key=lambda one: one.overlay)


def open_before(question: Question, questions: Sequence[Question], given: Collection[str]) -> str | None:
    """Return a question that must be answered before this one and is not among `given`, None where there is none.

    Who has seen the outline judges the film otherwise.
    """
    before = [one.id for one in of_form(questions, question.about) if question.overlay and not one.overlay]
    return next((name for name in before if name not in given), None)
