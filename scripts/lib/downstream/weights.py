"""Weights of image encoders from files: safetensors of the encoder itself, or a checkpoint of MGCA.

Nothing that a file says is ever executed: safetensors holds numbers only, and a .ckpt is read with
`torch.load(weights_only=True)`, which refuses everything else.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scripts.lib.errors import InputError

MGCA_PREFIX = "img_encoder_q.model."  # MGCA's image encoder inside its Lightning checkpoint


def build_named(build: Callable[[bool], nn.Module], chosen: Mapping[str, Any]) -> nn.Module:
    """Return `build(imagenet)`; an unknown encoder, or ImageNet weights that cannot be had, becomes one line."""
    imagenet = chosen["weights"] == "imagenet"
    try:
        return build(imagenet)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        advice = "; name a .safetensors file in model.weights instead, or null" if imagenet else ""
        raise InputError(f"trials: model.encoder = {chosen['encoder']!r} cannot be built: {reason}{advice}") from None


def load_encoder(encoder: nn.Module, path: str | Path) -> None:
    """Load the weights in `path` into an encoder, in place; every weight of the encoder must be there and fit.

    Takes .safetensors (keys of the encoder, or of MGCA) and MGCA's .ckpt. Weights of other parts of MGCA and of a
    classification head are left out; anything else that is too much is an error, because it means another encoder.
    """
    path = Path(path)
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


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise InputError(f"{path}: no such weights (trials.model.weights); expected a .safetensors or .ckpt file")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise InputError(f"{path}: not a safetensors file ({error}); expected weights only, no pickle") from None
    if path.suffix != ".ckpt":
        raise InputError(f"{path}: unknown kind of weights {path.suffix!r}; expected .safetensors or .ckpt")
    return _read_checkpoint(path)


def _read_checkpoint(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"{path}: holds more than weights, or is damaged ({reason}); on a machine you trust save its state_dict as "
            f".safetensors and name that file"
        ) from None
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: no state_dict of tensors; expected a checkpoint of MGCA")
    return state
