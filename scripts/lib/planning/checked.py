"""What a study will cost, from films that a check has counted before any cohort is there."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.cohort.looking import Look
from scripts.lib.core.errors import InputError
from scripts.lib.planning.estimate import machine_size, make_plan, wall_hours
from scripts.lib.planning.jobs import list_jobs
from scripts.lib.planning.rates import read_rates
from scripts.lib.planning.sizes import Size, read_sizes
from scripts.lib.reporting.check_page import Cost

COUNTED = "check of the films"


def cost_of(config: Mapping[str, Any], looks: Sequence[Look]) -> Cost:
    """Return hours and gigabytes of the study's default target on its class of machines (compute.machine)."""
    name = config["compute"]["machine"]
    try:
        rates = read_rates(name)
        cores, gpus = machine_size(None, None, rates["machine"], config)
        sizes = {**read_sizes(config, Path("results")), **{look.name: _size(look) for look in looks if len(look.films)}}
        with tempfile.TemporaryDirectory(prefix="synthorax-check-") as folder:
            overlay = Path(folder, "study.json")
            overlay.write_text(json.dumps(config))
            plan = make_plan(list_jobs(config, [overlay], [], cores), config, sizes, rates)
    except InputError as error:
        return Cost(name, None, 0.0, why=str(error))
    unknown = any(line.unknown_sizes for line in plan.lines)
    hours = None if unknown else wall_hours(plan, cores, gpus)
    return Cost(f"{name} ({cores} cores)", hours, sum(line.disk_gb for line in plan.lines), plan.warnings)


def _size(look: Look) -> Size:
    splits = look.films["split"].dropna().value_counts().to_dict()
    masked = bool(look.structures)
    return Size(COUNTED, look.listed, {str(name): int(count) for name, count in splits.items()}, masked)
