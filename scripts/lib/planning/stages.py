"""The stages of a study in one table: what their jobs count, the shape that a rate holds for, operations and weights.

A rule that is not in it costs its job alone. What is left out of the operations (a generator's texts and hints, augmentation, the
optimizer's step) makes them smaller, so that operations over a peak are a floor. Of a GPU's memory activations are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from scripts.lib.downstream import operations as trials
from scripts.lib.filters.proxy import operations as proxy
from scripts.lib.generators.controlled import operations as diffusion
from scripts.lib.mgca import operations as mgca
from scripts.lib.planning import work
from scripts.lib.planning.jobs import Job
from scripts.lib.planning.sizes import UnknownSize
from scripts.lib.planning.work import Config, Sizes, Work
from scripts.lib.study.arms import BASE, CLASS, GENERATORS, RATERS, Generator
from scripts.lib.study.processor import BF16, FP32, resolved
from scripts.lib.study.sources import PHANTOM
from scripts.lib.training.operations import Shape, batch, kept, size, training_shape

FLOAT, HALF = 4, 2  # bytes
# Rules whose jobs are those of another stage.
ALIASES = {
    "sample_rated_pool": "sample_pool",
    "train_controlnet_findings": "train_controlnet",
    "validate_proxy": "score_pool",
    "compare_dataset_arms": "compare_arms",
    "compare_figure_arms": "compare_arms",
}


@dataclass(frozen=True)
class Stage:
    """One stage, i.e. a rule.

    count       what a job has to do
    shape       what its rate holds for, of the configuration and the dataset: all that decides how long a unit takes
    operations  floating point operations of a unit at a shape, None where they are not counted. Unit `film` of a training
                is a film that becomes latents once, `check` a held-out pair that DPO's monitor judges once
    parts       {part: parameters} of its networks, {} where they are not known
    trains      those parts that learn; the others lie beside them
    casts       section whose precision says how frozen weights lie on a GPU; "": in fp32, autocast casts them when used
    tensors     of a trained parameter: on a GPU (itself, gradient, Adam's two moments, running mean), and on the disk (itself
                and in a checkpoint itself, mean and moments; 0 where checkpoints are not counted)
    """

    count: Callable[[Job, Config, Sizes], Work]
    shape: Callable[[Config, str], dict[str, Any]] = lambda config, dataset: {}
    operations: Callable[[str, Shape], float | None] = lambda unit, shape: None
    parts: Callable[[Config, str | None], Mapping[str, int]] = lambda config, dataset: {}
    trains: Callable[[Config], Sequence[str]] = lambda config: ()
    casts: str = ""
    tensors: tuple[int, int] = (5, 5)


def stage_of(rule: str) -> str:
    """Return the rule whose rates a job has."""
    return ALIASES.get(rule, rule)


def _stage(rule: str) -> Stage:
    return STAGES.get(stage_of(rule), NO_STAGE)


def work_of(job: Job, config: Config, sizes: Sizes) -> Work:
    """Return what a job has to do; a rule without units here costs its job alone."""
    try:
        return _stage(job.rule).count(job, config, sizes)
    except UnknownSize:
        return Work(unknown=True)


def shape_of(config: Config, rule: str, dataset: str | None, gpu: bool) -> dict[str, Any]:
    """Return the shape of a stage's units; {} for stages whose cost depends on no model. `gpu`: of a class with GPUs.

    `precision: auto` is bf16 on a GPU and, in a plan, fp32 on a processor.
    """
    return _stage(rule).shape(resolved(config, BF16 if gpu else FP32), str(dataset))


@kept
def operations_of(rule: str, unit: str, shape: Shape) -> float | None:
    """Return the operations of one unit of a stage, None where they are not counted. Two a multiply-add, as torch counts."""
    return _stage(rule).operations(unit, shape)


def _trained(own: Stage, config: Config, parts: Mapping[str, int]) -> int:
    return sum(parts.get(part, 0) for part in own.trains(config))


def disk_of(config: Config, rule: str) -> int:
    """Return the bytes of the weights that a stage trains and of its largest checkpoint; 0 for stages without, or not counted."""
    own = _stage(rule)
    return FLOAT * own.tensors[1] * _trained(own, config, own.parts(config, None)) if own.tensors[1] else 0


def gpu_bytes(config: Config, rule: str, dataset: str | None) -> int | None:
    """Return the least bytes of a GPU that a job needs for weights, gradients and optimizer, None where not known."""
    own = _stage(rule)
    if not (parts := own.parts(config, dataset)):
        return None
    trained = _trained(own, config, parts)
    half = own.casts and config[own.casts]["precision"] != FP32  # auto is bf16 on a GPU
    return FLOAT * own.tensors[0] * trained + (HALF if half else FLOAT) * (sum(parts.values()) - trained)


def _side(config: Config, *parts: Mapping[str, Any]) -> dict[str, Any]:
    return {"resolution": config["study"]["resolution"]} | {key: one for part in parts for key, one in part.items()}


def _film(config: Config, dataset: str) -> dict[str, Any]:
    """Return the shape of a film of a dataset's raw tree."""
    section = config["datasets"][dataset]
    side = (section.get("phantom") or {}).get("size") if section["root"] == PHANTOM else "real"
    return {"format": section["format"], **({"film": side} if side else {})}


