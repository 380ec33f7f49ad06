"""The stages of a study in one table: what their jobs count, the shape that a rate holds for, operations and weights.

A rule that is not in it costs its job alone. What is left out of the operations (a generator's texts, augmentation, the
optimizer's step) makes them smaller, so that operations over a peak are a floor. Of a GPU's memory activations are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from scripts.lib.planning import networks, shapes, work
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


def stage_of(rule: str) -> str:
    """Return the rule whose rates a job has."""
    return ALIASES.get(rule, rule)


def work_of(job: Job, config: Config, sizes: Sizes) -> Work:
    """Return what a job has to do; a rule without units here costs its job alone."""
    stage = STAGES.get(stage_of(job.rule))
    try:
        return stage.count(job, config, sizes) if stage else Work()
    except UnknownSize:
        return Work(unknown=True)


def shape_of(config: Config, rule: str, dataset: str | None, gpu: bool) -> dict[str, Any]:
    """Return the shape of a stage's units; {} for stages whose cost depends on no model. `gpu`: of a class with GPUs.

    `precision: auto` is bf16 on a GPU and, in a plan, fp32 on a processor.
    """
    stage = STAGES.get(rule)
    return stage.shape(resolved(config, BF16 if gpu else FP32), str(dataset)) if stage else {}


def operations_of(rule: str, unit: str, shape: Mapping[str, Any]) -> float | None:
    """Return the operations of one unit of a stage, None where they are not counted. Two a multiply-add, as torch counts."""
    stage = STAGES.get(rule)
    return stage.operations(unit, shape) if stage else None


def disk_of(config: Config, rule: str) -> int:
    """Return the bytes of a model's own weights and of its largest checkpoint; 0 for stages without, or not counted."""
    stage = STAGES.get(rule)
    weights = stage.weights(config, None) if stage and stage.kept else None
    if stage is None or weights is None:
        return 0
    return FLOAT * (weights.stored + stage.kept * weights.trained)


def gpu_bytes(config: Config, rule: str, dataset: str | None) -> int | None:
    """Return the least bytes of a GPU that a job needs for weights, gradients and optimizer, None where not known."""
    stage = STAGES.get(rule)
    weights = stage.weights(config, dataset) if stage else None
    if stage is None or weights is None:
        return None
    half = stage.casts is not None and config[stage.casts]["precision"] != FP32  # auto is bf16 on a GPU
    return FLOAT * stage.learning * weights.trained + (HALF if half else FLOAT) * weights.frozen


def generator_parameters(config: Config) -> dict[str, int]:
    """Return the parameters of unet, controlnet, vae and text of the configured generator."""
    own, base = shapes.base_shape(config), config["base"]
    small, text = base["path"] is None, base["text"]
    shape = {
        "unet": own["unet"] | {"pooled": small},
        "vae": own["vae"] | {"colours": 1 if small else 3},
        "hint_channels": config["controlnet"]["hint_channels"],
    }
    # Stable Diffusion 1.x has CLIP ViT-L's text encoder.
    known = (text["vocabulary"], text["max_tokens"], text["hidden"], text["layers"]) if small else (49408, 77, 768, 12)
    parts = {part: networks.size(network) for part, network in networks.generator(shape).items()}
    return parts | {"text": networks.clip_text_parameters(*known)}


def _image(unit: str, shape: Mapping[str, Any]) -> float | None:
    key, side, kind = _parts(shape), shape["resolution"], unit.split()[0]
    if kind == CLASS:
        return None
    passes = 1 if kind == "mask" else 1 + shape["guided"]  # the share of steps with two passes
    hint = 0.0 if kind == "text" else networks.embedding(key, side)
    steps = shape["steps"] * passes * networks.denoising(key, side, hinted=kind != "text")
    return steps + hint + networks.decoding(key, side)


def _parts(shape: Mapping[str, Any]) -> dict[str, Any]:
    return {part: shape[part] for part in ("unet", "vae", "hint_channels")}


