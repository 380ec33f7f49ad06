"""The shape that a rate holds for: everything in the configuration that decides how long one unit takes, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.config import stage
from scripts.lib.study.sources import PHANTOM

Config = Mapping[str, Any]
# Stable Diffusion 1.x, the shape of RoentGen; assumed when base.path names a model that is not on this machine.
SD15 = {
    "unet": {"channels": [320, 640, 1280, 1280], "layers": 2, "attention": [True, True, True, False], "heads": 8, "text": 768},
    "vae": {"channels": [128, 256, 512, 512], "layers": 2, "latents": 4, "attention": True},
}  # fmt: skip
FREE = {
    *("steps", "learning_rate", "warmup", "schedule", "beta2", "weight_decay", "clip", "checkpoint_seconds", "device"),
    *("matrices", "ema", "losses", "path"),
}  # keys of a training that do not decide how long a step takes


def base_shape(config: Config) -> dict[str, Any]:
    """Return the foundation model's shape: of the section `base`, of its files, or Stable Diffusion 1.x if these are not here."""
    base = config["base"]
    if base["path"] is None:
        return section_shape(base)
    path = Path(base["path"])
    if not (path / "unet" / "config.json").is_file():
        return SD15
    try:
        unet, vae = (json.loads((path / part / "config.json").read_text()) for part in ("unet", "vae"))
        attention = ["CrossAttn" in kind for kind in unet["down_block_types"]]
        blocks = {"channels": unet["block_out_channels"], "layers": unet["layers_per_block"], "attention": attention}
        return {
            "unet": {**blocks, "heads": unet["attention_head_dim"], "text": unet["cross_attention_dim"]},
            "vae": {
                "channels": vae["block_out_channels"],
                "layers": vae["layers_per_block"],
                "latents": vae["latent_channels"],
                "attention": vae.get("mid_block_add_attention", True),  # diffusers' own default
            },
        }
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: unet or vae config.json is not one of Stable Diffusion ({error!r})") from None


def section_shape(base: Config) -> dict[str, Any]:
    """Return the shape of a foundation model that the section `base` describes."""
    unet, vae = base["unet"], base["vae"]
    return {
        "unet": {key: unet[key] for key in ("channels", "layers", "attention", "heads")}
        | {"text": base["text"]["hidden"]},
        "vae": {
            "channels": vae["channels"],
            "layers": vae["layers"],
            "latents": vae["latent_channels"],
            "attention": vae.get("attention", True),
        },
    }


def drawn(config: Config, dataset: str) -> dict[str, Any]:
    """Return the shape of a film of a dataset's raw tree."""
    section = config["datasets"][dataset]
    size = (section.get("phantom") or {}).get("size") if section["root"] == PHANTOM else "real"
    return {"format": section["format"], **({"film": size} if size else {})}


def side(config: Config) -> dict[str, Any]:
    """Return the side of the study's images."""
    return {"resolution": config["study"]["resolution"]}


def generator(config: Config, section: str = "controlnet", *keys: str) -> dict[str, Any]:
    """Return the shape of the foundation model and of a ControlNet on it, with those of these keys that a section has."""
    hints = {"hint_channels": config["controlnet"]["hint_channels"]}
    chosen = {key: config[section][key] for key in keys if key in config[section]}
    return {**side(config), **base_shape(config), **hints, **chosen}


def training(section: Config, *parts: str) -> dict[str, Any]:
    """Return what of a training's settings decides how long a step takes; of several `parts` each, and their precision."""
    if parts:
        return {part: training(section[part]) for part in parts} | {"precision": section["precision"]}
    return {key: value for key, value in section.items() if key not in FREE}


def sampling(config: Config) -> dict[str, Any]:
    """Return the shape of an image that a generator makes: step k of n is guided if 1 - k / n lies in `guidance_interval`."""
    settings, steps = config["sampling"], config["sampling"]["steps"]
    low, high = settings["guidance_interval"]
    guided = sum(low <= 1 - step / steps <= high for step in range(steps)) if settings["guidance"] > 1 else 0
    return generator(config, "sampling", "solver", "steps", "micro_batch", "precision") | {"guided": guided / steps}


def proxy(config: Config, *, trained: bool) -> dict[str, Any]:
    """Return the shape of the training of the proxy model, or of an image that it scores."""
    section = config["proxy"]
    settings = training(section["train"])
    made = settings if trained else {"model": section["model"] or settings}
    return {**side(config), **made, "precision": section["precision"]}


def class_model(config: Config, part: str) -> dict[str, Any]:
    """Return the shape of the training of one part of a class-conditional model: autoencoder | unet."""
    section = config["class_ldm"]
    coder = {"latents_of": section["autoencoder"]["channels"]} if part == "unet" else {}
    return {**side(config), **coder, **training(section, part)}


def trial(config: Config, dataset: str) -> dict[str, Any]:
    """Return the shape of a dataset's trials."""
    settings = stage(config, "trials", dataset)
    model = {key: value for key, value in settings["model"].items() if key != "weights"}
    keys = ("task", "image_size", "batch_size", "precision")
    return {**side(config), "model": model, **{key: settings[key] for key in keys}}
