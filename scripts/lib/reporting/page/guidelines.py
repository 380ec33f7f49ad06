"""CLAIM 2024 (Tejani et al., Radiology: Artificial Intelligence 2024;6(4):e240300), as far as a run can answer it.

Items stand in short words of our own; the numbers are the checklist's. An item that the run cannot know is "for you".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scripts.lib.reporting.page.answers import tested
from scripts.lib.reporting.page.lines import GREY, Facts, Line
from scripts.lib.reporting.page.methods import phantoms
from scripts.lib.reporting.page.words import count, listed, number, percent, sentence
from scripts.lib.study.arms import arm_of

FOR_YOU = "for you"
NAME = "CLAIM 2024"


@dataclass(frozen=True)
class Item:
    """An item of the checklist: what it asks, and what the run says to it; FOR_YOU where a person must."""

    number: int
    asks: str
    said: str

    @property
    def is_told(self) -> bool:
        """Whether the run answers it."""
        return self.said != FOR_YOU


ASKS = (
    "the title names the kind of AI",
    "structured summary",
    "scientific and clinical background, intended use",
    "aims and hypotheses",
    "prospective or retrospective",
    "goal of the study",
    "data sources",
    "inclusion and exclusion criteria",
    "preprocessing",
    "selection of data subsets",
    "de-identification",
    "handling of missing data",
    "image acquisition",
    "how the reference standard was obtained",
    "why this reference standard",
    "who annotated",
    "annotation of the test set",
    "variability within and between raters",
    "how data were assigned to partitions",
    "level at which partitions are disjoint",
    "intended sample size",
    "model",
    "software and versions",
    "initialisation of parameters",
    "training",
    "choice of the final model",
    "ensembling",
    "metrics",
    "significance and uncertainty",
    "robustness and sensitivity analyses",
    "explainability",
    "evaluation on internal data",
    "testing on external data",
    "registration of a clinical trial",
    "numbers included and excluded",
    "characteristics of cases in each partition",
    "performance with uncertainty",
    "diagnostic performance and its precision",
    "failure analysis",
    "limitations",
    "implications for practice",
    "protocol or technical details",
    "availability of software, model and data",
    "funding",
)


def claim(facts: Facts, lines: Sequence[Line], versions: Mapping[str, str], commit: str) -> list[Item]:
    """Return all items in order; what is said comes from the configuration, the tables' lines and the installed packages."""
    own = {line.key: line for line in lines}
    told: dict[int, Callable[[], str]] = {
        7: lambda: _sources(facts),
        9: lambda: f"Films are squares of {facts.config['study']['resolution']} pixels with 8 bits",
        10: lambda: (
            f"{listed([percent(one) for one in facts.config['study']['fractions']])} of the training films, drawn by patient"
        ),
        19: lambda: "At random by patient with the study's seed, or as the dataset gives them (datasets.*.split)",
        20: lambda: "Patient",
        21: lambda: own["statistics"].reason,
        22: lambda: _models(facts),
        23: lambda: ", ".join(f"{name} {version}" for name, version in versions.items()),
        25: lambda: _training(facts),
        28: lambda: listed([facts.names.metric(name) for name in facts.config["statistics"]["metrics"]]),
        29: lambda: (
            "Two-sided 95 % intervals by bootstrap over patients and trials, P values corrected with Bonferroni at level "
            f"{number(facts.config['statistics']['alpha'])}; one-tailed t tests beside them (test: {facts.config['statistics']['test']})"
        ),
        32: lambda: _tested(facts),
        35: lambda: own["films"].reason,
        43: lambda: f"Synthorax, commit {commit}" if commit else "",
    }
    for item, key in ((30, "subgroups"), (33, "replication"), (38, "calibration"), (39, "failures")):
        if own[key].state != GREY:
            told[item] = lambda key=key: own[key].reason  # type: ignore[misc]
    if own["films"].state == GREY:
        del told[35]
    if facts.comparisons:
        told[37] = lambda: "Tables differences.csv and intervals.csv of this report"
    return [
        Item(n, asks, sentence(told[n]()) or FOR_YOU if n in told else FOR_YOU) for n, asks in enumerate(ASKS, start=1)
    ]


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
    budget = facts.config["trials"]["budget"]
    if budget["kind"] != "steps":
        return f"at most {budget['epochs']} passes, stopped after {budget['patience']} without a lower validation loss"
    steps = budget["steps"]
    return "steps: " + (
        ", ".join(f"{many} at {percent(float(one))}" for one, many in steps.items())
        if isinstance(steps, dict)
        else str(steps)
    )


def _tested(facts: Facts) -> str:
    parts = []
    for dataset in dict.fromkeys(one.dataset for one in facts.comparisons):
        parts.append(
            f"{facts.names.dataset(dataset)}: {tested([one for one in facts.comparisons if one.dataset == dataset])}"
        )
    return "; ".join(parts)


def as_markdown(items: Sequence[Item]) -> str:
    """Return the checklist as Markdown, for a paper's supplement."""
    known = sum(one.is_told for one in items)
    head = [f"# {NAME}", "", f"The run answers {known} of {count(len(items), 'item')}; the others are for you.", ""]
    rows = [f"| {one.number} | {one.asks} | {one.said.replace('|', chr(92) + '|')} |" for one in items]
    return "\n".join([*head, "| item | asks for | answer |", "|---|---|---|", *rows]) + "\n"
