"""The shape that a rate holds for: everything in the configuration that decides how long one unit takes, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import trained_sections
from scripts.lib.study.config import stage
from scripts.lib.study.processor import BF16, FP32, resolved
from scripts.lib.study.sources import PHANTOM

# Stable Diffusion 1.x, the shape of RoentGen; assumed when base.path names a model that is not on this machine.
SD15 = {
    "unet": {"channels": [320, 640, 1280, 1280], "layers": 2, "attention": [True, True, True, False], "heads": 8, "text": 768},
    "vae": {"channels": [128, 256, 512, 512], "layers": 2, "latents": 4, "attention": True},
}  # fmt: skip
TRAINED = (
    "steps",
    "learning_rate",
    "warmup",
    "schedule",
    "beta2",
    "weight_decay",
    "clip",
    "checkpoint_seconds",
    "device",
)


def base_shape(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the foundation model's shape: of the section `base`, of its files, or Stable Diffusion 1.x if these are not here."""
    base = config["base"]
    if base["path"] is None:
        unet, vae = base["unet"], base["vae"]
        own = {key: unet[key] for key in ("channels", "layers", "attention", "heads")} | {
            "text": base["text"]["hidden"]
        }
        return {
            "unet": own,
            "vae": {
                "channels": vae["channels"],
                "layers": vae["layers"],
                "latents": vae["latent_channels"],
                "attention": vae.get("attention", True),  # diffusers' own default, as in Stable Diffusion
            },
        }
    path = Path(base["path"])
    if not (path / "unet" / "config.json").is_file():
        return SD15
    try:
        unet, vae = (json.loads((path / part / "config.json").read_text()) for part in ("unet", "vae"))
        return {
            "unet": {
                "channels": unet["block_out_channels"],
                "layers": unet["layers_per_block"],
                "attention": ["CrossAttn" in kind for kind in unet["down_block_types"]],
                "heads": unet["attention_head_dim"],
                "text": unet["cross_attention_dim"],
            },
            "vae": {
                "channels": vae["block_out_channels"],
                "layers": vae["layers_per_block"],
                "latents": vae["latent_channels"],
                "attention": vae.get("mid_block_add_attention", True),
            },
        }
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: unet or vae config.json is not one of Stable Diffusion ({error!r})") from None


def guided_share(sampling: Mapping[str, Any]) -> float:
    """Return the share of the solver's steps that are guided, 0 to 1: step k of n lies at 1 - k / n of the schedule."""
    low, high = sampling["guidance_interval"]
    places = [1 - step / sampling["steps"] for step in range(sampling["steps"])]
    return sum(low <= place <= high for place in places) / len(places) if sampling["guidance"] > 1 else 0.0


def shape_of(config: Mapping[str, Any], rule: str, dataset: str | None, gpu: bool) -> dict[str, Any]:
    """Return the shape of a stage's units; {} for stages whose cost depends on no model. `gpu`: of a class with GPUs.

    `precision: auto` is bf16 on a GPU and, in a plan, fp32 on a processor.
    """
    config = resolved(config, BF16 if gpu else FP32)
    side = config["study"]["resolution"]
    pixels = {"resolution": side}
    if rule in ("write_phantom", "prepare_cohort"):
        section = config["datasets"][str(dataset)]
        drawn = section["root"] == PHANTOM
        size = (section.get("phantom") or {}).get("size") if drawn else "real"
        return {"format": section["format"], **({"film": size} if size else {})} | (pixels if rule[0] == "p" else {})
    if rule == "sample_pool":
        own = config["sampling"]
        wanted = {key: own[key] for key in ("solver", "steps", "micro_batch", "precision")}
        hints = {"hint_channels": config["controlnet"]["hint_channels"]}
        return {**pixels, **base_shape(config), **hints, **wanted, "guided": guided_share(own)}
    if rule == "reconstruct_films":
        wanted = {key: config["sampling"][key] for key in ("micro_batch", "precision")}
        return {**pixels, **base_shape(config), "hint_channels": config["controlnet"]["hint_channels"], **wanted}
    if rule == "train_base":
        parts = {part: _cost(config["base"][part]) for part in ("vae", "text", "unet")}
        return {**pixels, **parts, "precision": config["base"]["precision"]}
    if rule in (sections := trained_sections()):
        section = config[sections[rule]]
        wanted = {key: section[key] for key in ("batch_size", "gradient_accumulation", "precision")}
        wanted |= {"trains": section["trains"]} if "trains" in section else {}
        return {**pixels, **base_shape(config), "hint_channels": config["controlnet"]["hint_channels"], **wanted}
    if rule == "train_proxy":
        return {**pixels, **_cost(config["proxy"]["train"]), "precision": config["proxy"]["precision"]}
    if rule == "score_pool":
        own = config["proxy"]
        return {**pixels, "model": own["model"] or _cost(own["train"]), "precision": own["precision"]}
    if rule == "pretrain_mgca":
        return {**pixels, **_cost(config["mgca"])}
    if rule == "train_trials":
        own = stage(config, "trials", str(dataset))
        model = {key: value for key, value in own["model"].items() if key != "weights"}
        wanted = {"task": own["task"], "image_size": own["image_size"], "batch_size": own["batch_size"]}
        return {**pixels, **wanted, "model": model, "precision": own["precision"]}
    return {}


def _cost(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key not in TRAINED and key not in ("ema", "losses", "path")}
