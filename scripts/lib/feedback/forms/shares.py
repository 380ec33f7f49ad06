"""What the answers say: the share of each answer among edits beside its share among real films, and whether raters agree.

The interval of a share is Clopper and Pearson's, of a number of answers. Answers of several raters to one form are not
independent, so that of all raters together is too narrow; the interval of the difference draws forms and raters anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.core.seeds import rng
from scripts.lib.feedback.agreement import Level, alpha_interval
from scripts.lib.feedback.forms.drawing import REAL
from scripts.lib.feedback.forms.questions import AUTHENTIC, CLASS, NO, READING, SCALE, TRUE, YES, YESNO, Question
from scripts.lib.feedback.forms.questions import REAL as IS_REAL
from scripts.lib.feedback.forms.telling import told_apart
from scripts.lib.fidelity.memorisation import exact_interval

COLUMNS = ["about", "question", "answer", "rater", "n", "count", "share", "low", "high"]
COLUMNS += ["n_real", "count_real", "share_real", "low_real", "high_real", "difference", "difference_low"]
COLUMNS += ["difference_high", "note"]
AGREEMENT = ["about", "question", "measure", "rater", "n", "value", "low", "high", "note"]
ALL, RIGHT = "all", "right"
NOT_INDEPENDENT = "raters share forms, so low and high are too narrow"
EXTREME = "a share of 0 or 1 does not vary when it is drawn anew, so the interval of the difference is too narrow"


def tabulate(
    latest: pd.DataFrame, forms: pd.DataFrame, questions: Sequence[Question], draws: int, seed: int
) -> pd.DataFrame:
    """Return COLUMNS: each question, answer and rater, and all raters together. `latest`: as read_answers returns it.

    Of a question of yes or no the row of yes; of the others a row for each answer, and of a scale with `least` one of yes. `right`:
    answers that are true, where that is known. Repeats are left out. What has no answer has no share, and the note says so.
    """
    first_answers = latest[latest["role"] != "repeat"].merge(forms, on="set_id", validate="many_to_one")
    rows = []
    for question in questions:
        answers = first_answers[first_answers["question"] == question.id]
        for answer, hits in _hits(question, answers):
            marked = answers.assign(hit=hits)
            for rater in (ALL, *sorted(answers["rater"].unique())):
                chosen = marked if rater == ALL else marked[marked["rater"] == rater]
                stream = rng(seed, "forms", question.id, answer, rater)
                about = {"about": question.about, "question": question.id, "answer": answer, "rater": rater}
                rows.append(about | _row(chosen, question.about, draws, stream))
    return pd.DataFrame(rows, columns=COLUMNS)


def noted(
    latest: pd.DataFrame,
    assignments: pd.DataFrame,
    abouts: Mapping[str, str],
    questions: Sequence[Question],
    simulated: bool,
) -> list[str]:
    """Return what all rows are to say: that answers are simulated, and how many are still missing.

    abouts  {set_id: film | pair | reading}, which says what each place asks.
    """
    asked = {about: sum(one.about == about for one in questions) for about in set(abouts.values())}
    wanted = sum(asked[abouts[set_id]] for set_id in assignments["set_id"])
    notes = ["simulated answers: no person has seen these forms"] if simulated else []
    return notes + ([f"{len(latest)} of {wanted} answers given"] if len(latest) < wanted else [])


def true_answer(question: Question, form: Mapping[Any, Any]) -> str | None:
    """Return the true answer to a question of a form, a row of the table of forms; None where none is known.

    A film's class is its label, an edit's the class that was asked for. Both pictures of an edit are of one child, those of a real
    pair of two.
    """
    if question.topic not in TRUE:
        return None
    if question.topic == CLASS:
        return str(form["other"])
    return YES if (form["shown"] == REAL) == (question.topic == IS_REAL) else NO


def _hits(question: Question, answers: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each answer that has a row, and whether each of these lines gives it."""
    given = answers["answer"].to_numpy(dtype=object)
    if question.least is not None:
        yield YES, np.array([one >= question.least for one in given], bool)
    for option in (YES,) if question.kind == YESNO else question.options:
        yield str(option), np.array([one == option for one in given], bool)
    if question.topic in TRUE:
        truths = [true_answer(question, form) for form in answers.to_dict("records")]
        yield RIGHT, np.array([one == truth for one, truth in zip(given, truths)], bool)


