"""The stages of a study in one table: what their jobs count, the shape that a rate holds for, operations and weights.

A rule that is not in it costs its job alone. What is left out of the operations (a generator's texts, augmentation, the
optimizer's step) makes them smaller, so that operations over a peak are a floor. Of a GPU's memory activations are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from scripts.lib.planning import diffusion, networks, shapes, work
from scripts.lib.planning.jobs import Job
from scripts.lib.planning.shapes import Config
from scripts.lib.planning.sizes import UnknownSize
from scripts.lib.planning.work import Sizes, Work, step_work
from scripts.lib.study.arms import BASE, CLASS, GENERATORS, RATERS, Generator
from scripts.lib.study.processor import BF16, FP32, resolved

FLOAT, HALF = 4, 2  # bytes
# Rules whose jobs are those of another stage.
ALIASES = {
    "sample_rated_pool": "sample_pool",
    "train_controlnet_findings": "train_controlnet",
    "validate_proxy": "score_pool",
    "compare_dataset_arms": "compare_arms",
    "compare_figure_arms": "compare_arms",
}


class Weights(NamedTuple):
    """Parameters that a stage trains, that it holds frozen, and that its folder keeps."""

    trained: int
    frozen: int = 0
    stored: int = 0


@dataclass(frozen=True)
class Stage:
    """One stage, i.e. a rule.

    count       what a job has to do
    shape       what its rate holds for, of the configuration and the dataset
    operations  floating point operations of a unit at a shape, None where they are not counted. Unit `film` of a training
                is a film that becomes latents once, `check` a held-out pair that DPO's monitor judges once
    weights     its parameters, None where they are not known
    casts       section whose precision says how frozen weights lie on a GPU; None: in fp32, autocast casts them when used
    learning    tensors a trained parameter on a GPU: itself, gradient, Adam's two moments and the running mean
    kept        tensors a trained parameter in a checkpoint: itself, running mean, two moments; 0: not counted
    """

    count: Callable[[Job, Config, Sizes], Work]
    shape: Callable[[Config, str], dict[str, Any]] = lambda config, dataset: {}
    operations: Callable[[str, Mapping[str, Any]], float | None] = lambda unit, shape: None
    weights: Callable[[Config, str | None], Weights | None] = lambda config, dataset: None
    casts: str | None = None
    learning: int = 5
    kept: int = 4


NO_STAGE = Stage(lambda job, config, sizes: Work())


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


@networks.kept
def operations_of(rule: str, unit: str, shape: Mapping[str, Any]) -> float | None:
    """Return the operations of one unit of a stage, None where they are not counted. Two a multiply-add, as torch counts."""
    return _stage(rule).operations(unit, shape)


def disk_of(config: Config, rule: str) -> int:
    """Return the bytes of a model's own weights and of its largest checkpoint; 0 for stages without, or not counted."""
    kept = _stage(rule).kept
    weights = _stage(rule).weights(config, None) if kept else None
    return FLOAT * (weights.stored + kept * weights.trained) if weights else 0


def gpu_bytes(config: Config, rule: str, dataset: str | None) -> int | None:
    """Return the least bytes of a GPU that a job needs for weights, gradients and optimizer, None where not known."""
    stage = _stage(rule)
    if (weights := stage.weights(config, dataset)) is None:
        return None
    half = stage.casts is not None and config[stage.casts]["precision"] != FP32  # auto is bf16 on a GPU
    return FLOAT * stage.learning * weights.trained + (HALF if half else FLOAT) * weights.frozen


def _trial(unit: str, shape: Mapping[str, Any]) -> float:
    if unit == "test film":
        return networks.judging(shape)
    return float(shape["batch_size"] * networks.judging(shape, learns=not shape["model"]["frozen"]))


def _tuned(generator: Generator, config: Config, dataset: str | None) -> Weights:
    parts = diffusion.generator_parameters(config)
    trained = sum(parts[part] for part in config[generator.section].get("trains", ["controlnet"]))
    reference = trained if RATERS in generator.taught_by else 0
    return Weights(trained, sum(parts.values()) - trained + reference, trained)


