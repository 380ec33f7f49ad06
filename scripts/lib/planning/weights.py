"""Bytes of weights: what a training leaves on the disk, and what a job holds at least in a GPU's memory.

Activations are not counted, nor a proxy model whose shape is not known (encoders.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from scripts.lib.planning.encoders import mgca_parameters, proxy_parameters
from scripts.lib.planning.networks import downstream, key_of, parameters, size
from scripts.lib.planning.shapes import base_shape, shape_of
from scripts.lib.study.arms import trained_sections

FLOAT, HALF = 4, 2
# Of each trained parameter: itself, its gradient, Adam's two moments; and the running mean, which trials do not have.
LEARNING, MEAN = 4 * FLOAT, FLOAT
STORED = {
    "train_dpo": 5
}  # tensors a parameter in a checkpoint: itself, running mean, two moments; DPO also its best state
SECTIONS = trained_sections()
PROXY = ("score_pool", "validate_proxy", "train_proxy")
# Their GPU holds weights in fp32 whatever the precision: autocast casts them as they are used.
WHOLE = ("train_trials", "pretrain_mgca", *PROXY)


def generator_parameters(config: Mapping[str, Any]) -> dict[str, int]:
    """Return the parameters of unet, controlnet, vae and text of the configured generator."""
    own, base = base_shape(config), config["base"]
    small = base["path"] is None
    vae = own["vae"] | {"colours": 1 if small else 3}
    shape = {
        "unet": own["unet"] | {"pooled": small},
        "vae": vae,
        "hint_channels": config["controlnet"]["hint_channels"],
    }
    text = base["text"]
    # Stable Diffusion 1.x has CLIP ViT-L's text encoder.
    known = (text["vocabulary"], text["max_tokens"], text["hidden"], text["layers"]) if small else (49408, 77, 768, 12)
    return parameters(key_of(shape)) | {"text": text_parameters(*known)}


@cache
def text_parameters(vocabulary: int, tokens: int, width: int, layers: int) -> int:
    """Return the parameters of a CLIP text encoder: tables of tokens and places, blocks, and the last normalisation.

    A block has four square matrices (attention) and two of width x 4 width, with biases, and two normalisations.
    """
    block = 12 * width**2 + 13 * width
    return (vocabulary + tokens) * width + layers * block + 2 * width


def trained_and_held(config: Mapping[str, Any], rule: str, dataset: str | None) -> tuple[int, int] | None:
    """Return the parameters that a stage trains and those that it holds frozen, None where they are not known."""
    if rule == "train_trials":
        shape = shape_of(config, rule, dataset, True)
        if shape["model"]["frozen"]:
            return 0, size(downstream(key_of(shape)))
        return size(downstream(key_of(shape))), 0
    side = config["study"]["resolution"]
    if rule in PROXY:
        known = proxy_parameters(config["proxy"]["model"] or config["proxy"]["train"], side)
        return None if known is None else (known, 0) if rule == "train_proxy" else (0, known)
    if rule == "pretrain_mgca":
        return mgca_parameters(config["mgca"], side)
    if rule not in (*SECTIONS, "sample_pool", "train_base"):
        return None
    own = generator_parameters(config)
    if rule == "train_base":  # the U-Net and the text encoder learn together, after the autoencoder
        return max(own["vae"], own["unet"] + own["text"]), 0
    everything = sum(own.values())
    if rule == "sample_pool":
        return 0, everything
    trained = sum(own[part] for part in config[SECTIONS[rule]].get("trains", ["controlnet"]))
    return trained, everything - trained


def disk_of(config: Mapping[str, Any], rule: str) -> int:
    """Return the bytes of a model's own weights and of its largest checkpoint; 0 for stages without, or not counted."""
    stored = (*SECTIONS, "train_base", "train_proxy", "pretrain_mgca")
    known = trained_and_held(config, rule, None) if rule in stored else None
    if known is None:
        return 0
    trained, held = known
    if rule == "train_base":
        own = generator_parameters(config)
        kept = own["vae"] + own["text"] + own["unet"]
    else:  # MGCA's file holds its frozen part as well; a generator refers to its base
        kept = trained + (held if rule == "pretrain_mgca" else 0)
    return FLOAT * (kept + STORED.get(rule, 4) * trained)


def gpu_bytes(config: Mapping[str, Any], rule: str, dataset: str | None) -> int | None:
    """Return the least bytes of a GPU that a job needs for weights, gradients and optimizer, None where not known."""
    known = trained_and_held(config, rule, dataset)
    if known is None:
        return None
    trained, held = known
    section = config["base"] if rule == "train_base" else config[SECTIONS.get(rule, "sampling")]
    half = rule not in WHOLE and section["precision"] != "fp32"  # auto is bf16 on a GPU
    each = LEARNING + (0 if rule == "train_trials" else MEAN)
    if rule == "train_dpo":
        held += trained  # the reference
        each += 2 * FLOAT  # the start and the best state
    return trained * each + held * (HALF if half else FLOAT)
