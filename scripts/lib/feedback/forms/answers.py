"""The answers: an append-only log of JSON lines like that of the ratings, written and read here alone.

One line an answer, in this order of keys:
    time      when, ISO 8601 in UTC             session   which process wrote it
    rater     who                               sequence  rising within the session, from 0
    set_id    which form                        place     the form's place in this rater's order, from 0
    role      shared | own | repeat             question  the question's id
    answer    yes | no, one of the choices, or a whole number of a scale
The latest of (rater, place, question) counts, the others are its history. What latest means, what a crash may do and what is
an error: log.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.lib.core.errors import InputError
from scripts.lib.feedback.forms.questions import Question, of_form, open_before
from scripts.lib.feedback.log_lines import LineLog, check_keys, check_origin, filled_lines, in_order, read_object
from scripts.lib.feedback.log_values import ROLES, check_name, whole

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("time", "rater", "set_id", "role", "place", "question", "answer", "session", "sequence")
WHAT = ["rater", "place", "question"]


@dataclass(frozen=True)
class FormAnswer:
    """One answer to one question of a form; raises InputError for what may not stand in the log."""

    rater: str
    set_id: str
    role: str
    place: int
    question: str
    answer: str | int

    def __post_init__(self) -> None:
        for name in ("rater", "set_id", "question"):
            check_name(name, getattr(self, name))
        if self.role not in ROLES:
            raise InputError(f"role {self.role!r}: expected one of {', '.join(ROLES)}")
        object.__setattr__(self, "place", whole("place", self.place, None))
        if isinstance(self.answer, str):
            check_name("answer", self.answer)
        else:
            object.__setattr__(self, "answer", whole("answer", self.answer, None))


class AnswerLog(LineLog[FormAnswer]):
    """The log of answers, appended to; see LineLog."""


def read_answers(
    path: Path, forms: Mapping[str, str], questions: Sequence[Question], raters: Collection[str]
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return (latest, history, warnings) of the log at `path`, as read_ratings does; columns KEYS and `line`.

    forms  {set_id: film | pair | reading}. A line that is no answer to a question of its form raises InputError with file and line.
    """
    import pandas as pd

    asked = {about: {one.id: one for one in of_form(questions, about)} for about in set(forms.values())}
    filled, warnings = filled_lines(
        path, "no answers; give them with python -m scripts.rate_images --forms, or simulate"
    )
    records: list[dict[str, Any]] = []
    placed: dict[tuple[str, int], tuple[str, str]] = {}
    given: dict[tuple[str, int], set[str]] = {}
    for number, line in filled:
        try:
            record = _parse(line, forms, asked, raters)
            shown, where = (record["set_id"], record["role"]), (record["rater"], record["place"])
            if placed.setdefault(where, shown) != shown:
                raise InputError(f"{shown} at a place that held {placed[where]} before")
            asked_here, answered = asked[forms[record["set_id"]]], given.setdefault(where, set())
            if missing := open_before(asked_here[record["question"]], list(asked_here.values()), answered):
                raise InputError(f"{record['question']} before {missing}, which is asked without the outline")
            answered.add(record["question"])
        except InputError as error:
            raise InputError(f"{path}:{number}: {error}; correct or remove this line") from None
        records.append(record | {"line": number})
    history = pd.DataFrame(records, columns=[*KEYS, "line"])
    history = history.astype({**dict.fromkeys(("place", "sequence", "line"), "int64"), "answer": "object"})
    history = in_order(history, path, KEYS, "answer")
    latest = history.drop_duplicates(WHAT, keep="last").sort_values(WHAT, kind="stable", ignore_index=True)
    return latest, history, warnings


def _parse(
    line: bytes, forms: Mapping[str, str], asked: Mapping[str, Mapping[str, Question]], raters: Collection[str]
) -> dict[str, Any]:
    """Return one line as a mapping with the keys KEYS; InputError without file and line."""
    record = check_keys(read_object(line), KEYS)
    answer = FormAnswer(**{field.name: record[field.name] for field in fields(FormAnswer)})
    sequence = check_origin(record, forms, raters)
    known = asked[forms[answer.set_id]]
    if answer.question not in known:
        raise InputError(f"question {answer.question!r} is not of this form, which asks {', '.join(known)}")
    known[answer.question].check(answer.answer)
    return record | asdict(answer) | {"sequence": sequence}
