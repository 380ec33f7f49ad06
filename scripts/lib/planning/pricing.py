"""What one job costs, and how that is known: measured, scaled, measured elsewhere, a floor, or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scripts.lib.planning.jobs import Job
from scripts.lib.planning.rates import Rates, measured_rates, rate_of
from scripts.lib.planning.stages import operations_of, shape_of, stage_of
from scripts.lib.planning.work import KINDS, Config, Work
from scripts.lib.study.sources import PHANTOM

MEASURED, SCALED, ELSEWHERE, FLOOR, NONE = "measured", "scaled", "elsewhere", "floor", "n/a"
# From what is known best to what is known least.
MEANING = {
    MEASURED: "timed on this class of machines, at the study's own shapes",
    SCALED: "timed on this class at another shape or for another kind of image, times the ratio of the operations",
    ELSEWHERE: "timed on the processor of another class ({borrowed})",
    FLOOR: "least time: operations over the published peak, or what smaller films or tables took",
    NONE: "no rate of this class says anything of it",
}
# Films that a training turns into latents once: their seconds are part of its `job_seconds` where it was measured.
IN_JOB = "film"
SMALL = 0.05  # share of a job's seconds below which a unit does not decide how the whole is known


@dataclass(frozen=True)
class Price:
    """Seconds of a job on one device, and how they are known; None where nothing is known. Memory in MB, resident.

    `at_peak` are the seconds of `seconds` that are operations over a GPU's peak.
    """

    seconds: float | None
    source: str
    rss_mb: float | None = None
    at_peak: float = 0.0


NOTHING = Price(None, NONE)


def price_of(job: Job, work: Work, config: Config, rates: Rates) -> Price:
    """Return what a job costs: by rates of its own shapes, else scaled ones, else of another class's processor (a job
    without a GPU), else a floor, else nothing."""
    if work.unknown:
        return NOTHING
    gpu = bool(rates["machine"].get("gpu")) and job.gpus > 0
    price = _priced(job, work, config, rates, gpu)
    if gpu or price.source != NONE or "borrowed" not in rates:
        return price
    price = _priced(job, work, config, rates["borrowed"], False)
    return replace(price, source=least_known([ELSEWHERE, price.source]), rss_mb=None)


def least_known(sources: Iterable[str]) -> str:
    """Return that of several ways of knowing which says the least."""
    return max(sources, key=list(MEANING).index)


def at_share(known: float, at_peak: float, share: float) -> float:
    """Return the time if GPUs reach this share of their peak, of a time `known` of which `at_peak` is at the peak itself."""
    return known + at_peak * (1 / share - 1)


def _priced(job: Job, work: Work, config: Config, rates: Rates, gpu: bool) -> Price:
    rule = stage_of(job.rule)
    measured = rates["rates"].get(rule, {})
    known, rss = measured.get("job_seconds"), measured.get("rss_mb")
    if not work.units:
        if known is None:
            return NOTHING
        # Such jobs read tables, which grow with a study; those of the phantom are small.
        phantom = all(config["datasets"][name]["root"] == PHANTOM for name in config["study"]["datasets"])
        return Price(known, MEASURED if phantom else FLOOR, rss)
    shape = shape_of(config, rule, job.wildcards.get("dataset"), gpu)
    parts = [(known or 0.0, MEASURED)]
    for unit, amount in work.units.items():
        each, how = seconds_of(rule, unit, shape, rates, gpu) if amount else (0.0, MEASURED)
        if each is None and unit.endswith(IN_JOB) and known is not None and len(work.units) > 1:
            continue
        if each is None:
            return NOTHING
        parts.append((amount * each, how))
    seconds = sum(part for part, _ in parts)
    source = least_known(how for part, how in parts if part >= SMALL * seconds)
    at_peak = sum(part for part, how in parts if gpu and how == FLOOR)
    return Price(seconds, source, rss if source == MEASURED else None, at_peak)


def seconds_of(rule: str, unit: str, shape: Mapping[str, Any], rates: Rates, gpu: bool) -> tuple[float | None, str]:
    """Return the seconds of one unit and how they are known.

    `scaled`: measured at another shape in the same precision, or of another kind of image, times the ratio of the operations;
    of several the one with the nearest operations, and of equals that with the nearest batch: a GPU is slower with few images
    at once. `floor`: operations over the published peak of a GPU, in the shape's precision where the class tells them apart;
    of decoding films what smaller ones of the same format took.
    """
    measured = measured_rates(rates, rule, unit)
    if (rate := rate_of(rates, rule, unit, shape)) is not None:
        return 1 / rate, MEASURED
    if rule == "prepare_cohort":
        same = [(rate, other["resolution"]) for rate, other in measured if other["format"] == shape["format"]]
        smaller = [rate for rate, resolution in same if resolution <= shape["resolution"]]
        return (1 / min(smaller), FLOOR) if smaller else (None, NONE)
    known = _counted(rule, [unit], shape, rates)
    if not known and rule == "sample_pool":
        known = _counted(rule, [f"{kind} image" for kind in KINDS], shape, rates)
    peak = rates["machine"].get("peak_tflops") if gpu else None
    if isinstance(peak, dict):
        peak = peak.get(str(shape.get("precision")), max(peak.values()))
    here = operations_of(rule, unit, shape) if known or peak else None
    if here and known:
        there, rate, _ = min(known, key=lambda one: (round(abs(math.log(one[0] / here)), 6), one[2]))
        return here / there / rate, SCALED
    return (here / (peak * 1e12), FLOOR) if here is not None and peak else (None, NONE)


def _counted(
    rule: str, units: Sequence[str], shape: Mapping[str, Any], rates: Rates
) -> list[tuple[float, float, float]]:
    """Return (operations, units per second, how far the batch is) of what was measured of units in this precision."""
    return [
        (operations, rate, abs(math.log(_batch(other) / _batch(shape))))
        for unit in units
        for rate, other in measured_rates(rates, rule, unit)
        if all(other.get(key) == shape.get(key) for key in ("precision", "task"))
        and (operations := operations_of(rule, unit, other))
    ]


def _batch(shape: Mapping[str, Any]) -> int:
    return shape.get("micro_batch") or shape.get("batch_size") or 1
