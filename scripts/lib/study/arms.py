"""The registry of arms: what a trial may add to its real films, which models make it, and which filters choose among it.

A new generator or filter is one entry here, one section of the configuration and the rules that make it. Schema, checks of what
an arm has learned, rules, figures and planner ask this file.
Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.lib.core.errors import InputError

# What teaches a generator or decides for a filter, beside its own settings. study/exposure.py says what follows from each.
FOUNDATION = "foundation"  # films and reports of study.foundation, through the model of section `base`
RATERS = "raters"  # images made from masks and reports of feedback.splits, as raters scored them
VALIDATION = "validation"  # labels of proxy.validation
KEPT = "kept"  # what a filter kept of the pool of finetune.source


@dataclass(frozen=True)
class Generator:
    """A model that makes images: `name` is its folder below results/generators, `section` its part of the configuration.

    rule         makes the folder
    taught_by    what it learned from, of the four above
    needs_masks  whether it learns from films with masks, those of study.generator_dataset
    """

    name: str
    section: str
    rule: str
    taught_by: tuple[str, ...]
    needs_masks: bool = True

    @property
    def folder(self) -> str:
        """Where the workflow puts it."""
        return f"results/generators/{self.name}"


@dataclass(frozen=True)
class Filter:
    """What keeps part of a pool, as a list `file` beside its shards; `taught_by` says what decides what it keeps."""

    name: str
    section: str
    rule: str
    taught_by: tuple[str, ...]
    file: str = "kept.parquet"


@dataclass(frozen=True)
class Source:
    """Where an arm's images come from. `adds`: its trials train on images beside the real films, at multipliers above 0."""

    name: str
    adds: bool

    def multipliers(self, wanted: list[int]) -> list[int]:
        """Return those of a fraction's multipliers that an arm with this source runs."""
        return [value for value in wanted if (value > 0) == self.adds]


GENERATORS = {
    one.name: one
    for one in (
        Generator("controlnet", "controlnet", "train_controlnet", (FOUNDATION,)),
        Generator("proxy-tuned", "finetune", "finetune_generator", (FOUNDATION, KEPT)),
        Generator("dpo", "dpo", "train_dpo", (FOUNDATION, RATERS)),
    )
}
FILTERS = {one.name: one for one in (Filter("proxy", "proxy", "filter_pool", (VALIDATION,)),)}
NOTHING, POOL = Source("nothing", adds=False), Source("pool", adds=True)
REAL = "real"  # the arm that is always there


@dataclass(frozen=True)
class Arm:
    """One arm of a study: what it adds, and in which cells it runs ({datasets, fractions}; left out = all)."""

    name: str
    source: Source
    generator: Generator | None = None
    filter: Filter | None = None
    candidates: int = 1
    cells: Mapping[str, Any] = field(default_factory=dict)

    @property
    def taught_by(self) -> set[str]:
        """What has taught its generator or decides for its filter."""
        return {one for part in (self.generator, self.filter) if part for one in part.taught_by}

    def covers(self, dataset: str, fraction: str | float) -> bool:
        """Whether its own key `cells` has this dataset and fraction."""
        fractions = [f"{value:g}" for value in self.cells.get("fractions", [float(fraction)])]
        return dataset in self.cells.get("datasets", [dataset]) and f"{float(fraction):g}" in fractions


def arm_of(config: Mapping[str, Any], name: str) -> Arm:
    """Return an arm by its name: `real`, or one of the section `arms`; raises InputError for any other."""
    if name == REAL:
        return Arm(REAL, NOTHING)
    if name not in config["arms"]:
        raise InputError(f"config: arms.{name} is missing; known arms: {', '.join(config['arms'])}")
    given = config["arms"][name]
    chosen = FILTERS[given["filter"]] if given.get("filter") else None
    candidates = given.get("candidates", 1) if chosen else 1
    return Arm(name, POOL, GENERATORS[given["generator"]], chosen, candidates, given.get("cells", {}))


def trained_sections() -> dict[str, str]:
    """Return {rule: section} of every generator that the workflow trains."""
    return {one.rule: one.section for one in GENERATORS.values()}
