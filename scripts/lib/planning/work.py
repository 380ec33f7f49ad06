"""What one job has to do, counted from the study and the sizes: units by name, images, steps, bytes written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from scripts.lib.conditions.plan import KINDS
from scripts.lib.downstream.settings import steps_of
from scripts.lib.generators.controlled.operations import heldout_checks
from scripts.lib.phantom.settings import settings_of
from scripts.lib.planning.jobs import Job
from scripts.lib.planning.sizes import Size
from scripts.lib.study.arms import ALONE, BASE, CLASS, GENERATORS, KEPT, RATERS, Generator
from scripts.lib.study.cells import Cell, cell_of
from scripts.lib.study.config import stage
from scripts.lib.study.stores import Stores
from scripts.lib.study.study import Study

ROW_BYTES = 150  # of a row of an index or a table of conditions, measured on the phantom
# Generators of the registry that are trained further from the foundation model, by their rule.
TUNED = {one.rule: one for one in GENERATORS.values() if one.name != BASE and one.follows != CLASS}
Config = Mapping[str, Any]
Sizes = Mapping[str, Size]


@dataclass(frozen=True)
class Work:
    """Units of a job {unit: amount}; `unknown` says that a size is missing, so that the amounts are incomplete."""

    units: Mapping[str, float] = field(default_factory=dict)
    images: int = 0
    bytes: float = 0
    unknown: bool = False

    @property
    def steps(self) -> int:
        """Steps of trainings, of all their parts."""
        return int(sum(amount for unit, amount in self.units.items() if unit.endswith("step")))


def conditions_of(config: Config, cell: Cell, sizes: Sizes) -> dict[str, int]:
    """Return the images to make for a pool by kind, each trial its own; raises UnknownSize."""
    study = Study(config)
    images = study.candidates(cell) * sum(sizes[cell.dataset].subset(n, cell.fraction) for n in range(study.trials))
    kinds = study.condition_settings(cell)["kinds"]
    return {kind: round(images * kinds[kind]) for kind in KINDS if images * kinds.get(kind, 0.0)}


def rated_images(config: Config) -> dict[str, int]:
    """Return the images of the sets that raters see, by kind."""
    sets = config["feedback"]["sets"]
    return {kind: round(sets["sets"] * sets["images"] * share) for kind, share in sets["kinds"].items() if share}


def stored(films: int, masked: bool, config: Config) -> Work:
    """Return the work of putting films or images on the disk, with their rows of the index."""
    return Work({"film": films}, films, bytes=films * (config["study"]["resolution"] ** 2 * (1 + masked) + ROW_BYTES))


def counted(job: Job, config: Config, sizes: Sizes) -> Work:
    """Return what a job has to do, nothing of a rule that costs its job alone; raises UnknownSize."""
    match job.rule:
        case "write_phantom":
            section, films = config["datasets"][job.dataset], sizes[job.dataset].listed or 0
            side = settings_of(section["format"], dict(section.get("phantom") or {}))["size"]
            return Work({"film": films}, films, bytes=films * side**2)
        case "prepare_cohort":
            size = sizes[job.dataset]
            return replace(stored(sum(size.splits.values()), size.masked, config), unknown=not size.splits)
        case "build_conditions":
            rows = sum(conditions_of(config, job.cell, sizes).values())
            return Work({"row": rows}, bytes=rows * ROW_BYTES)
        case "train_base":
            steps = {f"{part} step": config["base"][part]["steps"] for part in ("vae", "text", "unet")}
            films = sum(sizes[name].splits.get("train", 0) for name in config["study"]["foundation"])
            return Work({**steps, "film": films})
        case "train_class_autoencoder":
            return Work({"step": config["class_ldm"]["autoencoder"]["steps"]})
        case "train_class_ldm" | "train_proposal":
            section = config["search"] if job.rule == "train_proposal" else config["class_ldm"]["unet"]
            known = sizes[config["study"]["generator_dataset"]].splits.get("generator")
            return Work({"step": section["steps"], "film": known or 0}, unknown=known is None)
        case "sample_pool" | "sample_rated_pool":
            return sampling(job, config, sizes)
        case "reconstruct_films":
            return reconstructing(job, config, sizes)
        case "train_proxy":
            return Work({"step": config["proxy"]["train"]["steps"]})
        case "validate_proxy":
            validation = config["proxy"]["validation"]
            return Work({"image": sizes[validation["dataset"]].side(validation["split"])})
        case "score_pool":
            rows = sum(conditions_of(config, job.cell, sizes).values())
            images = math.ceil(rows / Study(config).shard_count(job.cell))
            return Work({"image": images}, images, bytes=images * ROW_BYTES)
        case "pretrain_mgca":
            return Work({"step": config["mgca"]["steps"]})
        case "train_trials":
            return testing(job, config, sizes)
        case rule if rule in TUNED:
            return tuning(TUNED[rule], config, sizes)
    return Work()


def sampling(job: Job, config: Config, sizes: Sizes) -> Work:
    """Count the images that a shard of a pool, or of the rated pool, computes by kind."""
    if job.rule == "sample_rated_pool":
        rows, shards, masked = rated_images(config), config["feedback"]["shards"], True
    else:
        rows, masked = conditions_of(config, job.cell, sizes), sizes[job.dataset].masked
        shards = Study(config).shard_count(job.cell)
    shard, settings = int(job.wildcards["shard"]), config["sampling"]
    mine = {kind: count // shards + (shard < count % shards) for kind, count in rows.items()}
    computed = computed_images(mine, settings["save_every"], settings["micro_batch"])
    units = {f"{kind} image": count for kind, count in computed.items()}
    return replace(stored(sum(mine.values()), masked, config), units=units)


def computed_images(rows: Mapping[str, int], batch: int, micro: int) -> dict[str, int]:
    """Return the images that a shard computes, by kind: each batch of rows is made kind by kind in micro-batches of one size.

    The last micro-batch of a kind is filled up. The kinds of a mixed shard are taken to be spread evenly.
    """
    images = sum(rows.values())
    parts = [batch] * (images // batch) + [images % batch]
    return {
        kind: sum(micro * math.ceil(round(count * part / images, 6) / micro) for part in parts)
        for kind, count in rows.items()
        if count
    }


def reconstructing(job: Job, config: Config, sizes: Sizes) -> Work:
    """Count the films that any trial learns from at the largest fraction at which the arm runs."""
    size, study = sizes[job.dataset], Study(config)
    share = float(Stores(study).largest_fraction(Cell(job.dataset, job.wildcards["arm"], "")))
    draws = study.trials if config["subsets"]["per_trial"] else 1
    films = round(size.side("train") * (1 - (1 - share) ** draws))  # trials that draw for themselves share some films
    return stored(films, size.masked, config)


def tuning(generator: Generator, config: Config, sizes: Sizes) -> Work:
    """Count the training of a generator of the registry: steps, films that become latents, held-out checks."""
    units = {"step": config[generator.section]["steps"]}
    if RATERS in generator.taught_by:
        return Work(units | {"film": sum(rated_images(config).values()), "check": heldout_checks(config)[0]})
    if KEPT in generator.taught_by:
        pool = sum(conditions_of(config, cell_of(config["finetune"]["source"]), sizes).values())
        return Work(units | {"film": round(pool * (100 - config["proxy"]["percentile"]) / 100)})
    splits = sizes[config["study"]["generator_dataset"]].splits
    return Work(units | {"film": splits.get("generator", splits.get("train", 0))})


def testing(job: Job, config: Config, sizes: Sizes) -> Work:
    """Count the steps of a trial at all of its multipliers, and the films that it is tested on."""
    study, cell, settings = Study(config), job.cell, stage(config, "trials", job.dataset)
    budget, multipliers = settings["budget"], study.multipliers(cell)
    real = sizes[job.dataset].subset(int(job.wildcards["trial"]), cell.fraction)
    tested = sizes[job.dataset].side("test")
    tested += sum(sizes[name].splits.get("test", 0) for name in study.external(job.dataset) if name in sizes)
    tested += sum(max(study.multipliers(other)) * real for other in study.image_cells(cell))
    if budget["kind"] == "steps":
        steps = len(multipliers) * steps_of(budget, float(cell.fraction))
    else:
        alone = 0 not in multipliers and study.cell_settings(cell)["mixing"]["kind"] == ALONE
        own = 0 if alone else round(real * (1 - settings["validation_share"]))
        learned = (own + multiplier * real for multiplier in multipliers)
        steps = sum(budget["epochs"] * math.ceil(films / settings["batch_size"]) for films in learned)
    return Work({"step": steps, "test film": tested * len(multipliers)})