def _class_unet(config: Config, dataset: str) -> dict[str, Any]:
    section = config["class_ldm"]
    return _side(config, {"latents_of": section["autoencoder"]["channels"]}, training_shape(section, "unet"))


def _proxy_model(config: Config) -> Any:
    return config["proxy"]["model"] or training_shape(config["proxy"]["train"])


def generator_parameters(config: Config) -> dict[str, int]:
    """Return the parameters of unet, controlnet, vae and text of the configured generator."""
    return diffusion.parameters(diffusion.shape(config), config["base"]["text"])


def _proxy_parameters(config: Config, dataset: str | None) -> dict[str, int]:
    known = proxy.parameters(_proxy_model(config), config["study"]["resolution"])
    return {"proxy": known} if known else {}


def _trial_parameters(config: Config, dataset: str | None) -> dict[str, int]:
    shape = shape_of(config, "train_trials", dataset, True)
    return {"frozen" if shape["model"]["frozen"] else "model": size(trials.model(shape))}


def _generator_stage(one: Generator) -> Stage:
    keys = ("batch_size", "gradient_accumulation", "precision", "trains")
    pairs = RATERS in one.taught_by

    def parts(config: Config, dataset: str | None) -> dict[str, int]:
        own = generator_parameters(config)
        return own | {"reference": sum(own[part] for part in trains(config))} if pairs else own

    def trains(config: Config) -> Sequence[str]:
        return config[one.section].get("trains", ["controlnet"])

    return Stage(
        lambda job, config, sizes: work.generating(one, config, sizes),
        lambda config, _: diffusion.shape(config, one.section, *keys),
        partial(diffusion.tuning, pairs),
        parts,
        trains,
        casts=one.section,
        tensors=(7, 6) if pairs else (5, 5),  # pairs: also the start and, in the checkpoint too, the best state
    )


NO_STAGE = Stage(lambda job, config, sizes: Work())
CLASS_UNET = Stage(work.following_classes, _class_unet)
STAGES = {
    "write_phantom": Stage(work.drawing, _film),
    "prepare_cohort": Stage(
        lambda job, config, sizes: work.stored(sizes[job.dataset].films, sizes[job.dataset].masked, config),
        lambda config, name: _side(config, _film(config, name)),
    ),
    "build_conditions": Stage(work.conditioning),
    "train_base": Stage(
        work.founding,
        lambda config, _: _side(config, training_shape(config["base"], "vae", "text", "unet")),
        diffusion.foundation,
        lambda config, _: {part: generator_parameters(config)[part] for part in ("vae", "unet", "text")},
        lambda config: ("unet", "text"),  # together, after the autoencoder
        casts="base",
    ),
    **{one.rule: _generator_stage(one) for one in GENERATORS.values() if one.name != BASE and one.follows != CLASS},
    "train_class_autoencoder": Stage(
        lambda job, config, sizes: Work({"step": config["class_ldm"]["autoencoder"]["steps"]}),
        lambda config, _: _side(config, training_shape(config["class_ldm"], "autoencoder")),
    ),
    "train_class_ldm": CLASS_UNET,
    "train_proposal": CLASS_UNET,
    "sample_pool": Stage(
        work.sampling,
        lambda config, _: diffusion.image_shape(config),
        diffusion.image,
        lambda config, _: generator_parameters(config),
        casts="sampling",
    ),
    "reconstruct_films": Stage(
        work.reconstructing,
        lambda config, _: diffusion.shape(config, "sampling", "micro_batch", "precision"),
        lambda _, shape: sum(map(diffusion.networks(shape).coding, ("encoding", "decoding"))),
    ),
    "train_proxy": Stage(
        lambda job, config, sizes: Work({"step": config["proxy"]["train"]["steps"]}),
        lambda config, _: _side(
            config, training_shape(config["proxy"]["train"]), {"precision": config["proxy"]["precision"]}
        ),
        lambda _, shape: batch(shape) * (proxy.film(shape, shape["resolution"], learns=True) or 0.0),
        _proxy_parameters,
        lambda config: ("proxy",),
    ),
    "score_pool": Stage(
        work.scoring,
        lambda config, _: _side(config, {"model": _proxy_model(config), "precision": config["proxy"]["precision"]}),
        lambda _, shape: proxy.film(shape["model"], shape["resolution"]),
        _proxy_parameters,
    ),
    "pretrain_mgca": Stage(
        lambda job, config, sizes: Work({"step": config["mgca"]["steps"]}),
        lambda config, _: _side(config, training_shape(config["mgca"])),
        lambda _, shape: batch(shape) * mgca.pair(shape, shape["resolution"]),
        lambda config, _: mgca.parameters(config["mgca"], config["study"]["resolution"]),
        lambda config: ("trained",),
    ),
    "train_trials": Stage(
        work.testing, trials.trial_shape, trials.trial, _trial_parameters, lambda config: ("model",), tensors=(4, 0)
    ),
}
