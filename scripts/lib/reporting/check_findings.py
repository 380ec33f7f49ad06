"""All findings of a check: what the preparation would stop at, what the study lacks, and what makes one wonder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.cohort.looking import Look
from scripts.lib.core.errors import InputError
from scripts.lib.reporting import check_facts
from scripts.lib.reporting.check_needs import MISSING, WARNING, CheckLine, FilmTable, missing_needs
from scripts.lib.reporting.check_precision import few_tested
from scripts.lib.reporting.check_teaching import few_taught


def film_tables(looks: Sequence[Look]) -> dict[str, FilmTable]:
    """Return what is known of the films of each dataset whose tables can be used and whose films have a split."""
    usable = (look for look in looks if len(look.films) and look.films["split"].notna().all())
    return {look.name: FilmTable(look.films, look.labels, look.structures) for look in usable}


def findings(config: Mapping[str, Any], looks: Sequence[Look], roots: Mapping[str, Path]) -> list[CheckLine]:
    """Return all findings, what stops the study first, without repeats."""
    lines = [
        CheckLine(MISSING, look.name, fault.removeprefix(f"{look.name}: "), "")
        for look in looks
        for fault in look.faults
    ]
    try:
        lines += missing_needs(config, film_tables(looks))
    except InputError as error:
        lines.append(CheckLine(MISSING, config["study"]["name"], str(error), ""))
    for look in looks:
        lines += check_facts.warnings_of(look, config["datasets"][look.name], roots[look.name])
        if look.name in config["study"]["datasets"]:
            lines += few_tested(look, config["datasets"][look.name])
        if look.cohort is not None:
            warned = {} if look.sampled else dict.fromkeys(look.cohort.meta["warnings"])
            lines += [
                CheckLine(WARNING, look.name, line, "") for line in warned if "its metrics there are n/a" not in line
            ]
            lines += _repeats(look)
    lines += few_taught(config, looks)
    levels = {MISSING: 0, WARNING: 1}
    return sorted(dict.fromkeys(lines), key=lambda one: levels.get(one.level, 2))


def _repeats(look: Look) -> list[CheckLine]:
    """Return a warning where the same picture stands for films that differ in label or patient."""
    assert look.cohort is not None
    groups = check_facts.duplicates(look.cohort, look.labels)
    odd = [group for group in groups if group["differ"]]
    if not odd:
        return []
    many = "1 picture is" if len(odd) == 1 else f"{len(odd)} pictures are"
    what = f"{many} there more than once with different {odd[0]['differ'][0]}, e.g. {' and '.join(odd[0]['ids'][:2])}"
    return [CheckLine(WARNING, look.name, what, "look at them below: one row of each is wrong")]
