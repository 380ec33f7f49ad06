"""Which targets a study can make with the films it has, and what stands in the way of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.reporting.check_needs import MISSING, SHOWN, CheckLine, FilmTable, needs_masks
from scripts.lib.study.arms import arm_of
from scripts.lib.study.parts import part_faults
from scripts.lib.training.films import has_reports

# Target, the parts of the configuration that it needs, and what it is for.
TARGETS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("figure2", ("figure2",), "does synthetic data help: the scores with and without it, and the tests"),
    ("evidence", (), "what speaks for and against the answer: copies, fidelity, subgroups, calibration"),
    ("figure3", ("figure3", "finetune", "proxy"), "the proxy model filters and tunes"),
    ("rate", ("feedback",), "radiologists score the images"),
    ("figures", ("figure3", "figure4", "finetune", "proxy", "feedback"), "Figures 1 to 4"),
)

ABOVE = "what has to be mended, at the top of this page"


@dataclass(frozen=True)
class Target:
    """A target of make: whether the study can make it, and why not."""

    name: str
    purpose: str
    reasons: tuple[str, ...]


def targets(config: Mapping[str, Any], films: Mapping[str, FilmTable], found: list[CheckLine]) -> list[Target]:
    """Return every target with the reasons that stand in its way; `found` is what the study's own arms lack."""
    missing = [ABOVE] if any(one.level == MISSING for one in found) else []
    made = []
    for name, parts, purpose in TARGETS:
        reasons = [*missing, *_part_reasons(config, parts), *_film_reasons(config, films, name)]
        made.append(Target(name, purpose, tuple(dict.fromkeys(reasons))))
    return made


def _part_reasons(config: Mapping[str, Any], parts: tuple[str, ...]) -> Iterator[str]:
    for part in parts:
        try:
            yield from part_faults(config, part)
        except InputError as error:
            yield str(error)


def _film_reasons(config: Mapping[str, Any], films: Mapping[str, FilmTable], name: str) -> Iterator[str]:
    """Yield what films lack for the figures of the proxy model and of the raters: masks for their generators, reports."""
    figures = {"figure3": ("figure3",), "figures": ("figure3", "figure4")}.get(name, ())
    arms = [arm_of(config, arm) for figure in figures for arm in config["figures"][figure]["arms"]]
    masked = sorted({arm.name for arm in arms if arm.generator and arm.generator.needs_masks})
    if (
        config["datasets"][config["study"]["generator_dataset"]].get("structures") != []
    ):  # else the configuration says it
        yield from (f"{one.dataset}: {one.what}" for one in needs_masks(config, films, masked))
    if name not in ("rate", "figures"):
        return
    shown = [one for one, splits in config["feedback"]["splits"].items() if splits and one in films]
    if shown and not any(has_reports(films[one].index) for one in shown):
        yield f"{', '.join(shown)}: raters are shown captions of reports, and no film has one"
    masks = config["feedback"]["sets"]["mask_dataset"]
    kinds = config["feedback"]["sets"]["kinds"]
    if masks in films and (kinds.get("mask") or kinds.get("both")) and not (films[masks].index[SHOWN] != 0).any():
        yield f"{masks}: raters are shown images made from masks, and no film has one"
