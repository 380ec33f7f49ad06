"""What one job has to do, counted from the configuration and the sizes: units by name, images, steps, bytes written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.lib.downstream.settings import steps_of
from scripts.lib.planning.jobs import Job
from scripts.lib.planning.sizes import Size
from scripts.lib.study.cells import Cell, Study
from scripts.lib.study.config import stage
from scripts.lib.study.stores import Stores

ALIASES = {
    "sample_rated_pool": "sample_pool",
    "validate_proxy": "score_pool",
    "compare_dataset_arms": "compare_arms",
    "compare_figure_arms": "compare_arms",
}
KINDS = ("text", "mask", "both")
WITH_REFERENCE = 2  # checks that one of DPO's counts as when the reference is asked as well
ROW_BYTES = 150  # of a row of an index or a table of conditions, measured on the phantom


@dataclass(frozen=True)
class Work:
    """Units of a job {unit: amount}; `unknown` says that a size is missing, so that the amounts are incomplete."""

    units: Mapping[str, float] = field(default_factory=dict)
    images: int = 0
    steps: int = 0
    bytes: float = 0
    unknown: bool = False


def stage_of(rule: str) -> str:
    """Return the rule whose rates a job has."""
    return ALIASES.get(rule, rule)


def conditions_of(
    config: Mapping[str, Any], dataset: str, arm: str, fraction: str, size: Size
) -> dict[str, int] | None:
    """Return the images to make for a pool by kind; each trial has its own."""
    study = config["study"]
    most = Study(config).candidates(Cell(dataset, arm, fraction))
    real = [size.subset(trial, fraction) for trial in range(study["trials"])]
    if None in real:
        return None
    kinds = stage(config, "conditions", dataset)["kinds"]
    counts = {kind: most * kinds.get(kind, 0.0) * sum(real) for kind in KINDS}
    return {kind: round(count) for kind, count in counts.items() if count}


def rated_images(config: Mapping[str, Any]) -> dict[str, int]:
    """Return the images of the sets that raters see, by kind."""
    sets = config["feedback"]["sets"]
    return {kind: round(sets["sets"] * sets["images"] * share) for kind, share in sets["kinds"].items() if share}


def work_of(job: Job, config: Mapping[str, Any], sizes: Mapping[str, Size]) -> Work:
    """Return what a job has to do; a rule without units here costs its job alone."""
    counter = COUNTERS.get(stage_of(job.rule))
    return counter(job, config, sizes) if counter else Work()


def _phantom(job: Job, config: Mapping[str, Any], sizes: Mapping[str, Size]) -> Work:
    name = job.wildcards["dataset"]
    from scripts.lib.phantom.settings import settings_of

    section = config["datasets"][name]
    side = settings_of(section["format"], dict(section.get("phantom") or {}))["size"]
    films = sizes[name].listed or 0
    return Work({"film": films}, films, bytes=films * side**2)


def _cohort(job: Job, config: Mapping[str, Any], sizes: Mapping[str, Size]) -> Work:
    size = sizes[job.wildcards["dataset"]]
    films = size.films
    if films is None:
        return Work(unknown=True)
    return Work({"film": films}, films, bytes=films * (_pixels(config) * (1 + size.masked) + ROW_BYTES))


def _pixels(config: Mapping[str, Any]) -> int:
    return config["study"]["resolution"] ** 2


def _conditions(job: Job, config: Mapping[str, Any], sizes: Mapping[str, Size]) -> Work:
    rows = conditions_of(config, *_cell(job), sizes[job.wildcards["dataset"]])
    if rows is None:
        return Work(unknown=True)
    return Work({"row": sum(rows.values())}, bytes=sum(rows.values()) * ROW_BYTES)


def _cell(job: Job) -> tuple[str, str, str]:
    return job.wildcards["dataset"], job.wildcards["arm"], job.wildcards["fraction"]


def _sampling(job: Job, config: Mapping[str, Any], sizes: Mapping[str, Size]) -> Work:
    if job.rule == "sample_rated_pool":
        rows, shards, masked = rated_images(config), config["feedback"]["shards"], True
    else:
        size = sizes[job.wildcards["dataset"]]
        rows = conditions_of(config, *_cell(job), size)
        shards, masked = config["sampling"]["shards"].get(job.wildcards["fraction"], 1), size.masked
    if rows is None:
        return Work(unknown=True)
    shard = int(job.wildcards["shard"])
    mine = {kind: count // shards + (shard < count % shards) for kind, count in rows.items()}
    images, own = sum(mine.values()), config["sampling"]
    units = {f"{kind} image": n for kind, n in computed_images(mine, own["batch_size"], own["micro_batch"]).items()}
    return Work(units, images, bytes=images * (_pixels(config) * (1 + masked) + ROW_BYTES))


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


def _reconstruction(job: Job, config: Mapping[str, Any], sizes: Mapping[str, Size]) -> Work:
    """Count the films that any trial learns from at the largest fraction at which the arm runs."""
    size, study = sizes[job.wildcards["dataset"]], Study(config)
    train = size.splits.get("train")
    if train is None:
        return Work(unknown=True)
    share = float(Stores(study).largest_fraction(Cell(job.wildcards["dataset"], job.wildcards["arm"], "")))
    draws = study.trials if config["subsets"]["per_trial"] else 1
    films = round(train * (1 - (1 - share) ** draws))  # trials that draw for themselves share some of their films
    return Work({"film": films}, films, bytes=films * (_pixels(config) * (1 + size.masked) + ROW_BYTES))


def _scoring(job: Job, config: Mapping[str, Any], sizes: Mapping[str, Size]) -> Work:
    if job.rule == "validate_proxy":
        held = config["proxy"]["validation"]
        films = sizes[held["dataset"]].splits.get(held["split"])
        return Work(unknown=True) if films is None else Work({"image": films})
    rows = conditions_of(config, *_cell(job), sizes[job.wildcards["dataset"]])
    if rows is None:
        return Work(unknown=True)
    shards = config["sampling"]["shards"].get(job.wildcards["fraction"], 1)
    images = math.ceil(sum(rows.values()) / shards)
    return Work({"image": images}, images, bytes=images * ROW_BYTES)


def _base(job: Job, config: Mapping[str, Any], sizes: Mapping[str, Size]) -> Work:
    steps = {f"{part} step": config["base"][part]["steps"] for part in ("vae", "text", "unet")}
    films = sum(sizes[name].splits.get("train", 0) for name in config["study"]["foundation"])
    return Work({**steps, "film": films}, steps=sum(steps.values()))


def _training(*keys: str) -> Any:
    def count(job: Job, config: Mapping[str, Any], sizes: Mapping[str, Size]) -> Work:
        section: Any = config
        for key in keys:
            section = section[key]
        return Work({"step": section["steps"]}, steps=section["steps"])

    return count


def _tuning(section: str, films: Callable[[Mapping[str, Any], Mapping[str, Size]], int]) -> Any:
    """Return a counter of a training's steps and of the films that it turns into latents first."""

    def count(job: Job, config: Mapping[str, Any], sizes: Mapping[str, Size]) -> Work:
        steps = config[section]["steps"]
        units = {"step": steps, "film": films(config, sizes)}
        if section == "dpo":
            units["check"] = heldout_checks(config)
        return Work(units, steps=steps)

    return count


