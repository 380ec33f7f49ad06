"""What one job costs, and how that is known: measured, scaled, measured elsewhere, a floor, or not at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scripts.lib.planning.jobs import Job
from scripts.lib.planning.operations import operations_of
from scripts.lib.planning.rates import borrowed, rate_of, rates_elsewhere
from scripts.lib.planning.shapes import shape_of
from scripts.lib.planning.work import KINDS, Work, stage_of
from scripts.lib.study.sources import PHANTOM

MEASURED, SCALED, ELSEWHERE, FLOOR, NONE = "measured", "scaled", "elsewhere", "floor", "n/a"
ORDER = (MEASURED, SCALED, ELSEWHERE, FLOOR, NONE)
MEANING = {
    MEASURED: "timed on this class of machines, at the study's own shapes",
    SCALED: "timed on this class at another shape or for another kind of image, times the ratio of the operations",
    ELSEWHERE: "timed on the processor of another class ({borrowed})",
    FLOOR: "least time: operations over the published peak, or what smaller films or tables took",
    NONE: "no rate of this class says anything of it",
}

# The text encoder's own steps are a small part of the base's training; a floor does without them.
UNCOUNTED = ("train_base", "text step")
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


def price_of(job: Job, work: Work, config: Mapping[str, Any], rates: Mapping[str, Any]) -> Price:
    """Return what a job costs: by rates of its own shapes, else scaled ones, else of another class's processor (a job
    without a GPU), else a floor, else nothing."""
    if work.unknown:
        return Price(None, NONE)
    gpu = bool(rates["machine"].get("gpu")) and job.gpus > 0
    own = _priced(job, work, config, rates, gpu)
    other = borrowed(rates)
    if gpu or other is None or own.source != NONE:
        return own
    found = _priced(job, work, config, other, False)
    return replace(found, source=least_known([ELSEWHERE, found.source]), rss_mb=None)


def least_known(sources: Sequence[str]) -> str:
    """Return that of several ways of knowing which says the least."""
    return max(sources, key=ORDER.index)


def _priced(job: Job, work: Work, config: Mapping[str, Any], rates: Mapping[str, Any], gpu: bool) -> Price:
    rule = stage_of(job.rule)
    own = rates["rates"].get(rule, {})
    if not work.units:
        known = own.get("job_seconds")
        # Such jobs read tables, which grow with a study; those of the phantom are small.
        source = MEASURED if _is_phantom(config) else FLOOR
        return Price(None, NONE) if known is None else Price(known, source, own.get("rss_mb"))
    shape = shape_of(config, rule, job.wildcards.get("dataset"), gpu)
    parts, at_peak = [(own.get("job_seconds") or 0.0, MEASURED)], 0.0
    for unit, amount in work.units.items():
        if not amount:
            continue
        each, how = seconds_of(rule, unit, shape, rates, gpu)
        if each is None and unit.endswith(IN_JOB) and own.get("job_seconds") is not None and len(work.units) > 1:
            continue
        if each is None and gpu and (rule, unit) == UNCOUNTED and peak_of(rates, shape):
            how, each = FLOOR, 0.0
        if each is None:
            return Price(None, NONE)
        parts.append((amount * each, how))
        at_peak += amount * each if gpu and how == FLOOR else 0.0
    seconds = sum(part for part, _ in parts)
    source = least_known([how for part, how in parts if part >= SMALL * seconds])
    return Price(seconds, source, own.get("rss_mb") if source == MEASURED else None, at_peak)


def _is_phantom(config: Mapping[str, Any]) -> bool:
    return all(config["datasets"][name]["root"] == PHANTOM for name in config["study"]["datasets"])


def peak_of(rates: Mapping[str, Any], shape: Mapping[str, Any]) -> float | None:
    """Return the published peak of a class's GPU in TFLOP/s, in the shape's precision where the class tells them apart."""
    peak = rates["machine"].get("peak_tflops")
    return peak.get(shape.get("precision"), max(peak.values())) if isinstance(peak, Mapping) else peak


def seconds_of(
    rule: str, unit: str, shape: Mapping[str, Any], rates: Mapping[str, Any], gpu: bool
) -> tuple[float | None, str]:
    """Return the seconds of one unit and how they are known.

    `scaled`: measured at another shape in the same precision, or of another kind of image, times the ratio of the operations;
    of several the one with the nearest operations, and of equals that with the nearest batch. `floor`: operations over the published peak of a GPU; of decoding films
    what smaller ones took.
    """
    rate = rate_of(rates, rule, unit, shape)
    if rate is not None:
        return 1 / rate, MEASURED
    if rule == "prepare_cohort":
        return _smaller_films(rates, shape)
    known = _counted(rule, [unit], shape, rates)
    if not known and rule == "sample_pool":
        known = _counted(rule, [f"{kind} image" for kind in KINDS], shape, rates)
    peak = peak_of(rates, shape) if gpu else None
    here = operations_of(rule, unit, shape) if known or peak else None
    if here and known:
        there, other, _ = min(known, key=lambda one: (round(abs(math.log(one[0] / here)), 6), _apart(one[2], shape)))
        return here / there / other, SCALED
    return (here / (peak * 1e12), FLOOR) if here and peak else (None, NONE)


def _counted(
    rule: str, units: Sequence[str], shape: Mapping[str, Any], rates: Mapping[str, Any]
) -> list[tuple[float, float, Mapping[str, Any]]]:
    """Return (operations, units per second, shape) of what was measured of these units in the shape's precision."""
    found = [
        (operations_of(rule, unit, own), rate, own)
        for unit in units
        for rate, own in rates_elsewhere(rates, rule, unit)
        if own.get("precision") == shape.get("precision") and own.get("task") == shape.get("task")
    ]
    return [one for one in found if one[0]]


def _apart(measured: Mapping[str, Any], shape: Mapping[str, Any]) -> float:
    """Return how far two batches are apart, as the logarithm of their ratio: a GPU is slower with few images at once."""
    for key in ("micro_batch", "batch_size"):
        if measured.get(key) and shape.get(key):
            return abs(math.log(measured[key] / shape[key]))
    return 0.0


def _smaller_films(rates: Mapping[str, Any], shape: Mapping[str, Any]) -> tuple[float | None, str]:
    """Return the seconds of a film of the same format where stored films were no larger: real ones are larger still."""
    found = [
        rate
        for rate, own in rates_elsewhere(rates, "prepare_cohort", "film")
        if own["format"] == shape["format"] and own["resolution"] <= shape["resolution"]
    ]
    return (1 / min(found), FLOOR) if found else (None, NONE)
