"""Simulated answers, by rules that see pixels alone: for a phantom, to test the way from forms to tables.

A picture looks real where it lies among real films by grey values, sharpness and coarse form; it shows a finding where a kernel
regression on real films finds it; two pictures are of one child where they are more alike than films of two children. What a
film or an edit is called is never looked at. What an answer is worth clinically, only radiologists can say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng
from scripts.lib.feedback.forms import questions as ask
from scripts.lib.feedback.forms.answers import FormAnswer
from scripts.lib.feedback.forms.questions import Question
from scripts.lib.feedback.truth import ArtefactJudge, FindingJudge, reduce_films

CHANGED = 8  # grey levels by which a pixel differs that counts as changed
ALIKE = 0.99  # share of pairs of films of two children that are less alike than one child's pictures have to be
STEEP = 2.0  # how fast doubt fades as likeness leaves that bound
SHARP = 4.0  # how fast a picture stops looking real as it leaves where real films lie
GAIN = 0.25  # by how much a finding must change to be seen as changed


def evidence(forms: pd.DataFrame, pictures: Cohort, films: Cohort, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return {set_id: {topic: value in 0..1, a yes above .5; `class`: {class: value}}} of forms.

    films  real films that the rules are learned from, none of them shown; names: the classes, `normal` first. Raises InputError
           where a class cannot be told on these films.
    """
    known = films.images(slice(None))
    judge = FindingJudge()
    judge.learn(known, {name: films.index[name].to_numpy(dtype=float, na_value=np.nan) for name in names[1:]}, {})
    if unknown := [name for name in names[1:] if name not in judge.findings]:
        raise InputError(
            f"{films.folders[0]}: {unknown[0]} cannot be told on {len(films)} films of split train, so nobody can be simulated; "
            "give more films, or a log in edits.questionnaire.answers"
        )
    artefact, usual = ArtefactJudge(known), _usual_likeness(known)
    shown = pictures.images(slice(None))
    presence = judge.presence(shown)
    labels = np.column_stack([presence[name] for name in names[1:]])
    classes = np.column_stack([1 - labels.max(axis=1), labels])
    usual_looks, codes = looks_real(artefact, shown), reduce_films(shown)
    table: dict[str, dict[str, Any]] = {}
    for form in forms.to_dict("records"):
        second, seen = form["second"], {}
        seen[ask.REAL] = seen[ask.PLAUSIBLE] = usual_looks[second]
        seen[ask.CLASS] = dict(zip(names, classes[second]))
        seen[ask.SURE] = 2 * abs(classes[second].max() - 0.5)
        if form["about"] == ask.PAIR:
            first, place = int(form["first"]), list(names).index(form["other"])
            alike = float((codes[first] * codes[second]).mean())  # both have mean 0 and deviation 1
            moved = np.abs(shown[first].astype(np.int16) - shown[second].astype(np.int16)) >= CHANGED
            seen[ask.SAME] = 0.5 + STEEP * (alike - usual)
            seen[ask.CHANGE] = 0.5 + classes[second, place] - classes[first, place] - GAIN
            seen[ask.ELSEWHERE] = float(moved.mean())
        table[form["set_id"]] = seen
    return table


def simulate(
    forms: pd.DataFrame, assignments: pd.DataFrame, questions: Sequence[Question], seen: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any], seed: int,
) -> Iterator[FormAnswer]:  # fmt: skip
    """Yield every answer of every rater, in the order in which they are given; the same for any order of the tables.

    An answer follows evidence + severity of the rater + noise. settings: severity and noise, standard deviations on 0..1.
    """
    about = dict(zip(forms["set_id"], forms["about"]))
    for rater, of_rater in assignments.sort_values(["rater", "place"]).groupby("rater", sort=True):
        severity = rng(seed, "forms", "rater", rater).normal(0, settings["severity"])
        for place, set_id, role in zip(of_rater["place"], of_rater["set_id"], of_rater["role"]):
            stream = rng(seed, "forms", "noise", rater, set_id, role == "repeat")
            for question in ask.of_form(questions, about[set_id]):
                answer = _answer(question, seen[set_id], severity, settings["noise"], stream)
                yield FormAnswer(str(rater), str(set_id), str(role), int(place), question.id, answer)


def looks_real(artefact: ArtefactJudge, shown: np.ndarray) -> np.ndarray:
    """Return how real pictures uint8 (n, H, H) look, (n,) in 0..1: .5 where only 5 % of real films lie farther from their middle."""
    return np.asarray(1 / (1 + artefact.far(shown) ** SHARP))


def teaching_rows(cohort: Cohort, most: int, seed: int) -> np.ndarray:
    """Return the rows of films of split train that the rules of simulated raters are learned from, at most `most`."""
    rows = cohort.rows(split="train")
    return rows[np.sort(rng(seed, "forms", "judge").permutation(len(rows))[:most])]


def _answer(
    question: Question, seen: Mapping[str, Any], severity: float, noise: float, stream: np.random.Generator
) -> str | int:
    """Return one answer; a question of no topic is answered by chance."""
    options = question.options
    if question.topic is None:
        return options[int(stream.integers(len(options)))]
    if question.topic == ask.CLASS:
        values = np.array(list(seen[ask.CLASS].values()))
        return str(list(seen[ask.CLASS])[int((values + stream.normal(0, noise, len(values))).argmax())])
    value = seen[question.topic] + severity + stream.normal(0, noise)
    if question.kind == ask.YESNO:
        return ask.YES if value > 0.5 else ask.NO
    return int(np.clip(np.rint(question.first + value * (len(options) - 1)), options[0], options[-1]))


def _usual_likeness(films: np.ndarray) -> float:
    """Return the likeness that ALIKE of the pairs of neighbours in the store stay below; films uint8 (n, H, H)."""
    codes = reduce_films(films)
    return float(np.quantile((codes * np.roll(codes, 1, axis=0)).mean(axis=1), ALIKE))