def _masked_films(config: Mapping[str, Any], sizes: Mapping[str, Size]) -> int:
    splits = sizes[config["study"]["generator_dataset"]].splits
    return splits.get("generator", splits.get("train", 0))


def _kept_films(config: Mapping[str, Any], sizes: Mapping[str, Size]) -> int:
    source = config["finetune"]["source"]
    rows = conditions_of(config, source["dataset"], source["arm"], f"{source['fraction']:g}", sizes[source["dataset"]])
    return round(sum((rows or {}).values()) * (100 - config["proxy"]["percentile"]) / 100)


def _rated_films(config: Mapping[str, Any], sizes: Mapping[str, Size]) -> int:
    return sum(rated_images(config).values())


def heldout_checks(config: Mapping[str, Any]) -> int:
    """Return how often DPO's monitor judges a held-out pair, as if no two films of a set had the same score.

    Every check judges each pair at every draw; the first, before the first step, also asks the reference, which counts as
    another check. At the end the best weights are judged on them once more, and, the reference asked too, on the pairs that
    are reported on.
    """
    dpo, own, sets = config["dpo"], config["feedback"]["preferences"], config["feedback"]["sets"]
    pairs = 1 if own["pairs"] == "best_worst" else math.comb(sets["images"], 2)
    raters = len(config["feedback"]["raters"]) if own["raters"] == "each" else 1
    judged = round(sets["sets"] * own["heldout"]) * pairs * raters * dpo["monitor_draws"]
    return round(judged * (_checks_in_loop(config) + _checks_around(config)))


def checks_around(config: Mapping[str, Any]) -> float:
    """Return the share of these checks that is made before the first step or after the last one."""
    return _checks_around(config) / (_checks_around(config) + _checks_in_loop(config))


def _checks_in_loop(config: Mapping[str, Any]) -> int:
    return math.ceil(config["dpo"]["steps"] / config["dpo"]["monitor_steps"])


def _checks_around(config: Mapping[str, Any]) -> float:
    own = config["feedback"]["preferences"]
    return WITH_REFERENCE + 1 + WITH_REFERENCE * own["report"] / own["heldout"]


def _trials(job: Job, config: Mapping[str, Any], sizes: Mapping[str, Size]) -> Work:
    dataset, arm, fraction = _cell(job)
    size = sizes[dataset]
    real, test = size.subset(int(job.wildcards["trial"]), fraction), size.splits.get("test")
    if real is None or test is None:
        return Work(unknown=True)
    own = stage(config, "trials", dataset)
    multipliers = Study(config).multipliers(Cell(dataset, arm, fraction))
    budget, steps = own["budget"], 0
    fixed = steps_of(budget, float(fraction))
    for multiplier in multipliers:
        learned = round(real * (1 - own["validation_share"])) + multiplier * real
        epoch = math.ceil(learned / own["batch_size"])
        steps += fixed if budget["kind"] == "steps" else budget["epochs"] * epoch
    elsewhere = [sizes[name].splits.get("test", 0) for name in Study(config).external(dataset) if name in sizes]
    return Work({"step": steps, "test film": (test + sum(elsewhere)) * len(multipliers)}, steps=steps)


COUNTERS: dict[str, Any] = {
    "write_phantom": _phantom,
    "prepare_cohort": _cohort,
    "build_conditions": _conditions,
    "sample_pool": _sampling,
    "reconstruct_films": _reconstruction,
    "score_pool": _scoring,
    "train_base": _base,
    "train_controlnet": _tuning("controlnet", _masked_films),
    "finetune_generator": _tuning("finetune", _kept_films),
    "train_dpo": _tuning("dpo", _rated_films),
    "train_proxy": _training("proxy", "train"),
    "pretrain_mgca": _training("mgca"),
    "train_trials": _trials,
}
