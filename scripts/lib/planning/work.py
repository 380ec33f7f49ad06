"""What one job has to do, counted from the study and the sizes: units by name, images, steps, bytes written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.lib.conditions.plan import KINDS
from scripts.lib.downstream.settings import steps_of
from scripts.lib.planning.jobs import Job
from scripts.lib.planning.sizes import Size
from scripts.lib.study.arms import KEPT, RATERS, Generator
from scripts.lib.study.cells import Cell, Study
from scripts.lib.study.config import stage
from scripts.lib.study.stores import Stores

WITH_REFERENCE = 2  # checks that one of DPO's counts as when the reference is asked as well
ROW_BYTES = 150  # of a row of an index or a table of conditions, measured on the phantom
Config = Mapping[str, Any]
Sizes = Mapping[str, Size]


@dataclass(frozen=True)
class Work:
    """Units of a job {unit: amount}; `unknown` says that a size is missing, so that the amounts are incomplete."""

    units: Mapping[str, float] = field(default_factory=dict)
    images: int = 0
    steps: int = 0
    bytes: float = 0
    unknown: bool = False


def conditions_of(config: Config, dataset: str, arm: str, fraction: str, size: Size) -> dict[str, int] | None:
    """Return the images to make for a pool by kind; each trial has its own."""
    most = Study(config).candidates(Cell(dataset, arm, fraction))
    films = 0
    for trial in range(config["study"]["trials"]):
        real = size.subset(trial, fraction)
        if real is None:
            return None
        films += real
    kinds = Study(config).condition_settings(Cell(dataset, arm, fraction))["kinds"]
    counts = {kind: most * kinds.get(kind, 0.0) * films for kind in KINDS}
    return {kind: round(count) for kind, count in counts.items() if count}


def rated_images(config: Config) -> dict[str, int]:
    """Return the images of the sets that raters see, by kind."""
    sets = config["feedback"]["sets"]
    return {kind: round(sets["sets"] * sets["images"] * share) for kind, share in sets["kinds"].items() if share}


def phantom_work(job: Job, config: Config, sizes: Sizes) -> Work:
    """Count the films that are drawn."""
    from scripts.lib.phantom.settings import settings_of

    section = config["datasets"][job.dataset]
    side = settings_of(section["format"], dict(section.get("phantom") or {}))["size"]
    films = sizes[job.dataset].listed or 0
    return Work({"film": films}, films, bytes=films * side**2)


def cohort_work(job: Job, config: Config, sizes: Sizes) -> Work:
    """Count the films that are decoded."""
    size = sizes[job.dataset]
    films = size.films
    return (
        Work(unknown=True) if films is None else Work({"film": films}, films, bytes=_stored(films, size.masked, config))
    )


def _stored(images: int, masked: bool, config: Config) -> int:
    """Return the bytes of images on the disk, with their rows of the index."""
    return images * (config["study"]["resolution"] ** 2 * (1 + masked) + ROW_BYTES)


def condition_work(job: Job, config: Config, sizes: Sizes) -> Work:
    """Count the rows of a table of conditions."""
    rows = conditions_of(config, *job.cell, sizes[job.dataset])
    if rows is None:
        return Work(unknown=True)
    return Work({"row": sum(rows.values())}, bytes=sum(rows.values()) * ROW_BYTES)


def sampling_work(job: Job, config: Config, sizes: Sizes) -> Work:
    """Count the images that a shard of a pool, or of the rated pool, computes by kind."""
    rows: dict[str, int] | None
    if job.rule == "sample_rated_pool":
        rows, shards, masked = rated_images(config), config["feedback"]["shards"], True
    else:
        rows, masked = conditions_of(config, *job.cell, sizes[job.dataset]), sizes[job.dataset].masked
        shards = Study(config).shard_count(Cell(*job.cell))
    if rows is None:
        return Work(unknown=True)
    shard, own = int(job.wildcards["shard"]), config["sampling"]
    mine = {kind: count // shards + (shard < count % shards) for kind, count in rows.items()}
    images = sum(mine.values())
    units = {f"{kind} image": n for kind, n in computed_images(mine, own["batch_size"], own["micro_batch"]).items()}
    return Work(units, images, bytes=_stored(images, masked, config))


def computed_images(rows: Mapping[str, int], batch: int, micro: int) -> dict[str, int]:
    """Return the images that a shard computes, by kind: each batch of rows is made kind by kind in micro-batches of one size.

    The last micro-batch of a kind is filled up. The kinds of a mixed shard are taken to be spread evenly.
    """
    images = sum(rows.values())
    parts = [batch] * (images // batch) + ([images % batch] if images % batch else [])
    return {
        kind: sum(micro * math.ceil(round(count * part / images, 6) / micro) for part in parts)
        for kind, count in rows.items()
        if count
    }


def reconstruction_work(job: Job, config: Config, sizes: Sizes) -> Work:
    """Count the films that any trial learns from at the largest fraction at which the arm runs."""
    size, study = sizes[job.wildcards["dataset"]], Study(config)
    train = size.splits.get("train")
    if train is None:
        return Work(unknown=True)
    share = float(Stores(study).largest_fraction(Cell(job.wildcards["dataset"], job.wildcards["arm"], "")))
    draws = study.trials if config["subsets"]["per_trial"] else 1
    films = round(train * (1 - (1 - share) ** draws))  # trials that draw for themselves share some of their films
    return Work({"film": films}, films, bytes=_stored(films, size.masked, config))


def scoring_work(job: Job, config: Config, sizes: Sizes) -> Work:
    """Count the images of a shard, or the films of the validation, that the proxy model scores."""
    if job.rule == "validate_proxy":
        held = config["proxy"]["validation"]
        films = sizes[held["dataset"]].splits.get(held["split"])
        return Work(unknown=True) if films is None else Work({"image": films})
    rows = conditions_of(config, *job.cell, sizes[job.dataset])
    if rows is None:
        return Work(unknown=True)
    images = math.ceil(sum(rows.values()) / Study(config).shard_count(Cell(*job.cell)))
    return Work({"image": images}, images, bytes=images * ROW_BYTES)


def base_work(job: Job, config: Config, sizes: Sizes) -> Work:
    """Count the steps of the foundation model's parts and the films that become latents."""
    steps = {f"{part} step": config["base"][part]["steps"] for part in ("vae", "text", "unet")}
    films = sum(sizes[name].splits.get("train", 0) for name in config["study"]["foundation"])
    return Work({**steps, "film": films}, steps=sum(steps.values()))


