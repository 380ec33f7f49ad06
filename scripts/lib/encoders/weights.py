"""Weights of image encoders from files: safetensors of the encoder itself, or MGCA's own or published ones.

Nothing that a file says is ever executed: safetensors holds numbers only, and a .ckpt, .pth or .pt is read without its classes
(scripts/lib/encoders/lightning.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scripts.lib.core.errors import InputError
from scripts.lib.encoders.lightning import IMAGE_PREFIX, read_checkpoint, timm_names

MGCA_PREFIX = IMAGE_PREFIX
KINDS = (".safetensors", ".ckpt", ".pth", ".pt")
MGCA_FILE = "mgca.safetensors"  # the weights in a folder that pretrain_mgca has written


def build_named(
    build: Callable[[bool], nn.Module], chosen: Mapping[str, Any], where: str = "trials: model"
) -> nn.Module:
    """Return `build(imagenet)`; an unknown encoder, or ImageNet weights that cannot be had, becomes one line."""
    imagenet = chosen["weights"] == "imagenet"
    try:
        return build(imagenet)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        advice = "; name a .safetensors file in weights instead, or null" if imagenet else ""
        raise InputError(f"{where}.encoder = {chosen['encoder']!r} cannot be built: {reason}{advice}") from None


def weights_digest(weights: str | Path | None) -> str:
    """Return what a training's first weights are: the SHA-256 of a file (or of the one in a folder), else their name."""
    if weights in (None, "imagenet"):
        return str(weights)
    with _weights_file(weights).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load_encoder(encoder: nn.Module, path: str | Path) -> None:
    """Load the weights in `path` into an encoder, in place; every weight of the encoder must be there and fit.

    Takes .safetensors (keys of the encoder, or of MGCA), a published state_dict (.pth, .pt), the folder that pretrain_mgca wrote,
    and MGCA's .ckpt. Weights of other parts of MGCA and of a classification head are left out; anything else that is too much is an error, because
    it means another encoder.
    """
    path = _weights_file(path)
    state = _read(path)
    if any(key.startswith(MGCA_PREFIX) for key in state):
        state = {key.removeprefix(MGCA_PREFIX): value for key, value in state.items() if key.startswith(MGCA_PREFIX)}
    state = {key: value for key, value in state.items() if not key.startswith(("fc.", "head.", "classifier."))}
    wanted = encoder.state_dict()
    counters = {key for key in wanted if key.endswith("num_batches_tracked")}
    missing, extra = wanted.keys() - state.keys() - counters, state.keys() - wanted.keys()
    if missing or extra:
        first = sorted(missing)[0] if missing else sorted(extra)[0]
        raise InputError(
            f"{path}: {len(missing)} weights of the encoder are missing and {len(extra)} are unknown, first {first!r}; "
            f"expected weights of {type(encoder).__name__}, alone or as {MGCA_PREFIX}* of MGCA"
        )
    for key, value in state.items():
        if value.shape != wanted[key].shape:
            raise InputError(f"{path}: {key} has shape {list(value.shape)}, expected {list(wanted[key].shape)}")
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise InputError(f"{path}: {key} holds NaN or infinite weights; get the file again")
    encoder.load_state_dict(state, strict=False)


def _weights_file(weights: str | Path) -> Path:
    path = Path(weights)
    path = path / MGCA_FILE if path.is_dir() else path
    if not path.is_file():
        raise InputError(
            f"{path}: no such weights; expected a file ({', '.join(KINDS)}), or a folder that pretrain_mgca wrote"
        )
    return path


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise InputError(f"{path}: not a safetensors file ({error}); expected weights only, no pickle") from None
    if path.suffix not in KINDS:
        raise InputError(f"{path}: unknown kind of weights {path.suffix!r}; expected {', '.join(KINDS)}")
    return timm_names(read_checkpoint(path, "MGCA" if path.suffix == ".ckpt" else "an encoder"))