def _founded(config: Config, dataset: str | None) -> Weights:
    parts = diffusion.generator_parameters(config)
    # The U-Net and the text encoder learn together, after the autoencoder.
    return Weights(max(parts["vae"], parts["unet"] + parts["text"]), 0, parts["vae"] + parts["text"] + parts["unet"])


def _proxy(learns: bool, config: Config, dataset: str | None) -> Weights | None:
    section = config["proxy"]
    known = networks.proxy_parameters(section["model"] or section["train"], config["study"]["resolution"])
    return None if known is None else Weights(known, 0, known) if learns else Weights(0, known)


def _pretrained(config: Config, dataset: str | None) -> Weights:
    trained, frozen = networks.mgca_parameters(config["mgca"], config["study"]["resolution"])
    return Weights(trained, frozen, trained + frozen)


def _judge(config: Config, dataset: str | None) -> Weights:
    shape = shape_of(config, "train_trials", dataset, True)
    known = networks.size(networks.judge(shape))
    return Weights(0, known) if shape["model"]["frozen"] else Weights(known)


def _generator_stage(one: Generator) -> Stage:
    pairs = RATERS in one.taught_by
    keys = ("batch_size", "gradient_accumulation", "precision", "trains")
    return Stage(
        lambda job, config, sizes: work.generator_work(one, config, sizes),
        lambda config, _: shapes.generator(config, one.section, *keys),
        partial(diffusion.tuning, pairs),
        partial(_tuned, one),
        casts=one.section,
        learning=7 if pairs else 5,  # pairs: also the start and the best state
        kept=5 if pairs else 4,  # pairs: also the best state
    )


_CLASS_UNET = Stage(work.class_work, lambda config, _: shapes.class_model(config, "unet"), casts="class_ldm")
STAGES = {
    "write_phantom": Stage(work.phantom_work, shapes.drawn),
    "prepare_cohort": Stage(work.cohort_work, lambda config, name: shapes.drawn(config, name) | shapes.side(config)),
    "build_conditions": Stage(work.condition_work),
    "train_base": Stage(
        work.base_work,
        lambda config, _: shapes.side(config) | shapes.training(config["base"], "vae", "text", "unet"),
        diffusion.foundation,
        _founded,
        casts="base",
    ),
    **{one.rule: _generator_stage(one) for one in GENERATORS.values() if one.name != BASE and one.follows != CLASS},
    "train_class_autoencoder": Stage(
        lambda job, config, sizes: step_work(config["class_ldm"]["autoencoder"]),
        lambda config, _: shapes.class_model(config, "autoencoder"),
        casts="class_ldm",
    ),
    "train_class_ldm": _CLASS_UNET,
    "train_proposal": _CLASS_UNET,
    "sample_pool": Stage(
        work.sampling_work,
        lambda config, _: shapes.sampling(config),
        diffusion.image,
        lambda config, _: Weights(0, sum(diffusion.generator_parameters(config).values())),
        casts="sampling",
        kept=0,
    ),
    "reconstruct_films": Stage(
        work.reconstruction_work,
        lambda config, _: shapes.generator(config, "sampling", "micro_batch", "precision"),
        diffusion.reconstruction,
        kept=0,
    ),
    "train_proxy": Stage(
        lambda job, config, sizes: step_work(config["proxy"]["train"]),
        lambda config, _: shapes.proxy(config, trained=True),
        lambda _, shape: networks.batch(shape) * (networks.proxy_film(shape, shape["resolution"], learns=True) or 0.0),
        partial(_proxy, True),
    ),
    "score_pool": Stage(
        work.scoring_work,
        lambda config, _: shapes.proxy(config, trained=False),
        lambda _, shape: networks.proxy_film(shape["model"], shape["resolution"]),
        partial(_proxy, False),
        kept=0,
    ),
    "pretrain_mgca": Stage(
        lambda job, config, sizes: step_work(config["mgca"]),
        lambda config, _: shapes.side(config) | shapes.training(config["mgca"]),
        lambda _, shape: networks.batch(shape) * networks.mgca_pair(shape, shape["resolution"]),
        _pretrained,
    ),
    "train_trials": Stage(work.trial_work, shapes.trial, _trial, _judge, learning=4, kept=0),
}
