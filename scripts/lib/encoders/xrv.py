"""Weights of torchxrayvision's DenseNet-121 classifiers (mlmed/torchxrayvision), read without running anything they say.

Its published files are whole models, pickled. `torch.load(weights_only=True)` takes no class but its own; those that such a model is
made of are named here, and each is read as a stand-in that keeps its state and has no code. Any other class is refused by name.
The outputs of its library are calibrated label by label, by a rule that never changes the order of two images; thresholds of
experts are quantiles, so it is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scripts.lib.core.errors import InputError
from scripts.lib.encoders.legacy import Later, is_legacy, read_legacy
from scripts.lib.encoders.lightning import FAULTS

# The labels of its outputs, in their order, by the names of this project where it has some.
LABELS = (
    *("atelectasis", "consolidation", "infiltration", "pneumothorax", "edema", "emphysema", "fibrosis", "pleural_effusion"),
    *("pneumonia", "pleural_thickening", "cardiomegaly", "nodule", "mass", "hernia", "lung_lesion", "fracture"),
    *("lung_opacity", "enlarged_cardiomediastinum"),
)  # fmt: skip
SIDE = 224  # of the films that it learned from
GREY = {"mean": 0.5, "std": 0.5 / 1024}  # of grey values in [0, 1]: it learned from -1024 to 1024
ENCODER = "densenet121"
MODELS = "torchxrayvision.models"
KNOWN = (
    *(f"{MODELS}.{name}" for name in ("DenseNet", "_DenseBlock", "_DenseLayer", "_Transition")),
    *(f"torch.nn.modules.{name}" for name in ("container.Sequential", "conv.Conv2d", "batchnorm.BatchNorm2d", "linear.Linear")),
    *(f"torch.nn.modules.{name}" for name in ("activation.ReLU", "pooling.MaxPool2d", "pooling.AvgPool2d")),
)  # fmt: skip
ADVICE = "get it again from its authors, or save its state_dict as .safetensors where it was made"
FIRST, HEAD = "features.conv0.weight", "classifier."


class Kept:
    """What a class of KNOWN is read as: it keeps the state that a pickle gives it, and does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: object) -> None:
        self.state = state if isinstance(state, dict) else {}


def read_densenet(path: Path) -> dict[str, Tensor]:
    """Return the state of a DenseNet-121 of torchxrayvision by its published names, from .safetensors, a state_dict or a model.

    Raises InputError, one line, for a file that is damaged, names another class, or holds another network.
    """
    state = _read(path)
    head = state.get(f"{HEAD}weight")
    if head is None or FIRST not in state or head.shape[0] != len(LABELS) or state[FIRST].shape[1] != 1:
        raise InputError(
            f"{path}: not a DenseNet-121 of torchxrayvision; expected {FIRST} with one input channel and {HEAD}weight with "
            f"{len(LABELS)} outputs"
        )
    if broken := [
        name for name, value in state.items() if value.is_floating_point() and not torch.isfinite(value).all()
    ]:
        raise InputError(f"{path}: {broken[0]} holds NaN or infinite weights; get the file again")
    return state


def as_classifier(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the same weights by the names of the project's classifier (downstream/models.py), which has three equal channels.

    A third of the first weights on each of three equal channels is the same sum.
    """
    renamed = {f"body.encoder.{name}": value for name, value in state.items() if not name.startswith(HEAD)}
    renamed[f"body.encoder.{FIRST}"] = (state[FIRST] / 3).repeat(1, 3, 1, 1)
    return renamed | {
        f"body.head.{name.removeprefix(HEAD)}": value for name, value in state.items() if name.startswith(HEAD)
    }


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: not a safetensors file ({error}); expected weights only") from None
    try:
        content, storages = _opened(path)
    except OSError as error:
        raise InputError(
            f"{path}: not readable ({error.strerror or error}); expected weights of torchxrayvision"
        ) from None
    except FAULTS as error:
        raise InputError(f"{path}: {_reason(str(error))}; {ADVICE}") from None
    state = dict(_tensors(content, "")) if isinstance(content, Kept) else content
    try:
        if isinstance(state, dict):
            state = {
                name: value.tensor(storages) if isinstance(value, Later) else value for name, value in state.items()
            }
    except FAULTS as error:
        raise InputError(f"{path}: {_reason(str(error))}; {ADVICE}") from None
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: no weights; expected a model or a state_dict of torchxrayvision")
    return {str(name): value.detach() for name, value in state.items()}


def _opened(path: Path) -> tuple[Any, dict[str, Any]]:
    """Return what a file holds, and of a file of torch before 1.6 the numbers of its tensors."""
    if is_legacy(path):
        return read_legacy(path, KNOWN, Kept)
    with torch.serialization.safe_globals([(Kept, name) for name in KNOWN]):
        return torch.load(path, map_location="cpu", weights_only=True), {}


def _reason(text: str) -> str:
    """Return why a file is refused: torch's own message is a page long."""
    if named := re.findall(r"GLOBAL ([\w.]+)", text):
        return f"holds more than weights of a DenseNet: it names {named[0]}, which could run code"
    return "holds more than weights of a DenseNet, or is damaged"


def _tensors(module: Kept, prefix: str) -> Iterator[tuple[str, Tensor | Later]]:
    for part in ("_parameters", "_buffers"):
        for name, value in (module.state.get(part) or {}).items():
            if isinstance(value, (Tensor, Later)):
                yield f"{prefix}{name}", value
    for name, inner in (module.state.get("_modules") or {}).items():
        if isinstance(inner, Kept):
            yield from _tensors(inner, f"{prefix}{name}.")
