"""Bytes of weights: what a training leaves on the disk, and what a job holds at least in a GPU's memory.

Activations are not counted, nor are the proxy model and MGCA: their sizes follow from files that a plan does not open.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from scripts.lib.planning.networks import downstream, key_of, parameters, size
from scripts.lib.planning.shapes import base_shape, shape_of

FLOAT, HALF = 4, 2
# Of each trained parameter: itself, its gradient, Adam's two moments; and the running mean, which trials do not have.
LEARNING, MEAN = 4 * FLOAT, FLOAT
STORED = {
    "train_dpo": 5
}  # tensors a parameter in a checkpoint: itself, running mean, two moments; DPO also its best state
SECTIONS = {"train_controlnet": "controlnet", "finetune_proxy": "finetune", "train_dpo": "dpo"}


def generator_parameters(config: Mapping[str, Any]) -> dict[str, int]:
    """Return the parameters of unet, controlnet, vae and text of the configured generator."""
    own, base = base_shape(config), config["base"]
    small = base["path"] is None
    vae = own["vae"] | {"attention": base["vae"]["attention"] if small else True, "colours": 1 if small else 3}
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
    """Return the bytes of a generator's own weights and of its largest checkpoint; 0 for stages without, or not counted."""
    known = trained_and_held(config, rule, None) if rule in (*SECTIONS, "train_base") else None
    if known is None:
        return 0
    own = generator_parameters(config)
    kept = own["vae"] + own["text"] + own["unet"] if rule == "train_base" else known[0]
    return FLOAT * (kept + STORED.get(rule, 4) * known[0])


def gpu_bytes(config: Mapping[str, Any], rule: str, dataset: str | None) -> int | None:
    """Return the least bytes of a GPU that a job needs for weights, gradients and optimiser, None where not known."""
    known = trained_and_held(config, rule, dataset)
    if known is None:
        return None
    trained, held = known
    section = config["base"] if rule == "train_base" else config[SECTIONS.get(rule, "sampling")]
    half = rule != "train_trials" and section["precision"] == "bf16"
    each = LEARNING + (0 if rule == "train_trials" else MEAN)
    if rule == "train_dpo":
        held += trained  # the reference
        each += 2 * FLOAT  # the start and the best state
    return trained * each + held * (HALF if half else FLOAT)
