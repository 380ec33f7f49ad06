"""Rates from a finished run: what its jobs took (records and bars of logs), divided between what a job costs by itself and its units."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from benchmarks.bars import Bar, bars, log_of
from scripts.lib.core.atomic import atomic_file
from scripts.lib.generators.controlled.operations import heldout_checks
from scripts.lib.planning.jobs import Job
from scripts.lib.planning.rates import check_rates
from scripts.lib.planning.records import measured_of
from scripts.lib.planning.sizes import Size
from scripts.lib.planning.stages import operations_of, shape_of, stage_of, work_of

DPO, STEP, CHECK = "train_dpo", "step", "check"
PUBLISHING = "Writing"  # how the bars of transformers begin when it writes weights


@dataclass(frozen=True)
class Sample:
    """One job: its units, their shape, its seconds by the clock and memory (MB), the bars in its log.

    `early` is the share of DPO's checks that comes before its bar.
    """

    units: Mapping[str, float]
    shape: Mapping[str, Any]
    seconds: float
    rss_mb: float
    bars: Sequence[Bar]
    early: float = 0.0


def rates_of_run(
    jobs: Sequence[Job], config: Mapping[str, Any], sizes: Mapping[str, Size], root: Path, gpu: bool, source: str
) -> dict[str, Any]:
    """Return rates by stage from what a run left below `root`, its working directory.

    The seconds of a stage's jobs are taken to be a + sum of b * units, with no term below zero: least squares over all jobs
    of equal shape. Trainings are split by the bars of their logs instead. A job that went on from a checkpoint says nothing.
    """
    samples: dict[str, list[Sample]] = defaultdict(list)
    for job in jobs:
        measured, work = measured_of(job, root), work_of(job, config, sizes)
        if measured is None or work.unknown:
            continue
        rule = stage_of(job.rule)
        units = {unit: amount for unit, amount in work.units.items() if amount}
        shape = shape_of(config, rule, job.wildcards.get("dataset"), gpu)
        own = [bar for bar in bars(root / log_of(job)) if not bar.title.startswith(PUBLISHING)]
        if job.benchmark and not all(bar.whole for bar in own):
            continue
        early = heldout_checks(config)[1] if rule == DPO else 0.0
        samples[rule].append(
            Sample(units, shape, measured.seconds, measured.rss_mb, own if job.benchmark else (), early)
        )
    return {rule: _stage(rule, own, source) for rule, own in samples.items()}


def _stage(rule: str, own: Sequence[Sample], source: str) -> dict[str, Any]:
    rss = [sample.rss_mb for sample in own if not math.isnan(sample.rss_mb)]
    result = {"jobs": len(own), "rss_mb": round(max(rss)) if rss else None, "source": source}
    if all(_steps(sample) and sample.bars for sample in own):
        parts = [_by_bars(rule, sample, source) for sample in own]
        rests = [rest for _, rest in parts if rest.units and rest.units.keys() - {"film"}]
        entries = _mean([entry for found, _ in parts for entry in found])
        if rests:  # beside its steps a trial has test films
            fitted = _fitted(rests, source)
            return result | fitted | {"units": entries + fitted["units"]}
        seconds = sum(rest.seconds for _, rest in parts) / len(parts)
        return result | {"job_seconds": round(seconds, 2), "units": entries}
    columns = _columns(own)
    if len(own) <= len(columns) and all(len(sample.units) == 1 and sample.bars for sample in own):
        return result | _looped(own, source)
    return result | _fitted(own, source)


def _looped(own: Sequence[Sample], source: str) -> dict[str, Any]:
    """Return rates of jobs too few to fit: what their bars took is their units', the rest their own."""
    looped = [sum(bar.seconds for bar in sample.bars) for sample in own]
    entries = [
        {"unit": unit, "amount": amount, "seconds": seconds, "shape": sample.shape, "source": source}
        for sample, seconds in zip(own, looped)
        for unit, amount in sample.units.items()
        if seconds
    ]
    rest = sum(max(0.0, sample.seconds - seconds) for sample, seconds in zip(own, looped)) / len(own)
    return {"job_seconds": round(rest, 2), "units": _mean(entries)}


