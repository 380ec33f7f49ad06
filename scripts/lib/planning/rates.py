"""What a class of machines does per second, as measured: benchmarks/rates/{class}.yaml.

    machine: {name, processor, cores, memory_gb, gpu, gpu_memory_gb, peak_tflops, peak_source, date, software}
    rates:
      train_controlnet:            a rule (sample_rated_pool counts as sample_pool)
        job_seconds: 9.1           of a job beside its units: imports, opening, writing
        rss_mb: 1213               largest resident memory seen
        units:
        - {unit: step, per_second: 4.1, shape: {...}, source: where this was measured}

A rate holds for its shape alone (shapes.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from scripts.lib.atomic import atomic_file
from scripts.lib.errors import InputError

FOLDER = Path(__file__).resolve().parents[3] / "benchmarks" / "rates"
MACHINE = ("name", "cores", "memory_gb", "date")


def read_rates(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Return the machine and rates of a class; raises InputError naming the known classes, or the faulty key."""
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml"))) or "none"
        raise InputError(
            f"machine class {name!r}: no {path}; known classes: {known}. Measure it there: "
            f"python -m benchmarks.rates --machine {name} --from results"
        )
    content = yaml.safe_load(path.read_text())
    check_rates(content, path)
    return content


def check_rates(content: Any, path: Path) -> None:
    """Raise InputError with the first key that is missing or makes no sense."""
    if not isinstance(content, dict) or not {"machine", "rates"} <= content.keys():
        raise InputError(f"{path}: expected the keys machine and rates")
    for key in MACHINE:
        if key not in content["machine"]:
            raise InputError(f"{path}: machine.{key} is missing")
    for stage, own in content["rates"].items():
        for entry in own.get("units", []):
            if not {"unit", "per_second", "shape"} <= entry.keys() or not entry["per_second"] > 0:
                raise InputError(f"{path}: rates.{stage}: expected unit, per_second above 0 and shape, got {entry}")


def write_rates(path: Path, machine: Mapping[str, Any], rates: Mapping[str, Any]) -> None:
    """Write rates into a class's file; what it holds of other stages, units and shapes stays."""
    before = yaml.safe_load(path.read_text()) if path.is_file() else {"machine": {}, "rates": {}}
    merged = {"machine": {**before["machine"], **machine}, "rates": dict(before["rates"])}
    for stage, own in rates.items():
        old = merged["rates"].get(stage, {})
        new = list(own.get("units", []))
        named = [(entry["unit"], entry["shape"]) for entry in new]
        kept = [entry for entry in old.get("units", []) if (entry["unit"], entry["shape"]) not in named]
        merged["rates"][stage] = {**old, **own, "units": kept + new}
    check_rates(merged, path)
    with atomic_file(path) as part:
        part.write_text(yaml.dump(merged, Dumper=_Plain, sort_keys=True, default_flow_style=None, width=120))


class _Plain(yaml.SafeDumper):
    """A dumper without anchors: shapes share their parts in memory, a reader wants to see them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def rate_of(rates: Mapping[str, Any], stage: str, unit: str, shape: Mapping[str, Any]) -> float | None:
    """Return units per second at exactly this shape, None where it was not measured."""
    for entry in rates["rates"].get(stage, {}).get("units", []):
        if entry["unit"] == unit and entry["shape"] == shape:
            return float(entry["per_second"])
    return None


def rates_elsewhere(rates: Mapping[str, Any], stage: str, unit: str) -> list[tuple[float, Mapping[str, Any]]]:
    """Return (units per second, shape) of everything measured of this unit."""
    entries = rates["rates"].get(stage, {}).get("units", [])
    return [(float(entry["per_second"]), entry["shape"]) for entry in entries if entry["unit"] == unit]
