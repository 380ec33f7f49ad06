"""Price every job of a study with the rates of a machine class, and add the jobs up by stage and arm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.lib.planning.jobs import Job
from scripts.lib.planning.operations import operations_of
from scripts.lib.planning.rates import rate_of, rates_elsewhere
from scripts.lib.planning.shapes import shape_of
from scripts.lib.planning.sizes import Size
from scripts.lib.planning.weights import disk_of, gpu_bytes
from scripts.lib.planning.work import Work, conditions_of, stage_of, work_of

MEASURED, SCALED, FLOOR, NONE = "measured", "scaled", "floor", "n/a"
ORDER = (MEASURED, SCALED, FLOOR, NONE)

# The text encoder's own steps are a small part of the base's training; a floor does without them.
UNCOUNTED = ("train_base", "text step")


@dataclass(frozen=True)
class Price:
    """Seconds of a job on one device, and how they are known; None where nothing is known. Memory in MB, resident."""

    seconds: float | None
    source: str
    rss_mb: float | None


@dataclass
class Line:
    """The jobs of one stage and arm, added up. `source` is that of its least known job, `hours` what is known of them."""

    stage: str
    arm: str
    jobs: int = 0
    images: int = 0
    steps: int = 0
    hours: float = 0.0
    gpu_hours: float = 0.0
    source: str = MEASURED
    disk_gb: float = 0.0
    rss_mb: float | None = None
    gpu_gb: float | None = None
    unknown_sizes: bool = False


@dataclass
class Plan:
    """A study's lines and warnings, and its jobs with their work and price, place by place."""

    lines: list[Line]
    jobs: Sequence[Job]
    work: list[Work]
    prices: list[Price]
    warnings: list[str] = field(default_factory=list)


def price_of(job: Job, work: Work, config: Mapping[str, Any], rates: Mapping[str, Any]) -> Price:
    """Return what a job costs: measured rates of its own shapes, else scaled ones, else a floor, else nothing."""
    rule = stage_of(job.rule)
    gpu = bool(rates["machine"].get("gpu")) and job.gpus > 0
    shape = shape_of(config, rule, job.wildcards.get("dataset"), gpu)
    own = rates["rates"].get(rule, {})
    if work.unknown:
        return Price(None, NONE, None)
    if not work.units:
        known = own.get("job_seconds")
        return Price(known, NONE if known is None else MEASURED, own.get("rss_mb"))
    seconds, source = own.get("job_seconds") or 0.0, MEASURED
    for unit, amount in work.units.items():
        if not amount:
            continue
        each, how = seconds_of(rule, unit, shape, rates, gpu)
        if each is None and gpu and (rule, unit) == UNCOUNTED and rates["machine"].get("peak_tflops"):
            source = max(source, FLOOR, key=ORDER.index)
            continue
        if each is None:
            return Price(None, NONE, None)
        seconds, source = seconds + amount * each, max(source, how, key=ORDER.index)
    return Price(seconds, source, own.get("rss_mb") if source == MEASURED else None)


def seconds_of(
    rule: str, unit: str, shape: Mapping[str, Any], rates: Mapping[str, Any], gpu: bool
) -> tuple[float | None, str]:
    """Return the seconds of one unit and how they are known.

    `scaled`: measured at another shape in the same precision, times the ratio of the operations; of several such shapes the
    one with the nearest operations. `floor`: operations over the published peak of a GPU.
    """
    rate = rate_of(rates, rule, unit, shape)
    if rate is not None:
        return 1 / rate, MEASURED
    elsewhere = [
        (other, operations_of(rule, unit, measured_shape))
        for other, measured_shape in rates_elsewhere(rates, rule, unit)
        if measured_shape.get("precision") == shape.get("precision") and measured_shape.get("task") == shape.get("task")
    ]
    peak = rates["machine"].get("peak_tflops") if gpu else None
    if not elsewhere and not peak:
        return None, NONE
    here = operations_of(rule, unit, shape)
    known = [(abs(math.log(there / here)), there, other) for other, there in elsewhere if here and there]
    if here and known:
        _, there, other = min(known)
        return here / there / other, SCALED
    return (here / (peak * 1e12), FLOOR) if here and peak else (None, NONE)


