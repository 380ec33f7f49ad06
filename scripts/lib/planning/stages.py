"""What is known of each stage, i.e. rule: the shape that a rate holds for, operations, weights on disk and GPU.

A rule that is not named here costs its job alone. What is left out of the operations (a generator's texts and hints, augmentation,
the optimizer's step) makes them smaller, so that operations over a peak are a floor. Of a GPU's memory activations are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from scripts.lib.downstream import operations as trials
from scripts.lib.filters.proxy import operations as proxy
from scripts.lib.generators.controlled import operations as diffusion
from scripts.lib.mgca import operations as mgca
from scripts.lib.planning.jobs import Job
from scripts.lib.planning.sizes import UnknownSize
from scripts.lib.planning.work import TUNED, Config, Sizes, Work, counted
from scripts.lib.study.arms import RATERS
from scripts.lib.study.processor import BF16, FP32, resolved
from scripts.lib.study.sources import PHANTOM
from scripts.lib.training.operations import Shape, batch, kept, size, training_shape

# Rules whose jobs are those of another stage.
ALIASES = {
    "sample_rated_pool": "sample_pool",
    "train_controlnet_findings": "train_controlnet",
    "validate_proxy": "score_pool",
    "compare_dataset_arms": "compare_arms",
    "compare_figure_arms": "compare_arms",
}
FLOAT, HALF = 4, 2  # bytes
# Tensors of a trained parameter: on a GPU (itself, gradient, Adam's two moments, running mean), and on the disk (itself, and in a
# checkpoint itself, mean and moments; 0 where checkpoints are not counted). Of pairs also the start and, in the checkpoint too, the
# best state.
TENSORS = (5, 5)
PAIRED = {rule: (7, 6) for rule, one in TUNED.items() if RATERS in one.taught_by}
OTHER_TENSORS = {"train_trials": (4, 0), **PAIRED}
# Section whose precision says how frozen weights lie on a GPU; those of other stages lie there in fp32, autocast casts them when used.
CASTS = {"train_base": "base", "sample_pool": "sampling"} | {rule: one.section for rule, one in TUNED.items()}


def stage_of(rule: str) -> str:
    """Return the rule whose rates a job has."""
    return ALIASES.get(rule, rule)


def work_of(job: Job, config: Config, sizes: Sizes) -> Work:
    """Return what a job has to do; a rule without units costs its job alone."""
    try:
        return counted(job, config, sizes)
    except UnknownSize:
        return Work(unknown=True)


def shape_of(config: Config, rule: str, dataset: str | None, gpu: bool) -> dict[str, Any]:
    """Return the shape of a stage's units: all of the configuration and the dataset that decides how long one takes.

    {} for stages whose cost depends on no model. `gpu`: of a class with GPUs; `precision: auto` is bf16 on a GPU and, in a plan,
    fp32 on a processor.
    """
    config = resolved(config, BF16 if gpu else FP32)
    side = {"resolution": config["study"]["resolution"]}
    match stage_of(rule):
        case "write_phantom":
            return _film(config["datasets"][dataset])
        case "prepare_cohort":
            return side | _film(config["datasets"][dataset])
        case "train_base":
            return side | training_shape(config["base"], "vae", "text", "unet")
        case "train_class_autoencoder":
            return side | training_shape(config["class_ldm"], "autoencoder")
        case "train_class_ldm" | "train_proposal":
            latents = {"latents_of": config["class_ldm"]["autoencoder"]["channels"]}
            return side | training_shape(config["class_ldm"], "unet") | latents
        case "sample_pool":
            return diffusion.image_shape(config)
        case "reconstruct_films":
            return diffusion.shape(config, "sampling", "micro_batch", "precision")
        case "train_proxy":
            return side | training_shape(config["proxy"]["train"]) | {"precision": config["proxy"]["precision"]}
        case "score_pool":
            return side | {"model": _proxy_model(config), "precision": config["proxy"]["precision"]}
        case "pretrain_mgca":
            return side | training_shape(config["mgca"])
        case "train_trials":
            return trials.trial_shape(config, str(dataset))
        case own if own in TUNED:
            keys = ("batch_size", "gradient_accumulation", "precision", "trains")
            return diffusion.shape(config, TUNED[own].section, *keys)
    return {}


def _film(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shape of a film of a dataset's raw tree."""
    side = (section.get("phantom") or {}).get("size") if section["root"] == PHANTOM else "real"
    return {"format": section["format"], **({"film": side} if side else {})}


