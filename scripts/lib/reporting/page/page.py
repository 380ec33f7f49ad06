"""The page as a whole: what it says and shows of a results folder, and its HTML."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

from scripts.lib.reporting.page.ages import date_of, outdated
from scripts.lib.reporting.page.answers import Answer, answers, headline
from scripts.lib.reporting.page.arms import ArmRow, other_comparisons
from scripts.lib.reporting.page.comparisons import VERDICTS, ComparisonRow, read_comparisons
from scripts.lib.reporting.page.durations import time_text
from scripts.lib.reporting.page.glossary import glossary
from scripts.lib.reporting.page.grid import MARKS, MEANINGS, place, scale_of
from scripts.lib.reporting.page.guidelines import Checklist, checklists
from scripts.lib.reporting.page.lines import AMBER, GREEN, GREY, RED, WORDS, Facts, Line
from scripts.lib.reporting.page.lines_seeds import over_seeds
from scripts.lib.reporting.page.methods import commit, films_of_study, methods, phantoms, versions
from scripts.lib.reporting.page.names import Names
from scripts.lib.reporting.page.pictures import PagePicture, one_of_each_pool, picture
from scripts.lib.reporting.page.sections import FIGURES, NAMED, SECTIONS, SHEETS, PageSection
from scripts.lib.reporting.page.settings import paper_of, paper_rows
from scripts.lib.reporting.page.shown import ShownTable, anchor_of, meanings, shown
from scripts.lib.reporting.page.tables import Tables
from scripts.lib.reporting.page.tried import FILES, PICTURES, tried
from scripts.lib.reporting.page.words import count, is_are, listed, number, percent, signed, span
from scripts.lib.study.parts import study_datasets
from scripts.lib.study.reported import ELSEWHERE, TEMPLATES

MOST_PICTURES = 12  # of one section; the others are named
WORST_FIRST = [(state, WORDS[state]) for state in (RED, AMBER, GREEN, GREY)]
SIGNS = {GREEN: "✓", AMBER: "!", RED: "✕", GREY: "?"}


@dataclass(frozen=True)
class PagePart:
    """A section of the page: its line (None for sections that answer no question), and what it shows."""

    key: str
    title: str
    about: str
    line: Line | None
    pictures: tuple[PagePicture, ...]
    tables: tuple[ShownTable, ...]
    named: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """Everything that the page says of a study."""

    name: str
    config: Mapping[str, Any]
    facts: Facts
    headline: str
    seeds: str
    answers: tuple[Answer, ...]
    others: tuple[ArmRow, ...]
    evidence: tuple[PagePart, ...]
    figures: PagePart
    images: PagePart
    tried: PagePart
    more: PagePart
    date: str
    commit: str
    time: str
    versions: Mapping[str, str]

    @property
    def guidelines(self) -> list[Checklist]:
        """The checklists of reporting with what the run says to their items."""
        return checklists(self.facts, self.lines, self.versions, self.commit)

    @property
    def lines(self) -> list[Line]:
        """The lines of evidence in the order of their sections."""
        return [part.line for part in self.evidence if part.line]


def make_report(results: Path, config: Mapping[str, Any]) -> Report:
    """Return what the page says of a results folder; `config` is the study's resolved configuration.

    A table or picture that is not there is left out, and its line says "not measured". Raises InputError, one line, for a table
    or picture that is there and cannot be read.
    """
    tables, names = Tables(results, study_datasets(config)), Names(config)
    comparisons = read_comparisons(tables, config)
    facts = Facts(tables, comparisons, config, names)
    evidence = tuple(_part(facts, one) for one in SECTIONS if not one.optional or tables.files(one.tables))
    return Report(
        str(config["study"]["name"]),
        config,
        facts,
        headline(comparisons, facts.arm, names),
        over_seeds(facts),
        tuple(answers(comparisons, facts.arm, names)),
        tuple(other_comparisons(comparisons, facts.arm)),
        evidence,
        _plain(facts, "figures", "Figures", tables.files(FIGURES), []),
        _plain(facts, "images", "Images", tables.files(SHEETS), []),
        _tried(facts),
        _more(facts),
        date_of(results),
        commit(),
        time_text(results),
        versions(),
    )


def _part(facts: Facts, section: PageSection) -> PagePart:
    line = section.tell(facts)
    if line.state != GREY and (old := outdated(facts.tables, section.tables)):
        state = AMBER if line.state == GREEN else line.state
        line = dataclasses.replace(line, state=state, reason=f"{line.reason} {old}")
    pictures, tables = facts.tables.files(section.pictures), facts.tables.files(section.tables)
    part = _plain(facts, line.key, line.title, pictures, tables)
    about = f"{section.about} {section.pictured if part.pictures else ''}".strip()
    return dataclasses.replace(part, about=about, line=line)


def _plain(facts: Facts, key: str, title: str, pictures: Sequence[str], tables: Sequence[str]) -> PagePart:
    results = facts.tables.results
    chosen, others = one_of_each_pool(pictures)
    drawn = tuple(picture(results, file, facts.names) for file in chosen[:MOST_PICTURES])
    listed_ = tuple(table for file in tables if (table := shown(facts.tables, file)))
    return PagePart(key, title, "", None, drawn, listed_, (*chosen[MOST_PICTURES:], *others))


def _tried(facts: Facts) -> PagePart:
    """Return what was tried of a class-conditional model, empty where the study has none."""
    part = _plain(facts, "model", "The class-conditional model", facts.tables.files(PICTURES), FILES)
    return dataclasses.replace(part, about=" ".join(tried(facts.tables)))


def _more(facts: Facts) -> PagePart:
    """Return the tables and pictures that no other section shows, so that nothing is lost that a stage has written."""
    used = [pattern for section in SECTIONS for pattern in (*section.tables, *section.pictures)]
    known = set(facts.tables.files([*used, *FIGURES, *SHEETS, *NAMED, *FILES, *PICTURES]))
    others = [file for file in facts.tables.files(ELSEWHERE) if file not in known]
    pictures = [file for file in others if file.endswith(".png")]
    part = _plain(facts, "more", "More tables and pictures", pictures, [one for one in others if one.endswith(".csv")])
    return dataclasses.replace(part, named=(*part.named, *facts.tables.files(NAMED)))


def render(report: Report) -> str:
    """Return the page as HTML: one file, which asks no network."""
    context = {
        **{field.name: getattr(report, field.name) for field in dataclasses.fields(report)},
        "lines": report.lines,
        "guidelines": report.guidelines,
        "counts": [(word, state, sum(one.state == state for one in report.lines)) for state, word in WORST_FIRST],
        "plural": {"holds": "hold", "fails": "fail"},
        "verdicts": _verdicts(report),
        "scale": scale_of(_own(report)),
        "added": report.facts.names.added(report.facts.arm),
        "all_phantoms": len(phantoms(report.config)) == len(films_of_study(report.config)),
        "multipliers": sorted({one.multiplier for one in _own(report)}),
        "phantoms": [report.facts.names.dataset(name) for name in phantoms(report.config)],
        "paper": paper_of(report.config),
        "paper_rows": paper_rows(report.config),
        "methods": methods(report.config, report.facts.names),
        "glossary": glossary(
            report.config,
            [one.key for one in report.lines if one.state != GREY],
            {one.metric for one in report.facts.comparisons},
        ),
        "alpha": report.config["statistics"]["alpha"],
        "wanted": report.config["statistics"]["power"]["difference"],
        "settings": yaml.safe_dump(
            json.loads(json.dumps(report.config)), sort_keys=False, allow_unicode=True, width=110
        ),
    }
    return environment().get_template("report.html").render(context)


def _own(report: Report) -> list[ComparisonRow]:
    return [one for answer in report.answers for setting in answer.settings for one in setting.comparisons]


def _verdicts(report: Report) -> list[tuple[str, int]]:
    own = _own(report)
    return [(name, found) for name in VERDICTS if (found := sum(one.verdict == name for one in own))]


def environment() -> jinja2.Environment:
    """Return the templates' environment: every value is escaped, and a name that is not given is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=number,
        signed=signed,
        percent=percent,
        listed=listed,
        anchor=anchor_of,
        slug=lambda text: text.replace(" ", "-"),
        ticks=ticks,
    )
    made.globals.update(
        count=count,
        span=span,
        is_are=is_are,
        meanings=meanings,
        MARKS=MARKS,
        MEANINGS=MEANINGS,
        place=place,
        SIGNS=SIGNS,
        finite=math.isfinite,
        file_text=_file_text,
    )
    return made


def ticks(text: str) -> Markup:
    """Return a text with what stands between backticks as <code>, all else escaped; a line never ends before "%" or "<"."""
    held = re.compile(r" (?=[%<=])|(?<=[<=]) ")
    parts = str(text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(one) if n % 2 else held.sub("\N{NO-BREAK SPACE}", one)
        for n, one in enumerate(parts)
    )


def _file_text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def record(report: Report) -> str:
    """Return the same as JSON (report.json), by which studies are compared: answers, lines, configuration, versions."""
    content = {
        "study": report.name,
        "headline": report.headline,
        "date": report.date,
        "commit": report.commit,
        "versions": dict(report.versions),
        "comparisons": [dataclasses.asdict(one) for one in report.facts.comparisons],
        "lines": [dataclasses.asdict(one) for one in report.lines],
        "config": report.config,
    }
    return json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    """Return a value with null for numbers that JSON does not know."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value
