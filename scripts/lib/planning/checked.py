"""What a study will cost, from films that a check has counted before any cohort is there."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from scripts.lib.cohort.looking import Look
from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.engine.lean_imports import lean_imports
from scripts.lib.planning.estimate import Plan, machine_size, make_plan, wall_hours
from scripts.lib.planning.jobs import list_jobs
from scripts.lib.planning.rates import read_rates
from scripts.lib.planning.sizes import COUNTED, Size, counted_for, read_sizes
from scripts.lib.reporting.check_page import Cost


def cost_of(config: Mapping[str, Any], looks: Sequence[Look]) -> Cost:
    """Return hours and gigabytes of the study's default target on its class of machines (compute.machine)."""
    name = config["compute"]["machine"]
    try:
        rates = read_rates(name)
        cores, gpus = machine_size(None, None, rates["machine"], config)
        with tempfile.NamedTemporaryFile("w", prefix="synthorax-check-", suffix=".json") as overlay:
            json.dump(config, overlay)
            overlay.flush()
            jobs = list_jobs([Path(overlay.name)], [], cores)
        # A process of its own: pricing loads torch to count the operations of networks, and the tables of all films stay out of it.
        with ProcessPoolExecutor(1, get_context("spawn")) as beside:
            sizes = read_sizes(config, Path("results")) | _sizes(looks)
            plan = beside.submit(_plan, jobs, config, sizes, rates).result()
    except InputError as error:
        return Cost(name, None, 0.0, why=str(error))
    hours = None if plan.total.unknown_sizes else wall_hours(plan, cores, gpus)
    return Cost(f"{name} ({cores} cores)", hours, plan.total.disk_gb, plan.warnings)


def _plan(*given: Any) -> Plan:
    with lean_imports():
        return make_plan(*given)


def write_counts(path: Path, config: Mapping[str, Any], looks: Sequence[Look]) -> None:
    """Write how many films each side of each dataset has, as JSON, for plans made before its cohort is there."""
    counts = {
        name: {"of": counted_for(config, name), "listed": size.listed, "splits": size.splits, "masked": size.masked}
        for name, size in _sizes(looks).items()
    }
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(counts, indent=1) + "\n")


def _sizes(looks: Sequence[Look]) -> dict[str, Size]:
    sizes = {}
    for look in looks:
        if len(look.films):
            splits = {str(name): count for name, count in look.films["split"].value_counts().items()}
            sizes[look.name] = Size(COUNTED, look.listed, splits, bool(look.structures))
    return sizes