def make_plan(
    jobs: Sequence[Job], config: Mapping[str, Any], sizes: Mapping[str, Size], rates: Mapping[str, Any]
) -> Plan:
    """Return the plan of all jobs; the jobs of a target alone (nothing to compute) are left out."""
    jobs_done = list(jobs)
    work = [work_of(job, config, sizes) for job in jobs_done]
    prices = [price_of(job, own, config, rates) for job, own in zip(jobs_done, work)]
    lines: dict[tuple[str, str], Line] = {}
    has_gpu = bool(rates["machine"].get("gpu"))
    for job, own, price in zip(jobs_done, work, prices):
        if not job.outputs:
            continue
        arm = job.wildcards.get("arm", "")
        line = lines.setdefault((job.rule, arm), Line(job.rule, arm))
        line.jobs += 1
        line.images += own.images
        line.steps += own.steps
        line.disk_gb += (own.bytes + disk_of(config, job.rule)) / 1e9
        line.unknown_sizes |= own.unknown
        line.hours += (price.seconds or 0.0) / 3600
        line.gpu_hours += (price.seconds or 0.0) / 3600 if job.gpus else 0.0
        line.source = max(line.source, price.source, key=ORDER.index)
        if price.rss_mb:
            line.rss_mb = max(line.rss_mb or 0.0, price.rss_mb)
        held = gpu_bytes(config, stage_of(job.rule), job.wildcards.get("dataset")) if job.gpus and has_gpu else None
        if held:
            line.gpu_gb = max(line.gpu_gb or 0.0, held / 1e9)
    plan = Plan(list(lines.values()), jobs_done, work, prices)
    plan.warnings = _warnings(plan, config, sizes, rates)
    return plan


def wall_hours(plan: Plan, cores: int, gpus: int) -> float:
    """Return the least wall time: the longest chain of jobs, or all processors or GPUs busy all the time, in hours.

    A job on several GPUs is taken to be as many times faster as it has GPUs.
    """
    seconds = [(price.seconds or 0.0) / max(1, job.gpus) for job, price in zip(plan.jobs, plan.prices)]
    ends: dict[int, float] = {}

    def end(place: int) -> float:
        stack = [place]
        while stack:
            here = stack[-1]
            waiting = [need for need in plan.jobs[here].needs if need not in ends]
            if waiting:
                stack += waiting
            else:
                ends[here] = seconds[here] + max((ends[need] for need in plan.jobs[here].needs), default=0.0)
                stack.pop()
        return ends[place]

    chain = max((end(place) for place in range(len(plan.jobs))), default=0.0)
    on_cpu = sum(s * min(job.threads, cores) for s, job in zip(seconds, plan.jobs) if not (gpus and job.gpus))
    on_gpu = sum(s * job.gpus for s, job in zip(seconds, plan.jobs)) if gpus else 0.0
    return max(chain, on_cpu / cores, on_gpu / gpus if gpus else 0.0) / 3600


def _warnings(plan: Plan, config: Mapping[str, Any], sizes: Mapping[str, Size], rates: Mapping[str, Any]) -> list[str]:
    found, largest = [], config["compute"]["largest_pool"]
    cells = {
        (job.wildcards["dataset"], job.wildcards["arm"], job.wildcards["fraction"])
        for job in plan.jobs
        if job.rule == "sample_pool"
    }
    for dataset, arm, fraction in sorted(cells):
        images = sum((conditions_of(config, dataset, arm, fraction, sizes[dataset]) or {}).values())
        if images > largest:
            found.append(
                f"pool of {dataset} {arm} at {fraction}: {images:,} images, more than compute.largest_pool = {largest:,}; "
                f"lower study.multipliers[{fraction!r}] or raise the key"
            )
    for name in sorted({job.wildcards["dataset"] for job, own in zip(plan.jobs, plan.work) if own.unknown}):
        found.append(
            f"size of {name} not known: its cohort is not prepared and no table gives it; its jobs have no hours"
        )
    memory = rates["machine"]["memory_gb"]
    for line in plan.lines:
        if line.rss_mb and line.rss_mb / 1e3 > memory:
            found.append(f"{line.stage}: {line.rss_mb / 1e3:.1f} GB a job, more than the {memory} GB of this class")
    held = rates["machine"].get("gpu_memory_gb")
    for line in plan.lines:
        if held and line.gpu_gb and line.gpu_gb > held:
            found.append(
                f"{line.stage} {line.arm}: at least {line.gpu_gb:.1f} GB of GPU memory, before activations, more than the "
                f"{held} GB of this class"
            )
    return found
