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
from scripts.lib.planning.pricing import FLOOR, MEASURED, NONE, Price, at_share, least_known, price_of
from scripts.lib.planning.rates import Rates, check_efficiency
from scripts.lib.planning.stages import disk_of, gpu_bytes, work_of
from scripts.lib.planning.work import Config, Sizes, Work, conditions_of


@dataclass
class PlanLine:
    """The jobs of one stage and arm, added up. `source` is that of its least known job, `hours` what is known of them.

    `peak_hours` are those of `hours` that are operations over a GPU's peak, and so too few. Memory is that of the largest job,
    0 where it is not known.
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
    rss_mb: float = 0.0
    gpu_gb: float = 0.0
    unknown_sizes: bool = False

    def add(self, other: PlanLine) -> None:
        """Take the jobs of another line too."""
        for name in ("jobs", "images", "steps", "hours", "gpu_hours", "peak_hours", "disk_gb"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.rss_mb, self.gpu_gb = max(self.rss_mb, other.rss_mb), max(self.gpu_gb, other.gpu_gb)
        self.source = least_known((self.source, other.source))
        self.unknown_sizes |= other.unknown_sizes

    @property
    def is_least(self) -> bool:
        """Whether hours are missing, or floors, so that `hours` are the least."""
        return self.source in (FLOOR, NONE)


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
            held = gpu_bytes(config, stage, job.wildcards.get("dataset")) if on_gpu else 0
            disk = (amounts.bytes + disk_of(config, stage)) / 1e9
            line = PlanLine(
                stage, arm, 1, amounts.images, amounts.steps, hours, hours * on_gpu, price.at_peak / 3600, price.source, disk,
                price.rss_mb or 0.0, (held or 0) / 1e9, amounts.unknown,
            )  # fmt: skip
            lines.setdefault((stage, arm), PlanLine(stage, arm)).add(line)
    plan = Plan(list(lines.values()), jobs, work, prices)
    plan.warnings = list(_warnings(plan, config, sizes, rates["machine"]))
    return plan


def wall_hours(plan: Plan, cores: int, gpus: int, share: float = 1.0) -> float:
    """Return the least wall time: the longest chain of jobs, or all processors or GPUs busy all the time, in hours.

    A job on several GPUs is taken to be as many times faster as it has GPUs. GPUs reach `share` of their peak where nothing
    was measured; jobs of which nothing is known take no time.
    """
    seconds = {
        number: at_share(price.seconds or 0.0, price.at_peak, share) / max(1, job.gpus)
        for number, (job, price) in enumerate(zip(plan.jobs, plan.prices))
    }
    return least_seconds(dict(enumerate(plan.jobs)), seconds, cores, gpus) / 3600


def _warnings(plan: Plan, config: Config, sizes: Sizes, machine: Mapping[str, Any]) -> Iterator[str]:
    largest, memory = config["compute"]["largest_pool"], machine.get("gpu_memory_gb")
    pools = {job.cell for job in plan.jobs if job.rule == "sample_pool" and sizes[job.dataset].splits}
    for cell in sorted(pools, key=astuple):
        if (images := sum(conditions_of(config, cell, sizes).values())) > largest:
            yield (
                f"pool of {cell.dataset} {cell.arm} at {cell.fraction}: {images:,} images, more than compute.largest_pool = "
                f"{largest:,}; lower study.multipliers[{cell.fraction!r}] or raise the key"
            )
    without = {job.wildcards.get("dataset") for job, amounts in zip(plan.jobs, plan.work) if amounts.unknown}
    if None in without:  # e.g. a model of all of a cohort
        without |= {name for name, size in sizes.items() if not size.splits}
    for name in sorted(filter(None, without)):
        yield (
            f"size of {name} not known: its cohort is not prepared and no table gives it; its jobs have no hours. make check, "
            "with the same STUDY and DIR, counts its films: then plan again"
        )
    for line in plan.lines:
        if memory and line.gpu_gb > memory:
            yield (
                f"{line.stage} {line.arm}: at least {line.gpu_gb:.1f} GB of GPU memory, before activations, more than the "
                f"{memory} GB of this class"
            )


def found_missing(plan: Plan, config: Config, results: Path) -> Iterator[str]:
    """Yield warnings: of a disk that is too small, and of a base whose shape has to be assumed."""
    there = next(path for path in (results.absolute(), *results.absolute().parents) if path.exists())
    free, disk, base = shutil.disk_usage(there).free, plan.total.disk_gb, config["base"]["path"]
    if disk * 1e9 > free:
        yield f"disk: {disk:,.0f} GB needed, {free / 1e9:,.0f} GB free in {results}; use another disk"
    if base and not (Path(base) / "unet").is_dir():
        yield f"base.path = {base} is not here: the shape of Stable Diffusion 1.x is assumed"


def machine_size(cores: int | None, gpus: int | None, machine: Mapping[str, Any], config: Config) -> tuple[int, int]:
    """Return cores and GPUs at work, the class's where none are given.

    Raises InputError for a number that the class does not have or the study cannot do with.
    """
    has_gpu, wanted = bool(machine.get("gpu")), config["compute"]["gpus"]
    cores = machine["cores"] if cores is None else cores
    gpus = int(has_gpu) if gpus is None else gpus
    faults = {
        f"--cores {cores}: expected 1 or more": cores < 1,
        f"--gpus {gpus}: expected 0 or more": gpus < 0,
        f"--gpus {gpus}: class {machine['name']} has no GPU; choose another with --machine": gpus and not has_gpu,
        f"--gpus 0: jobs of {config['study']['name']} ask for a GPU (compute.gpus: {wanted}); give --gpus 1 or more, or plan "
        "on a class without GPU": has_gpu and wanted and not gpus,
    }
    if found := [fault for fault, wrong in faults.items() if wrong]:
        raise InputError(found[0])
    return cores, gpus


def assumed_shares(given: Sequence[float] | None, machine: Mapping[str, Any]) -> tuple[tuple[float, float] | None, str]:
    """Return the shares (low, high) of a GPU's peak for a range beside the floor, and who says so; None for no range."""
    if given is not None:
        return check_efficiency(list(given), "--efficiency"), "--efficiency"
    known = machine.get("efficiency")
    shares = None if known is None else check_efficiency(known, "machine.efficiency")
    return shares, machine.get("efficiency_source", "no source given")