def _tuning(pairs: bool, unit: str, shape: Mapping[str, Any]) -> float:
    key, side = _parts(shape), shape["resolution"]
    if unit == "film":
        return networks.encoding(key, side)
    passed = networks.denoising(key, side) + networks.embedding(key, side)
    if unit == "check":
        return 2 * passed
    one = networks.denoising(key, side, tuple(sorted(shape.get("trains", ["controlnet"]))))
    images = shape["batch_size"] * shape["gradient_accumulation"]
    # Both images of a pair, and both once more through the reference.
    return 2 * images * (one + passed) if pairs else images * one


def _foundation(unit: str, shape: Mapping[str, Any]) -> float | None:
    part, side = unit.split()[0], shape["resolution"]
    if part == "text":
        return None
    own = shapes.section_shape(shape)
    hints = [8] * len(own["vae"]["channels"])  # no part of this training, but of every set of networks
    key = {"unet": own["unet"] | {"pooled": True}, "vae": own["vae"], "hint_channels": hints}
    if part == "film":
        return networks.encoding(key, side)
    images = shape[part]["batch_size"] * shape[part]["gradient_accumulation"]
    if part == "vae":
        return images * networks.decoding(key, side, learns=True)
    return images * networks.denoising(key, side, ("unet",), hinted=False)


def _trial(unit: str, shape: Mapping[str, Any]) -> float:
    if unit == "test film":
        return networks.judging(shape)
    return float(shape["batch_size"] * networks.judging(shape, learns=not shape["model"]["frozen"]))


def _films(shape: Mapping[str, Any]) -> int:
    return int(shape["batch_size"] * shape["gradient_accumulation"])


def _tuned(generator: Generator, config: Config, dataset: str | None) -> Weights:
    own = generator_parameters(config)
    trained = sum(own[part] for part in config[generator.section].get("trains", ["controlnet"]))
    reference = trained if RATERS in generator.taught_by else 0
    return Weights(trained, sum(own.values()) - trained + reference, trained)


def _founded(config: Config, dataset: str | None) -> Weights:
    own = generator_parameters(config)
    # The U-Net and the text encoder learn together, after the autoencoder.
    return Weights(max(own["vae"], own["unet"] + own["text"]), 0, own["vae"] + own["text"] + own["unet"])


def _proxy(learns: bool, config: Config, dataset: str | None) -> Weights | None:
    own = config["proxy"]
    known = networks.proxy_parameters(own["model"] or own["train"], config["study"]["resolution"])
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
    return Stage(
        lambda job, config, sizes: work.generator_work(one, config, sizes),
        lambda config, _: shapes.tuning(config, one.section),
        partial(_tuning, pairs),
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
        _foundation,
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
        lambda config, _: (
            shapes.sampling(config, "solver", "steps") | {"guided": shapes.guided_share(config["sampling"])}
        ),
        _image,
        lambda config, _: Weights(0, sum(generator_parameters(config).values())),
        casts="sampling",
        kept=0,
    ),
    "reconstruct_films": Stage(
        work.reconstruction_work,
        lambda config, _: shapes.sampling(config),
        lambda _, shape: sum(one(_parts(shape), shape["resolution"]) for one in (networks.encoding, networks.decoding)),
        kept=0,
    ),
    "train_proxy": Stage(
        lambda job, config, sizes: step_work(config["proxy"]["train"]),
        lambda config, _: (
            shapes.side(config)
            | shapes.training(config["proxy"]["train"])
            | {"precision": config["proxy"]["precision"]}
        ),
        lambda _, shape: _films(shape) * (networks.proxy_film(shape, shape["resolution"], learns=True) or 0.0),
        partial(_proxy, True),
    ),
    "score_pool": Stage(
        work.scoring_work,
        lambda config, _: shapes.scoring(config),
        lambda _, shape: networks.proxy_film(shape["model"], shape["resolution"]),
        partial(_proxy, False),
        kept=0,
    ),
    "pretrain_mgca": Stage(
        lambda job, config, sizes: step_work(config["mgca"]),
        lambda config, _: shapes.side(config) | shapes.training(config["mgca"]),
        lambda _, shape: _films(shape) * networks.mgca_pair(shape, shape["resolution"]),
        _pretrained,
    ),
    "train_trials": Stage(work.trial_work, shapes.trial, _trial, _judge, learning=4, kept=0),
}