def _proxy_model(config: Config) -> Any:
    return config["proxy"]["model"] or training_shape(config["proxy"]["train"])


# Floating point operations of a unit at a shape. Unit `film` of a training is a film that becomes latents once, `check` a held-out
# pair that DPO's monitor judges once.
OPERATIONS: dict[str, Callable[[str, Shape], float | None]] = {
    "train_base": diffusion.foundation,
    "sample_pool": diffusion.image,
    "reconstruct_films": lambda unit, shape: sum(map(diffusion.networks(shape).coding, ("encoding", "decoding"))),
    "train_proxy": lambda unit, shape: batch(shape) * (proxy.film(shape, shape["resolution"], learns=True) or 0.0),
    "score_pool": lambda unit, shape: proxy.film(shape["model"], shape["resolution"]),
    "pretrain_mgca": lambda unit, shape: batch(shape) * mgca.pair(shape, shape["resolution"]),
    "train_trials": trials.trial,
    **{rule: partial(diffusion.tuning, rule in PAIRED) for rule in TUNED},
}


@kept
def operations_of(rule: str, unit: str, shape: Shape) -> float | None:
    """Return the operations of one unit of a stage, None where they are not counted. Two a multiply-add, as torch counts."""
    count = OPERATIONS.get(stage_of(rule))
    return count(unit, shape) if count else None


def disk_of(config: Config, rule: str) -> int:
    """Return the bytes of the weights that a stage trains and of its largest checkpoint; 0 for stages without, or not counted."""
    _, tensors = OTHER_TENSORS.get(stage_of(rule), TENSORS)
    return FLOAT * tensors * _parameters(config, rule, None)[0] if tensors else 0


def gpu_bytes(config: Config, rule: str, dataset: str | None) -> int | None:
    """Return the least bytes of a GPU that a job needs for weights, gradients and optimizer, None where not known."""
    learn, beside = _parameters(config, rule, dataset)
    tensors, _ = OTHER_TENSORS.get(stage_of(rule), TENSORS)
    casts = CASTS.get(stage_of(rule))
    half = casts and config[casts]["precision"] != FP32  # auto is bf16 on a GPU
    return (FLOAT * tensors * learn + (HALF if half else FLOAT) * beside) or None


def generator_parameters(config: Config) -> dict[str, int]:
    """Return the parameters of unet, controlnet, vae and text of the configured generator."""
    return diffusion.parameters(diffusion.shape(config), config["base"]["text"])


def _parameters(config: Config, rule: str, dataset: str | None) -> tuple[int, int]:
    """Return how many parameters of a stage's networks learn, and how many lie beside them; zeros where they are not known."""
    stage, resolution = stage_of(rule), config["study"]["resolution"]
    match stage:
        case "train_base":
            own = generator_parameters(config)
            return own["unet"] + own["text"], own["vae"]  # both learn together, after the autoencoder
        case "sample_pool":
            return 0, sum(generator_parameters(config).values())
        case "train_proxy" | "score_pool":
            known = proxy.parameters(_proxy_model(config), resolution) or 0
            return (known, 0) if stage == "train_proxy" else (0, known)
        case "pretrain_mgca":
            own = mgca.parameters(config["mgca"], resolution)
            return own["trained"], own["frozen"]
        case "train_trials":
            shape = shape_of(config, rule, dataset, True)
            known = size(trials.model(shape))
            return (0, known) if shape["model"]["frozen"] else (known, 0)
        case tuned if tuned in TUNED:
            own = generator_parameters(config)
            learn = sum(own[part] for part in config[TUNED[tuned].section].get("trains", ["controlnet"]))
            return learn, sum(own.values()) - (0 if tuned in PAIRED else learn)  # of pairs the reference lies beside
    return 0, 0