def _columns(own: Sequence[Sample]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return every unit and shape that occurs, once."""
    columns: list[tuple[str, Mapping[str, Any]]] = []
    for sample in own:
        columns += [(unit, sample.shape) for unit in sample.units if (unit, sample.shape) not in columns]
    return columns


def _steps(sample: Sample) -> list[str]:
    """Return the units whose seconds a bar shows."""
    return [unit for unit in sample.units if unit.endswith(STEP)]


def _by_bars(rule: str, sample: Sample, source: str) -> tuple[list[dict[str, Any]], Sample]:
    """Return (unit, amount, seconds, shape) of the units that bars show, and the sample without them."""
    found, entries, looped = list(sample.bars), [], 0.0
    for unit in _steps(sample):
        part = unit.removesuffix(STEP).strip()
        own = [bar for bar in found if bar.title.endswith(part)]
        rounds, seconds = sum(bar.rounds for bar in own), sum(bar.seconds for bar in own)
        looped += seconds
        if rounds and seconds:
            entries.append({"unit": unit, "amount": rounds, "seconds": seconds})
    left = {unit: n for unit, n in sample.units.items() if not unit.endswith(STEP)}
    if rule == DPO and entries and left.pop(CHECK, 0):
        entries, before = _with_checks(sample, entries[0])
        looped += before
    entries = [{**entry, "shape": sample.shape, "source": source} for entry in entries]
    return entries, replace(sample, units=left, seconds=max(0.0, sample.seconds - looped))


def _with_checks(sample: Sample, steps: dict[str, Any]) -> tuple[list[dict[str, Any]], float]:
    """Divide the seconds of DPO's bar, which holds all checks on held-out pairs but the first and last, as operations stand.

    Also returns the seconds of those, which come before and after the bar.
    """
    each = {unit: operations_of(DPO, unit, sample.shape) or 0.0 for unit in (STEP, CHECK)}
    done = steps["amount"] / sample.units[STEP]  # it may have stopped early
    inside = sample.units[CHECK] * (1 - sample.early) * done
    whole = each[STEP] * steps["amount"] + each[CHECK] * inside
    second = steps["seconds"] / whole  # of one operation
    parts = {STEP: steps["amount"], CHECK: inside}
    entries = [{"unit": unit, "amount": n, "seconds": n * each[unit] * second} for unit, n in parts.items() if n]
    return entries, sample.units[CHECK] * sample.early * each[CHECK] * second


def _mean(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a rate for each unit and shape: all amounts over all seconds."""
    result = []
    for entry in entries:
        same = [own for own in entries if (own["unit"], own["shape"]) == (entry["unit"], entry["shape"])]
        if same[0] is entry:
            rate = _round(sum(own["amount"] for own in same) / sum(own["seconds"] for own in same))
            kept = {key: entry[key] for key in ("unit", "shape", "source")}
            result.append({**kept, "per_second": rate})
    return result


def _fitted(own: Sequence[Sample], source: str) -> dict[str, Any]:
    import numpy as np
    from scipy.optimize import nnls

    columns = _columns(own)
    matrix = np.zeros((len(own), 1 + len(columns)))
    matrix[:, 0] = 1
    for row, sample in enumerate(own):
        for unit, amount in sample.units.items():
            matrix[row, 1 + columns.index((unit, sample.shape))] += amount
            # Text and mask together take what the text alone takes and more, so only the rest is fitted apart.
            if unit == "both image" and ("text image", sample.shape) in columns:
                matrix[row, 1 + columns.index(("text image", sample.shape))] += amount
    seconds = np.array([sample.seconds for sample in own])
    weight = 1 / np.maximum(seconds, 1)  # relative errors: short jobs decide the fixed cost
    solution, _ = nnls(matrix * weight[:, None], seconds * weight)
    costs, sources = list(solution[1:]), [source] * len(columns)
    for place, (unit, shape) in enumerate(columns):
        if unit == "both image" and ("text image", shape) in columns:
            if costs[place] == 0:
                sources[place] += "; not told apart from text images, so at most this fast"
            costs[place] += solution[1 + columns.index(("text image", shape))]
    entries = [
        {"unit": unit, "per_second": _round(1 / cost), "shape": shape, "source": origin}
        for (unit, shape), cost, origin in zip(columns, costs, sources)
        if cost > 1e-9  # a unit that the fit cannot see has no rate
    ]
    return {"job_seconds": round(float(solution[0]), 2), "units": entries}


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def write_rates(path: Path, machine: Mapping[str, Any], rates: Mapping[str, Any]) -> None:
    """Write rates into a class's file; what it holds of other stages, units and shapes stays."""
    before = yaml.safe_load(path.read_text()) if path.is_file() else {"machine": {}, "rates": {}}
    merged = {"machine": {**before["machine"], **machine}, "rates": dict(before["rates"])}
    for stage, own in rates.items():
        old, new = merged["rates"].get(stage, {}), list(own.get("units", []))
        named = [(entry["unit"], entry["shape"]) for entry in new]
        kept = [entry for entry in old.get("units", []) if (entry["unit"], entry["shape"]) not in named]
        merged["rates"][stage] = {**old, **own, "units": kept + new}
    check_rates(merged, path)
    with atomic_file(path) as part:
        part.write_text(yaml.dump(merged, Dumper=_Plain, sort_keys=True, default_flow_style=None, width=120))


class _Plain(yaml.SafeDumper):
    """A dumper without anchors: shapes share their parts in memory, a reader wants to see them."""

    def ignore_aliases(self, data: object) -> bool:
        return True
