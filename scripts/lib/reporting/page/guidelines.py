"""Checklists of reporting, as far as a run can answer them: CLAIM 2024, STARD-AI and the synthetic medical data card.

An item that the run cannot know is "for you"; what stands there is a start for an author, no compliance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from scripts.lib.core.markdown import markdown_row
from scripts.lib.downstream.settings import steps_of
from scripts.lib.reporting.page.answers import tested
from scripts.lib.reporting.page.guidelines_items import CARD, CLAIM, STARD, Row
from scripts.lib.reporting.page.lines import GREY, Facts, Line
from scripts.lib.reporting.page.lines_seeds import external_text
from scripts.lib.reporting.page.methods import phantoms
from scripts.lib.reporting.page.words import count, listed, number, percent, sentence
from scripts.lib.study.arms import arm_of
from scripts.lib.study.config import stage
from scripts.lib.study.confounder import counts_passes

FOR_YOU = "for you"


@dataclass(frozen=True)
class Item:
    """An item of a checklist: what it asks, and what the run says to it; FOR_YOU where a person must."""

    number: str
    asks: str
    said: str

    @property
    def is_told(self) -> bool:
        """Whether the run answers it."""
        return self.said != FOR_YOU


@dataclass(frozen=True)
class Checklist:
    """A checklist with its source, and its items in order."""

    name: str
    source: str
    items: tuple[Item, ...]

    @property
    def known(self) -> int:
        """How many items the run answers."""
        return sum(one.is_told for one in self.items)


LISTS: tuple[tuple[str, str, tuple[Row, ...]], ...] = (
    ("CLAIM 2024", "Tejani et al., Radiology: Artificial Intelligence 2024;6(4):e240300; items in short", CLAIM),
    (
        "STARD-AI",
        "Sounderajah et al., Nature Medicine 2025; items of STARD 2015 by number, what STARD-AI adds by topic (AI): fill in its own "
        "form for a submission",
        STARD,
    ),
    ("Synthetic data card (7 Cs)", "arXiv 2406.11143; of the images of all arms", CARD),
)


def checklists(facts: Facts, lines: Sequence[Line], versions: Mapping[str, str], commit: str) -> list[Checklist]:
    """Return the checklists; what is said comes from the configuration, the tables' lines and the installed packages."""
    told = {**_configured(facts, versions, commit), **_measured(facts, lines)}
    said = {key: sentence(tell()) for key, tell in told.items()}
    return [
        Checklist(name, source, tuple(Item(number_, asks, said.get(key) or FOR_YOU) for number_, asks, key in rows))
        for name, source, rows in LISTS
    ]


def _configured(facts: Facts, versions: Mapping[str, str], commit: str) -> dict[str, Callable[[], str]]:
    """Return the facts that configuration and packages tell."""
    study, statistics = facts.config["study"], facts.config["statistics"]
    return {
        "sources": lambda: _sources(facts),
        "preprocessing": lambda: f"films are squares of {study['resolution']} pixels with 8 bits",
        "subsets": lambda: (
            f"{listed([percent(one) for one in study['fractions']])} of the training films, drawn by patient"
        ),
        "missing": lambda: (
            "films that cannot be read are listed with their reason (quarantine.tsv); unknown labels are left out of "
            "training and tests, never taken for absent"
        ),
        "partitions": lambda: (
            "at random by patient with the study's seed, stratified by label, or as the dataset gives them (datasets.*.split)"
        ),
        "level": lambda: "patient",
        "models": lambda: _models(facts),
        "software": lambda: ", ".join(f"{name} {version}" for name, version in versions.items()),
        "training": lambda: _training(facts),
        "metrics": lambda: listed([facts.names.metric(name) for name in _metrics(facts)]),
        "thresholds": lambda: (
            "a finding is called present, and a pixel part of a region, where the model gives it a probability above 0.5; f1_tuned "
            "has a threshold that is tuned on films set aside (trials.validation_share)"
        ),
        "significance": lambda: (
            "two-sided 95 % intervals by bootstrap over patients and trials, P values corrected with Bonferroni at level "
            f"{number(statistics['alpha'])}; one-tailed t tests beside them (test: {statistics['test']})"
        ),
        "tested": lambda: _tested(facts),
        "protocol": lambda: "the whole configuration stands in this report, a description in methods.md",
        "availability": lambda: f"code: Synthorax, commit {commit}; data and models are yours to say" if commit else "",
        "completeness": lambda: (
            "each exported image carries its condition, labels, generator, seed and digest; masks where it was made from one "
            "(export_pool)"
        ),
        "comprehension": lambda: f"{_models(facts)}; what they are for is yours to say",
    }