def _row(marked: pd.DataFrame, about: str, draws: int, stream: np.random.Generator) -> dict[str, Any]:
    """Return the numbers of one question, answer and rater (or all of them)."""
    row: dict[str, Any] = {}
    for real, end in ((False, ""), (True, "_real")):
        hits = marked.loc[(marked["shown"] == REAL) == real, "hit"]
        count, total = int(hits.sum()), len(hits)
        low, high = exact_interval(count, total)
        row |= {f"n{end}": total, f"count{end}": count, f"share{end}": count / total if total else np.nan}
        row |= {f"low{end}": low, f"high{end}": high}
    several = marked["rater"].nunique() > 1
    made = "synthetic images" if about == READING else "edits"
    notes = [f"no answer about {name}" for name, end in ((made, ""), ("real films", "_real")) if not row[f"n{end}"]]
    low, high = (np.nan, np.nan) if notes else _difference(marked, draws, stream)
    row |= {"difference": row["share"] - row["share_real"], "difference_low": low, "difference_high": high}
    notes += [NOT_INDEPENDENT] if several else []
    notes += [EXTREME] if {row["share"], row["share_real"]} & {0.0, 1.0} else []
    return row | {"note": "; ".join(notes)}


def _difference(marked: pd.DataFrame, draws: int, stream: np.random.Generator) -> tuple[float, float]:
    """Return the 95 % interval of share less share of real films, from forms of each side and raters drawn anew."""
    raters = sorted(marked["rater"].unique())
    rater_times = stream.multinomial(len(raters), np.full(len(raters), 1 / len(raters)), draws)  # (draws, raters)
    shares = []
    for real in (False, True):
        part = marked[(marked["shown"] == REAL) == real]
        table = part.pivot_table(index="set_id", columns="rater", values="hit", aggfunc="mean").reindex(columns=raters)
        side = table.to_numpy(dtype=float)  # (forms, raters), NaN where a rater did not answer
        form_times = stream.multinomial(len(side), np.full(len(side), 1 / len(side)), draws)
        hits, known = (
            np.einsum("df,fr,dr->d", form_times, one, rater_times)
            for one in (np.nan_to_num(side), np.isfinite(side).astype(float))
        )
        shares.append(np.divide(hits, known, out=np.full(draws, np.nan), where=known > 0))
    usable = (shares[0] - shares[1])[np.isfinite(shares[0] - shares[1])]
    if not usable.size:
        return np.nan, np.nan
    low, high = np.quantile(usable, [0.025, 0.975])
    return float(low), float(high)


def agreement(
    latest: pd.DataFrame, questions: Sequence[Question], draws: int, seed: int, forms: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return AGREEMENT: Krippendorff's alpha of each question among raters, and how often each gives a repeat the same answer.

    alpha: nominal for yes or no and choices, ordinal for scales; n counts forms that two raters answered. self: share of a
    rater's repeats with the same answer as before, with Clopper and Pearson's interval. With `forms`, of the question how authentic
    a film looks, auc: forms/telling.py.
    """
    rows = []
    for question in questions:
        answers = latest[latest["question"] == question.id]
        codes = answers["answer"].map({option: number for number, option in enumerate(question.options)}).astype(float)
        answers = answers.assign(code=codes)
        about = {"about": question.about, "question": question.id}
        first = answers[answers["role"] != "repeat"].pivot_table(index="set_id", columns="rater", values="code")
        table = first[first.notna().sum(axis=1) >= 2].dropna(axis=1, how="all")
        level: Level = "ordinal" if question.kind == SCALE else "nominal"
        estimate = alpha_interval(table, draws, seed, level, range(len(question.options)), "form", "answers")
        ends = {
            "value": estimate["value"],
            "low": estimate["ci_low"],
            "high": estimate["ci_high"],
            "note": estimate["note"],
        }
        rows.append(about | {"measure": "alpha", "rater": ALL, "n": len(table)} | ends)
        rows += [about | row for row in _repeats(answers)]
        if question.topic == AUTHENTIC and forms is not None:
            rows += [
                about | row for row in told_apart(answers.merge(forms[["set_id", "shown"]], on="set_id"), draws, seed)
            ]
    return pd.DataFrame(rows, columns=AGREEMENT)


def _repeats(answers: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield a row for each rater who was shown forms twice."""
    for rater, mine in answers.groupby("rater", sort=True):
        again = mine[mine["role"] == "repeat"].merge(
            mine[mine["role"] != "repeat"], on="set_id", suffixes=("", "_first")
        )
        if not len(again):
            continue
        same = int((again["code"] == again["code_first"]).sum())
        low, high = exact_interval(same, len(again))
        ends = {"value": same / len(again), "low": low, "high": high, "note": ""}
        yield {"measure": "self", "rater": str(rater), "n": len(again)} | ends
