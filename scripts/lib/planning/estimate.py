"""Price every job of a study with the rates of a machine class, and add the jobs up by stage and arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.lib.planning.jobs import Job
from scripts.lib.planning.pricing import MEASURED, Price, least_known, price_of
from scripts.lib.planning.sizes import Size
from scripts.lib.planning.weights import disk_of, gpu_bytes
from scripts.lib.planning.work import Work, conditions_of, stage_of, work_of


@dataclass
class Line:
    """The jobs of one stage and arm, added up. `source` is that of its least known job, `hours` what is known of them.

    `peak_hours` are those of `hours` that are operations over a GPU's peak, and so too few.
    """

    stage: str
    arm: str
    jobs: int = 0
    images: int = 0
    steps: int = 0
    hours: float = 0.0
    gpu_hours: float = 0.0
    peak_hours: float = 0.0
    source: str = MEASURED
    disk_gb: float = 0.0
    rss_mb: float | None = None
    gpu_gb: float | None = None
    unknown_sizes: bool = False

    def hours_at(self, share: float) -> float:
        """Return the hours if GPUs reach this share of their peak wherever nothing was measured."""
        return self.hours + self.peak_hours * (1 / share - 1)


@dataclass
class Plan:
    """A study's lines and warnings, and its jobs with their work and price, place by place."""

    lines: list[Line]
    jobs: Sequence[Job]
    work: list[Work]
    prices: list[Price]
    warnings: list[str] = field(default_factory=list)


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
        line.gpu_hours += (price.seconds or 0.0) / 3600 if job.gpus and has_gpu else 0.0
        line.peak_hours += price.at_peak / 3600
        line.source = least_known([line.source, price.source])
        if price.rss_mb:
            line.rss_mb = max(line.rss_mb or 0.0, price.rss_mb)
        held = gpu_bytes(config, stage_of(job.rule), job.wildcards.get("dataset")) if job.gpus and has_gpu else None
        if held:
            line.gpu_gb = max(line.gpu_gb or 0.0, held / 1e9)
    plan = Plan(list(lines.values()), jobs_done, work, prices)
    plan.warnings = _warnings(plan, config, sizes, rates)
    return plan


def wall_hours(plan: Plan, cores: int, gpus: int, share: float = 1.0) -> float:
    """Return the least wall time: the longest chain of jobs, or all processors or GPUs busy all the time, in hours.

    A job on several GPUs is taken to be as many times faster as it has GPUs. `share`: of a GPU's peak, as in Line.hours_at.
    """
    seconds = [
        ((price.seconds or 0.0) + price.at_peak * (1 / share - 1)) / max(1, job.gpus)
        for job, price in zip(plan.jobs, plan.prices)
    ]
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
