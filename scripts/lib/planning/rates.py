"""What a class of machines does per second, as measured: benchmarks/rates/{class}.yaml.

    machine: {name, processor, cores, memory_gb, gpu, gpu_memory_gb, date, software,
      peak_tflops: {bf16: 989, fp32: 494}, peak_source: ...     published, dense; or one number for all precisions
      efficiency: [0.1, 0.3], efficiency_source: ...            assumed shares of that peak, for a range beside the floor
      processor_rates: cpu-2core}                               class whose rates stand in for jobs without a GPU
    rates:                         seconds are of the clock, on a machine that does nothing else
      train_controlnet:            a rule (sample_rated_pool counts as sample_pool)
        job_seconds: 9.1           of a job beside its units: imports, opening, writing; of jobs without units all of it
        rss_mb: 1213               largest resident memory seen
        units:
        - {unit: step, per_second: 4.1, shape: {...}, source: where this was measured}

A rate holds for its shape alone (stages.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import yaml

from scripts.lib.core.errors import InputError

FOLDER = Path(__file__).resolve().parents[3] / "benchmarks" / "rates"
Rates = Mapping[str, Any]


def read_rates(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Return the machine and rates of a class; raises InputError naming the known classes, or the faulty key.

    A class whose processor was not measured may name another in `machine.processor_rates`; `borrowed` then holds its rates.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml"))) or "none"
        raise InputError(
            f"machine class {name!r}: no {path}; known classes: {known}. Measure it there: "
            f"python -m benchmarks.rates --machine {name} --from results"
        )
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}; measure it again") from None
    if not isinstance(content, dict) or not all(isinstance(content.get(key), dict) for key in ("machine", "rates")):
        raise InputError(f"{path}: expected the keys machine and rates, each with keys of its own")
    check_rates(content, path)
    if (other := content["machine"].get("processor_rates")) is not None:
        if not (folder / f"{other}.yaml").is_file():
            raise InputError(f"{path}: machine.processor_rates = {other!r}: no such class in {folder}")
        content["borrowed"] = read_rates(other, folder)
    return content


def check_rates(content: Rates, path: Path) -> None:
    """Raise InputError with the first key that is missing or makes no sense."""
    if fault := next(_faults(content["machine"], content["rates"]), None):
        raise InputError(f"{path}: {fault}")
    if (shares := content["machine"].get("efficiency")) is not None:
        check_efficiency(shares, f"{path}: machine.efficiency")


def _faults(machine: Rates, rates: Rates) -> Iterator[str]:
    needed = ("name", "cores", "memory_gb", "date")
    yield from (f"machine.{key} is missing" for key in needed if machine.get(key) is None)
    peak = machine.get("peak_tflops")
    peaks = peak if isinstance(peak, dict) else {} if peak is None else {"all": peak}
    numbers = {f"machine.{key}": machine[key] for key in ("cores", "memory_gb")}
    numbers |= {f"machine.peak_tflops ({key})": one for key, one in peaks.items()}
    for stage, measured in rates.items():
        where = f"rates.{stage}"
        if not isinstance(measured, dict) or not {"job_seconds", "units"} & measured.keys():
            yield f"{where}: expected job_seconds, units or both, got {measured!r}"
            continue
        numbers[f"{where}.job_seconds"] = measured.get("job_seconds") or 1
        for entry in measured.get("units") or []:
            if missing := {"unit", "per_second", "shape"} - (entry.keys() if isinstance(entry, dict) else set()):
                yield f"{where}.units: an entry lacks {', '.join(sorted(missing))}: {str(entry)[:120]}"
                continue
            numbers[f"{where}: per_second of unit {entry['unit']!r}"] = entry["per_second"]
    yield from (f"{key} = {one!r}: expected a number above 0" for key, one in numbers.items() if not _above_zero(one))


def check_efficiency(shares: object, where: str) -> tuple[float, float]:
    """Return (low, high) of one or two shares of a peak; raises InputError naming `where` for anything else."""
    given = list(shares) if isinstance(shares, (list, tuple)) else [shares]
    valid = [share for share in given if _above_zero(share) and share <= 1]
    if not 1 <= len(given) <= 2 or len(valid) < len(given):
        raise InputError(f"{where} = {shares!r}: expected one or two shares of the peak, above 0 and at most 1")
    return min(valid), max(valid)


def _above_zero(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def rate_of(rates: Rates, stage: str, unit: str, shape: Mapping[str, Any]) -> float | None:
    """Return units per second at exactly this shape, None where it was not measured."""
    return next((rate for rate, other in measured_rates(rates, stage, unit) if other == shape), None)


def measured_rates(rates: Rates, stage: str, unit: str) -> list[tuple[float, Mapping[str, Any]]]:
    """Return (units per second, shape) of everything measured of this unit."""
    entries = rates["rates"].get(stage, {}).get("units", [])
    return [(float(entry["per_second"]), entry["shape"]) for entry in entries if entry["unit"] == unit]
