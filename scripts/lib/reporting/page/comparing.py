"""Two studies beside each other: which answers changed, which lines of evidence, and what differed in configuration and code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json
from scripts.lib.reporting.page.lines import WORDS
from scripts.lib.reporting.page.names import Names
from scripts.lib.reporting.page.page import environment
from scripts.lib.reporting.page.settings import NOT_THERE, ComparedRow, setting_rows
from scripts.lib.reporting.page.words import count, is_are, part_of, percent, sentence, signed, span
from scripts.lib.study.reported import RECORD

NAMED = ("dataset", "metric", "fraction", "arm", "against", "multiplier")


def read_record(place: Path) -> dict[str, Any]:
    """Return the record of a study: of its results folder, of the folder that holds it, or the file itself.

    Raises InputError, one line, where there is none.
    """
    choices = [place] if place.suffix == ".json" else [place / RECORD, place / "results" / RECORD]
    file = next((path for path in choices if path.is_file()), None)
    if file is None:
        raise InputError(
            f"{place}: no {RECORD} in it or in its results/; run `make report DIR={place}`, or name a folder where it has run"
        )
    record = read_json(file, "the record of a report")
    if missing := [name for name in ("study", "comparisons", "lines", "config", "versions") if name not in record]:
        raise InputError(f"{file}: no {', '.join(missing)}; it is no record of a report: make the report again")
    return record


def compare_page(left: Mapping[str, Any], right: Mapping[str, Any], titles: Sequence[str]) -> str:
    """Return the page that puts two records beside each other; `titles` says where they come from."""
    rows = answer_rows(left, right)
    settings = [*setting_rows(left["config"], right["config"])]
    code = [
        ComparedRow(
            "commit", left["commit"] or "not known", right["commit"] or "not known", left["commit"] != right["commit"]
        ),
        *setting_rows(left["versions"], right["versions"]),
    ]
    return (
        environment()
        .get_template("comparison.html")
        .render(
            left=left,
            right=right,
            titles=list(titles),
            headline=headline(rows),
            answers=rows,
            lines=line_rows(left, right),
            settings=settings,
            code=[row for row in code if row.changed],
        )
    )


def headline(rows: Sequence[ComparedRow]) -> str:
    """Return in one sentence how many answers changed."""
    both = [row for row in rows if NOT_THERE not in (row.left, row.right)]
    changed, alone = sum(row.changed for row in both), len(rows) - len(both)
    if not both:
        return "The two studies have no comparison in common."
    rest = f"; {count(alone, 'comparison')} {is_are(alone)} in one of them alone" if alone else ""
    if not changed:
        return sentence(f"All {count(len(both), 'common comparison')} have the same verdict{rest}")
    return sentence(
        f"{part_of(changed, len(both), 'common comparison')} {'has' if changed == 1 else 'have'} another verdict{rest}"
    )


def answer_rows(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[ComparedRow]:
    """Return one row a comparison that either study has, changed verdicts first."""
    sides = [{tuple(one[name] for name in NAMED): one for one in record["comparisons"]} for record in (left, right)]
    rows = []
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        ones = [side.get(key) for side in sides]
        names = Names((left if ones[0] else right)["config"])
        dataset, metric, fraction, arm, against, many = key
        about = f"{names.dataset(dataset)}, {names.metric(metric)}, {percent(fraction)}, {many} per film, {arm} against {against}"
        before, after = (one["verdict"] if one else "" for one in ones)
        rows.append(ComparedRow(about, _told(ones[0]), _told(ones[1]), before != after))
    return sorted(rows, key=lambda row: not row.changed)


def _told(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return NOT_THERE
    if None in (one["difference"], one["low"], one["high"]):
        return str(one["verdict"])
    return f"{one['verdict']}: {signed(float(one['difference']))} ({span(float(one['low']), float(one['high']))})"


def line_rows(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[ComparedRow]:
    """Return one row a line of evidence."""
    sides = [{one["key"]: one for one in record["lines"]} for record in (left, right)]
    rows = []
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        ones = [side.get(key) for side in sides]
        left_state, right_state = (one["state"] if one else "" for one in ones)
        one, other = (f"{WORDS.get(one['state'], '')}: {one['reason']}" if one else NOT_THERE for one in ones)
        title = next(one["title"] for one in ones if one)
        rows.append(ComparedRow(title, one, other, left_state != right_state))
    return rows
