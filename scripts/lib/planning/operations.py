"""Floating point operations of one unit of a stage at a shape (shapes.py), counted on torch's meta device.

All that is left out (the generator's texts, augmentation, the optimizer's step) makes the count smaller, so that operations
over a peak are a floor. Unit `film` of a training is a film that is turned into latents once, `check` a held-out pair that
DPO's monitor judges once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.lib.planning.encoders import mgca_pair, proxy_film
from scripts.lib.planning.networks import autoencoding, denoising, embedding, film, film_encoding, key_of

TRAININGS = ("train_controlnet", "finetune_generator", "train_dpo")


def operations_of(rule: str, unit: str, shape: Mapping[str, Any]) -> float | None:
    """Return the operations of one unit of a stage, None where they are not counted. Two a multiply-add, as torch counts."""
    if rule == "sample_pool":
        return _image(unit.split()[0], shape)
    if rule == "reconstruct_films":
        key, side = _generator(shape), shape["resolution"]
        return film_encoding(key, side) + autoencoding(key, side)
    if rule in TRAININGS:
        return _tuning(rule, unit, shape)
    if rule == "train_base":
        return _base(unit, shape)
    if rule == "train_trials":
        key = key_of(shape)
        if unit == "test film":
            return film(key)
        return shape["batch_size"] * film(key, learns=not shape["model"]["frozen"])
    if rule == "score_pool":
        return proxy_film(shape["model"], shape["resolution"])
    if rule in ("train_proxy", "pretrain_mgca") and unit == "step":
        side, films = shape["resolution"], shape["batch_size"] * shape["gradient_accumulation"]
        return films * (
            mgca_pair(shape, side) if rule == "pretrain_mgca" else proxy_film(shape, side, learns=True) or 0.0
        )
    return None


def _generator(shape: Mapping[str, Any]) -> str:
    return key_of({part: shape[part] for part in ("unet", "vae", "hint_channels")})


def _image(kind: str, shape: Mapping[str, Any]) -> float:
    key, side = _generator(shape), shape["resolution"]
    passes = 1 if kind == "mask" else 1 + shape["guided"]  # the share of steps with two passes
    hint = 0.0 if kind == "text" else embedding(key, side)
    return shape["steps"] * passes * denoising(key, side, hinted=kind != "text") + hint + autoencoding(key, side)


def _tuning(rule: str, unit: str, shape: Mapping[str, Any]) -> float | None:
    key, side = _generator(shape), shape["resolution"]
    if unit == "film":
        return film_encoding(key, side)
    passed = denoising(key, side) + embedding(key, side)
    if unit == "check":
        return 2 * passed
    one = denoising(key, side, tuple(sorted(shape.get("trains", ["controlnet"]))))
    images = shape["batch_size"] * shape["gradient_accumulation"]
    if rule == "train_dpo":  # both images of a pair, and both once more through the reference
        return 2 * images * (one + passed)
    return images * one


def _base(unit: str, shape: Mapping[str, Any]) -> float | None:
    part = unit.split()[0]
    if part == "text":
        return None
    vae, unet, side = shape["vae"], shape["unet"], shape["resolution"]
    vae = {
        "channels": vae["channels"],
        "layers": vae["layers"],
        "latents": vae["latent_channels"],
        "attention": vae["attention"],
    }
    own = {key: unet[key] for key in ("channels", "layers", "attention", "heads")} | {"text": shape["text"]["hidden"]}
    hints = [8] * len(vae["channels"])  # no part of this training, but of every set of networks
    key = key_of({"unet": own | {"pooled": True}, "vae": vae, "hint_channels": hints})
    if part == "film":
        return film_encoding(key, side)
    section = shape[part]
    images = section["batch_size"] * section["gradient_accumulation"]
    if part == "vae":
        return images * autoencoding(key, side, learns=True)
    return images * denoising(key, side, ("unet",), hinted=False)
