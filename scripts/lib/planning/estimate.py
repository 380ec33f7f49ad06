"""Price every job of a study with the rates of a machine class, and add the jobs up by stage and arm."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.engine.progress import least_seconds
from scripts.lib.planning.jobs import Job
from scripts.lib.planning.pricing import FLOOR, MEASURED, NONE, Price, least_known, price_of
from scripts.lib.planning.rates import Rates, check_efficiency
from scripts.lib.planning.stages import disk_of, gpu_bytes, stage_of, work_of
from scripts.lib.planning.work import Config, Sizes, Work, conditions_of
from scripts.lib.study.cells import Cell


@dataclass
class PlanLine:
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

    def add(self, other: PlanLine) -> None:
        """Take the jobs of another line too."""
        for name in ("jobs", "images", "steps", "hours", "gpu_hours", "peak_hours", "disk_gb"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("rss_mb", "gpu_gb"):
            setattr(self, name, max(getattr(self, name) or 0.0, getattr(other, name) or 0.0) or None)
        self.source = least_known([self.source, other.source])
        self.unknown_sizes |= other.unknown_sizes

    @property
    def is_least(self) -> bool:
        """Whether hours are missing, or floors, so that `hours` are the least."""
        return self.source in (FLOOR, NONE)

    def hours_at(self, share: float) -> float:
        """Return the hours if GPUs reach this share of their peak wherever nothing was measured."""
        return self.hours + self.peak_hours * (1 / share - 1)


@dataclass
class Plan:
    """A study's lines and warnings, and its jobs with their work and price, place by place."""

    lines: list[PlanLine]
    jobs: Sequence[Job]
    work: list[Work]
    prices: list[Price]
    warnings: list[str] = field(default_factory=list)

    @property
    def total(self) -> PlanLine:
        """The sum of all lines."""
        total = PlanLine("total", "")
        for line in self.lines:
            total.add(line)
        return total


def make_plan(jobs: Sequence[Job], config: Config, sizes: Sizes, rates: Rates) -> Plan:
    """Return the plan of all jobs; the jobs of a target alone (nothing to compute) are left out of its lines."""
    work = [work_of(job, config, sizes) for job in jobs]
    prices = [price_of(job, amounts, config, rates) for job, amounts in zip(jobs, work)]
    lines: dict[tuple[str, str], PlanLine] = {}
    for job, amounts, price in zip(jobs, work, prices):
        if job.outputs:
            stage, arm, hours = job.rule, job.wildcards.get("arm", ""), (price.seconds or 0.0) / 3600
            on_gpu = bool(job.gpus and rates["machine"].get("gpu"))
            held = gpu_bytes(config, stage_of(stage), job.wildcards.get("dataset")) if on_gpu else None
            disk = (amounts.bytes + disk_of(config, stage)) / 1e9
            line = PlanLine(
                stage, arm, 1, amounts.images, amounts.steps, hours, hours * on_gpu, price.at_peak / 3600, price.source, disk,
                price.rss_mb, held and held / 1e9, amounts.unknown,
            )  # fmt: skip
            lines.setdefault((stage, arm), PlanLine(stage, arm)).add(line)
    plan = Plan(list(lines.values()), jobs, work, prices)
    plan.warnings = list(_warnings(plan, config, sizes, rates["machine"]))
    return plan


def wall_hours(plan: Plan, cores: int, gpus: int, share: float = 1.0) -> float:
    """Return the least wall time: the longest chain of jobs, or all processors or GPUs busy all the time, in hours.

    A job on several GPUs is taken to be as many times faster as it has GPUs. `share`: of a GPU's peak, as in Line.hours_at.
    """
    seconds = {n: price.seconds_at(share) / max(1, plan.jobs[n].gpus) for n, price in enumerate(plan.prices)}
    return least_seconds(dict(enumerate(plan.jobs)), seconds, cores, gpus) / 3600


def _warnings(plan: Plan, config: Config, sizes: Sizes, machine: Mapping[str, Any]) -> Iterator[str]:
    largest, pools = config["compute"]["largest_pool"], [job for job in plan.jobs if job.rule == "sample_pool"]
    for dataset, arm, fraction in sorted({astuple(job.cell) for job in pools if sizes[job.dataset].splits}):
        images = sum(conditions_of(config, Cell(dataset, arm, fraction), sizes).values())
        if images > largest:
            yield (
                f"pool of {dataset} {arm} at {fraction}: {images:,} images, more than compute.largest_pool = {largest:,}; "
                f"lower study.multipliers[{fraction!r}] or raise the key"
            )
    without = {job.wildcards.get("dataset") for job, amounts in zip(plan.jobs, plan.work) if amounts.unknown}
    if None in without:  # e.g. a model of all of a cohort
        without |= {name for name, size in sizes.items() if not size.splits}
    for name in sorted(name for name in without if name):
        yield (
            f"size of {name} not known: its cohort is not prepared and no table gives it; its jobs have no hours. make check, "
            "with the same STUDY and DIR, counts its films: then plan again"
        )
    memory = machine.get("gpu_memory_gb")
    for line in plan.lines:
        if memory and line.gpu_gb and line.gpu_gb > memory:
            yield (
                f"{line.stage} {line.arm}: at least {line.gpu_gb:.1f} GB of GPU memory, before activations, more than the "
                f"{memory} GB of this class"
            )


def found_missing(plan: Plan, config: Config, results: Path) -> list[str]:
    """Return warnings: of a disk that is too small, and of a base whose shape has to be assumed."""
    there = next(path for path in (results.absolute(), *results.absolute().parents) if path.exists())
    free, disk = shutil.disk_usage(there).free, plan.total.disk_gb
    warnings = []
    if disk * 1e9 > free:
        warnings.append(f"disk: {disk:,.0f} GB needed, {free / 1e9:,.0f} GB free in {results}; use another disk")
    base = config["base"]["path"]
    if base and not (Path(base) / "unet").is_dir():
        warnings.append(f"base.path = {base} is not here: the shape of Stable Diffusion 1.x is assumed")
    return warnings


def machine_size(cores: int | None, gpus: int | None, machine: Mapping[str, Any], config: Config) -> tuple[int, int]:
    """Return cores and GPUs at work, the class's where none are given.

    Raises InputError for a number that the class does not have or the study cannot do with.
    """
    has_gpu, wanted = bool(machine.get("gpu")), config["compute"]["gpus"]
    cores = machine["cores"] if cores is None else cores
    gpus = int(has_gpu) if gpus is None else gpus
    if cores < 1:
        raise InputError(f"--cores {cores}: expected 1 or more")
    if gpus < 0:
        raise InputError(f"--gpus {gpus}: expected 0 or more")
    if gpus and not has_gpu:
        raise InputError(f"--gpus {gpus}: class {machine['name']} has no GPU; choose another with --machine")
    if has_gpu and wanted and not gpus:
        raise InputError(
            f"--gpus 0: jobs of {config['study']['name']} ask for a GPU (compute.gpus: {wanted}); give --gpus 1 or more, or "
            "plan on a class without GPU"
        )
    return cores, gpus


def assumed_shares(given: Sequence[float] | None, machine: Mapping[str, Any]) -> tuple[tuple[float, float] | None, str]:
    """Return the shares (low, high) of a GPU's peak for a range beside the floor, and who says so; None for no range."""
    if given is not None:
        return check_efficiency(list(given), "--efficiency"), "--efficiency"
    known = machine.get("efficiency")
    shares = None if known is None else check_efficiency(known, "machine.efficiency")
    return shares, machine.get("efficiency_source", "no source given")
