"""How often a generator that a study trains sees each of its films: one that sees few films often gives them back.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.lib.study.arms import CLASS, FOUNDATION, Arm, arm_of
from scripts.lib.study.teachers import learned_split

# With 247 passes over 168 real films no more near-copies were found than among films that taught nothing; with 2,300 over 18
# real films nine of ten images were, with 1,600 over 20 phantom films nearly all (docs/fidelity.md).
OFTEN = 500


@dataclass(frozen=True)
class SeenFilms:
    """A generator with the films that teach it, of these `datasets`, and how often its training sees each."""

    section: str
    datasets: tuple[str, ...]
    films: int
    passes: float

    @property
    def often(self) -> bool:
        """Whether its images will be near-copies."""
        return self.passes > OFTEN

    @property
    def words(self) -> str:
        """What is said of it."""
        name = {"base": "the foundation model", "class_ldm": "the class-conditional model"}[self.section]
        return f"{name} learns from {self.films} film{'s' if self.films > 1 else ''} and sees each some {round(self.passes, -2):,.0f} times"


def taught(config: Mapping[str, Any], counts: Mapping[str, Mapping[str, int]]) -> Iterator[SeenFilms]:
    """Yield the generators that the study's arms need and that it trains on films.

    counts  {dataset: {split: films}}; a generator of whose datasets one is missing is left out, as is one without films
    """
    study = config["study"]
    arms = [arm_of(config, name) for name in study["arms"]]
    splits: dict[str, dict[str, str]] = {}
    if config["base"]["path"] is None and any(FOUNDATION in arm.taught_by for arm in arms):
        splits["base"] = {name: learned_split(config, name) for name in study["foundation"]}
    if any(_follows_classes(arm) for arm in arms):
        splits["class_ldm"] = {study["generator_dataset"]: "generator"}
    for section, sides in splits.items():
        if not set(sides) <= set(counts):
            continue
        films = sum(counts[name].get(split, 0) for name, split in sides.items())
        unet = config[section]["unet"]
        seen = unet["steps"] * unet["batch_size"] * unet["gradient_accumulation"]
        if films:
            yield SeenFilms(section, tuple(sides), films, seen / films)


def _follows_classes(arm: Arm) -> bool:
    return arm.generator is not None and arm.generator.follows == CLASS
