"""Rates from a finished run: its `benchmark:` files say how long jobs took, the bars in its logs how long their loops did."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.planning.jobs import Job
from scripts.lib.planning.shapes import shape_of
from scripts.lib.planning.sizes import Size
from scripts.lib.planning.work import stage_of, work_of

BAR = re.compile(r"([\w ]*?):? ?100%\|[^|]*\| (\d+)/\2 \[(?:(\d+):)?(\d+):(\d+)<")


def read_benchmark(path: Path) -> dict[str, float] | None:
    """Return s, cpu_time (seconds) and max_rss (MB) of a benchmark file, None where there is none."""
    if not path.is_file():
        return None
    with path.open(newline="") as stream:
        row = next(csv.DictReader(stream, delimiter="\t"), None)
    if row is None:
        return None
    return {key: _number(row.get(key)) for key in ("s", "cpu_time", "max_rss")}


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:  # Snakemake writes NA for jobs too short to look at
        return float("nan")


def bars(log: Path) -> list[tuple[str, int, float]]:
    """Return (title, rounds, seconds) of every finished progress bar in a log, in order."""
    if not log.is_file():
        return []
    found: dict[tuple[int, str], tuple[str, int, float]] = {}
    for place, line in enumerate(re.split(r"[\r\n]", log.read_text(errors="replace"))):
        for match in BAR.finditer(line):
            title, rounds, hours, minutes, seconds = match.groups()
            elapsed = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
            # tqdm may print the last state of one bar twice, one line after the other.
            previous = found.pop((place - 1, title.strip()), None)
            found[place, title.strip()] = (title.strip(), int(rounds), max(elapsed, previous[2] if previous else 0))
    return list(found.values())


def rates_of_run(
    jobs: Sequence[Job], config: Mapping[str, Any], sizes: Mapping[str, Size], root: Path, gpu: bool, source: str
) -> dict[str, Any]:
    """Return rates by stage from the benchmark files below `root` (the folder that holds `results`).

    The seconds of a stage's jobs are taken to be a + sum of b * units, with no term below zero: least squares over all jobs
    of equal shape. A training that the run has once is split by the bars of its log instead.
    """
    samples: dict[str, list[tuple[dict[str, float], dict[str, Any], float, float, Path]]] = defaultdict(list)
    for job in jobs:
        measured = read_benchmark(root / job.benchmark) if job.benchmark else None
        work = work_of(job, config, sizes)
        if measured is None or work.unknown or not work.units:
            continue
        rule = stage_of(job.rule)
        log = root / job.benchmark.replace("results/benchmarks/", "results/logs/").replace(".tsv", ".log")
        shape = shape_of(config, rule, job.wildcards.get("dataset"), gpu)
        samples[rule].append((dict(work.units), shape, measured["s"], measured["max_rss"], log))
    return {rule: _stage(own, source) for rule, own in samples.items()}


def _stage(own: Sequence[tuple[dict[str, float], dict[str, Any], float, float, Path]], source: str) -> dict[str, Any]:
    rss = [sample[3] for sample in own if sample[3] == sample[3]]
    result: dict[str, Any] = {"rss_mb": round(max(rss)) if rss else None}
    if len(own) == 1 and any("step" in unit for unit in own[0][0]):
        return result | _from_bars(own[0], source)
    stepping = [(sample, *_stepped(sample)) for sample in own if "step" in sample[0]]
    if not stepping:
        return result | _fitted(own, source)
    # Steps and test films grow together from job to job, so the steps' share is read from the bars.
    entries = []
    for shape in _unique([sample[1] for sample, *_ in stepping]):
        steps, looped = (sum(each[k] for each in stepping if each[0][1] == shape) for k in (1, 2))
        if looped > 0:
            entries.append({"unit": "step", "per_second": _round(steps / looped), "shape": shape, "source": source})
    rest = [
        ({unit: n for unit, n in units.items() if unit != "step"}, shape, max(0.0, seconds - looped), rss_mb, log)
        for (units, shape, seconds, rss_mb, log), steps, looped in stepping
        if steps
    ]
    if not rest:
        return result | {"units": []}
    fitted = _fitted(rest, source)
    return result | {**fitted, "units": entries + fitted["units"]}


def _stepped(sample: tuple[dict[str, float], dict[str, Any], float, float, Path]) -> tuple[float, float]:
    """Return the steps and seconds of all bars of a job's log."""
    found = bars(sample[4])
    return sum(bar[1] for bar in found), sum(bar[2] for bar in found)


def _unique(shapes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [shape for place, shape in enumerate(shapes) if shape not in shapes[:place]]


def _from_bars(sample: tuple[dict[str, float], dict[str, Any], float, float, Path], source: str) -> dict[str, Any]:
    units, shape, seconds, _, log = sample
    found, entries, looped = bars(log), [], 0.0
    for unit, amount in units.items():
        part = unit.removesuffix("step").strip()
        own = [bar for bar in found if bar[1] == amount and bar[0].endswith(part)]
        elapsed = own[0][2] if own and own[0][2] else seconds / len(units)
        looped += elapsed
        entries.append({"unit": unit, "per_second": _round(amount / elapsed), "shape": shape, "source": source})
    return {"job_seconds": round(max(0.0, seconds - looped), 2), "units": entries}


def _fitted(own: Sequence[tuple[dict[str, float], dict[str, Any], float, float, Path]], source: str) -> dict[str, Any]:
    import numpy as np
    from scipy.optimize import nnls

    columns: list[tuple[str, dict[str, Any]]] = []
    for units, shape, *_ in own:
        columns += [(unit, shape) for unit in units if (unit, shape) not in columns]
    matrix = np.zeros((len(own), 1 + len(columns)))
    matrix[:, 0] = 1
    for row, (units, shape, *_) in enumerate(own):
        for unit, amount in units.items():
            matrix[row, 1 + columns.index((unit, shape))] += amount
            # Text and mask together take what the text alone takes and more, so only the rest is fitted apart.
            if unit == "both image" and ("text image", shape) in columns:
                matrix[row, 1 + columns.index(("text image", shape))] += amount
    seconds = np.array([sample[2] for sample in own])
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