def steps_in(section: Callable[[Config], Config]) -> Callable[[Job, Config, Sizes], Work]:
    """Return a counter of the steps of a training whose settings `section` finds."""

    def count(job: Job, config: Config, sizes: Sizes) -> Work:
        steps = section(config)["steps"]
        return Work({"step": steps}, steps=steps)

    return count


def generator_work(generator: Generator) -> Callable[[Job, Config, Sizes], Work]:
    """Return a counter of the training of a generator of the registry: steps, films that become latents, held-out checks."""

    def count(job: Job, config: Config, sizes: Sizes) -> Work:
        steps = config[generator.section]["steps"]
        units = {"step": steps}
        if RATERS in generator.taught_by:
            units |= {"film": sum(rated_images(config).values()), "check": heldout_checks(config)[0]}
        elif KEPT in generator.taught_by:
            source = config["finetune"]["source"]
            cell = (source["dataset"], source["arm"], f"{source['fraction']:g}")
            rows = conditions_of(config, *cell, sizes[source["dataset"]])
            units["film"] = round(sum((rows or {}).values()) * (100 - config["proxy"]["percentile"]) / 100)
        else:
            splits = sizes[config["study"]["generator_dataset"]].splits
            units["film"] = splits.get("generator", splits.get("train", 0))
        return Work(units, steps=steps)

    return count


def class_work(job: Job, config: Config, sizes: Sizes) -> Work:
    """Count the steps of a U-Net that follows classes, of the study's or of a proposal, and the films that become latents."""
    steps = config["search"]["steps"] if job.rule == "train_proposal" else config["class_ldm"]["unet"]["steps"]
    films = sizes[config["study"]["generator_dataset"]].splits.get("generator")
    return Work({"step": steps, "film": films or 0}, steps=steps, unknown=films is None)


def heldout_checks(config: Config) -> tuple[int, float]:
    """Return how often DPO's monitor judges a held-out pair, as if no two films of a set had the same score, and the share
    of these checks before the first step or after the last one.

    Every check judges each pair at every draw; the first, before the first step, also asks the reference, which counts as
    another check. At the end the best weights are judged on them once more, and, the reference asked too, on the pairs that
    are reported on.
    """
    dpo, own, sets = config["dpo"], config["feedback"]["preferences"], config["feedback"]["sets"]
    pairs = 1 if own["pairs"] == "best_worst" else math.comb(sets["images"], 2)
    raters = len(config["feedback"]["raters"]) if own["raters"] == "each" else 1
    judged = round(sets["sets"] * own["heldout"]) * pairs * raters * dpo["monitor_draws"]
    inside = math.ceil(dpo["steps"] / dpo["monitor_steps"])
    around = WITH_REFERENCE + 1 + WITH_REFERENCE * own["report"] / own["heldout"]
    return round(judged * (inside + around)), around / (inside + around)


def trial_work(job: Job, config: Config, sizes: Sizes) -> Work:
    """Count the steps of a trial at all of its multipliers, and the films that it is tested on."""
    dataset, _, fraction = job.cell
    size = sizes[dataset]
    real, test = size.subset(int(job.wildcards["trial"]), fraction), size.splits.get("test")
    if real is None or test is None:
        return Work(unknown=True)
    own = stage(config, "trials", dataset)
    multipliers = Study(config).multipliers(Cell(*job.cell))
    budget, steps = own["budget"], 0
    fixed = steps_of(budget, float(fraction))
    for multiplier in multipliers:
        learned = round(real * (1 - own["validation_share"])) + multiplier * real
        epoch = math.ceil(learned / own["batch_size"])
        steps += fixed if budget["kind"] == "steps" else budget["epochs"] * epoch
    elsewhere = [sizes[name].splits.get("test", 0) for name in Study(config).external(dataset) if name in sizes]
    return Work({"step": steps, "test film": (test + sum(elsewhere)) * len(multipliers)}, steps=steps)