def _measured(facts: Facts, lines: Sequence[Line]) -> dict[str, Callable[[], str]]:
    """Return the facts that tables tell: the lines that were measured, and where the performance stands."""
    own = {line.key: line for line in lines if line.state != GREY}
    names = {"size": "statistics"}
    keys = ("subgroups", "films", "failures", "leakage", "fidelity", "faithfulness", "copies", "replication")
    names |= {key: key for key in keys}
    found: dict[str, Callable[[], str]] = {
        fact: partial(_plain, own[key].reason) for fact, key in names.items() if key in own
    }
    if facts.comparisons:
        found["performance"] = lambda: "tables differences.csv and intervals.csv of this report"
    if "copies" in own:
        found["copies"] = lambda: f"{own['copies'].reason} Licence and consent are yours to say"
    if elsewhere := external_text(facts):
        found["external"] = lambda: f"on films from elsewhere, without an interval: {elsewhere}"
    if "fidelity" in own:
        found["coverage"] = lambda: _coverage(facts)
    return found


def _metrics(facts: Facts) -> list[str]:
    """Return the metrics that are compared, all that would be where nothing is."""
    compared = {one.metric for one in facts.comparisons}
    return [name for name in facts.config["statistics"]["metrics"] if name in compared or not compared]


def _plain(reason: str) -> str:
    return reason.replace("`", "")


def _coverage(facts: Facts) -> str:
    table = facts.tables.get("fidelity", ["measure"], ["value", "floor"])
    rows = table[(table["measure"] == "coverage") & table["value"].notna()] if table is not None else None
    if rows is None or rows.empty:
        return ""
    text = f"share of real films with an image near them (coverage): {_ends(rows['value'])}"
    floor = rows["floor"].dropna()
    return f"{text}; of real films among themselves {_ends(floor)}" if len(floor) else text


def _ends(values: pd.Series) -> str:
    low, high = number(values.min()), number(values.max())
    return low if low == high else f"{low} to {high}"


def _sources(facts: Facts) -> str:
    study = facts.config["study"]
    drawn = set(phantoms(facts.config))
    names = dict.fromkeys([*study["datasets"], *study["foundation"], study["generator_dataset"]])
    return listed([facts.names.dataset(one) + (" (phantom films)" if one in drawn else "") for one in names])


def _models(facts: Facts) -> str:
    arms = facts.config["study"]["arms"]
    made = dict.fromkeys(arm.generator.name for arm in (arm_of(facts.config, name) for name in arms) if arm.generator)
    generators = f"generators: {listed(list(made))}; " if made else ""
    return f"{generators}downstream models: sections trials and datasets of the configuration in this report"


def _training(facts: Facts) -> str:
    """Return how long models learn, datasets with the same budget together: tasks and datasets may have their own."""
    told: dict[str, list[str]] = {}
    for name in facts.config["study"]["datasets"]:
        told.setdefault(_budget(facts.config, name), []).append(facts.names.dataset(name))
    return next(iter(told)) if len(told) == 1 else "; ".join(f"{listed(names)}: {text}" for text, names in told.items())


def _budget(config: Mapping[str, Any], dataset: str) -> str:
    budget = stage(config, "trials", dataset)["budget"]
    if counts_passes(config, dataset):
        return f"at most {budget['epochs']} passes, stopped after {budget['patience']} without a lower validation loss"
    steps = {fraction: steps_of(budget, fraction) for fraction in config["study"]["fractions"]}
    if len(set(steps.values())) == 1:
        return f"{next(iter(steps.values()))} steps"
    return f"steps: {', '.join(f'{many} at {percent(fraction)}' for fraction, many in steps.items())}"


def _tested(facts: Facts) -> str:
    parts = []
    for dataset in dict.fromkeys(one.dataset for one in facts.comparisons):
        parts.append(
            f"{facts.names.dataset(dataset)}: {tested([one for one in facts.comparisons if one.dataset == dataset])}"
        )
    return "; ".join(parts)


def as_markdown(lists: Sequence[Checklist]) -> str:
    """Return the checklists as Markdown, for a paper's supplement."""
    parts: list[str] = []
    for one in lists:
        rows = [markdown_row((item.number, item.asks, item.said)) for item in one.items]
        told = f"The run answers {one.known} of {count(len(one.items), 'item')}; the others are for you. Source: {one.source}."
        parts.append("\n".join([f"# {one.name}", "", told, "", "| item | asks for | answer |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"
