"""Opening an open_clip model from this machine alone: complete, of the right shapes and finite, or one clear line."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import open_clip
import torch
from huggingface_hub import constants, try_to_load_from_cache
from open_clip.factory import _find_checkpoint_in_dir, load_checkpoint, load_state_dict
from safetensors import SafetensorError, safe_open

from scripts.lib.core.errors import InputError
from scripts.lib.encoders.vocabulary import check_vocabulary

LOCAL, HUB, CONFIG = "local-dir:", "hf-hub:", "open_clip_config.json"
FAULTS = (OSError, RuntimeError, ValueError, KeyError, TypeError, AssertionError, pickle.UnpicklingError)


class TwoTowers(Protocol):
    """What is asked of a model of open_clip, whose classes have this in common without a name for it."""

    def encode_image(self, image: torch.Tensor, normalize: bool) -> torch.Tensor:
        """Return the features (B, D) of prepared images."""

    def encode_text(self, text: torch.Tensor, normalize: bool) -> torch.Tensor:
        """Return the features (B, D) of tokens."""

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the weights by name."""

    def requires_grad_(self, requires_grad: bool) -> TwoTowers:
        """Let the weights learn or not; return the model."""

    def to(self, device: torch.device, *, memory_format: torch.memory_format) -> TwoTowers:
        """Move the weights; return the model."""

    def eval(self) -> TwoTowers:
        """Leave training; return the model."""


@contextmanager
def offline() -> Iterator[None]:
    """Keep the libraries inside from asking the network, and their many lines on a faulty file out of the log."""
    before, level = constants.HF_HUB_OFFLINE, logging.root.manager.disable
    constants.HF_HUB_OFFLINE = True
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        logging.disable(level)


def full_name(name: str) -> str:
    """Return a model's name with its schema: `local-dir:` or `hf-hub:`; a plain path is a folder."""
    return name if name.startswith((LOCAL, HUB)) else f"{LOCAL}{name}"


def read_config(name: str) -> dict[str, Any]:
    """Return the `model_cfg` of a model; raises InputError when it is not on this machine or lacks what decides tokens.

    Without a context length open_clip falls back to 77 tokens, and without a tokenizer's name to CLIP's own: both are
    silent, and both make the scores of BiomedCLIP (256 tokens, PubMedBERT's vocabulary) meaningless.
    """
    path = _file_of(name, CONFIG)
    try:
        config = json.loads(path.read_text())["model_cfg"]
        text = config["text_cfg"]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a model in open_clip's layout (proxy.model)") from None
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a configuration of open_clip ({_one_line(error)}); get a true copy") from None
    if "context_length" not in text:
        raise InputError(f"{path}: text_cfg.context_length is missing; without it texts would be cut at 77 tokens")
    tower = text.get("hf_model_name")
    if tower and not text.get("hf_tokenizer_name"):
        raise InputError(f"{path}: text_cfg.hf_tokenizer_name is missing; {tower} needs its own tokenizer, not CLIP's")
    if tower:
        _check_tower(path, tower)
    return config


def _check_tower(path: Path, tower: str) -> None:
    from transformers import AutoConfig

    try:
        with offline():
            AutoConfig.from_pretrained(tower, local_files_only=True)
    except FAULTS:
        raise InputError(
            f"{path}: the text tower {tower!r} (text_cfg.hf_model_name) is not on this machine; put its config.json in "
            f"a folder and write that folder's path there"
        ) from None


def _file_of(name: str, file: str) -> Path:
    """Return where a file of a model lies: in its folder, or in the local cache of the model hub."""
    if name.startswith(LOCAL):
        return Path(name.removeprefix(LOCAL)) / file
    cached = try_to_load_from_cache(name.removeprefix(HUB), file)
    if not isinstance(cached, str):
        raise InputError(
            f"{name}: {file} is not in this machine's cache ({constants.HF_HUB_CACHE}), and nothing is downloaded; "
            f"copy the model into a folder and set proxy.model: local-dir:FOLDER"
        )
    return Path(cached)


def open_model(name: str) -> TwoTowers:
    """Return the model with its weights, on the CPU, in evaluation mode; `name` as `full_name` returns it.

    Raises InputError for missing or pickled-with-code weights, other shapes than the configuration's, and NaN.
    """
    folder = _file_of(name, CONFIG).parent
    weights = _find_checkpoint_in_dir(folder)
    if weights is None:
        raise InputError(f"{folder}: no weights; expected open_clip_model.safetensors beside {CONFIG}")
    try:
        with offline():
            model: TwoTowers = open_clip.create_model(
                name, load_weights=False, pretrained_text=False, pretrained_image=False
            )
            _check_shapes(Path(weights), model)
            load_checkpoint(model, weights, strict=True, weights_only=True)
    except InputError:
        raise
    except SafetensorError as error:
        raise InputError(f"{weights}: not a safetensors file ({_one_line(error)}); get a true copy") from None
    except pickle.UnpicklingError:
        raise InputError(
            f"{weights}: holds more than tensors, which could run code; save the weights as safetensors"
        ) from None
    except FAULTS as error:
        raise InputError(f"{weights}: the weights do not fit {CONFIG}: {_one_line(error)}") from None
    for key, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise InputError(f"{weights}: weight {key} holds NaN or infinite numbers; get a true copy or train anew")
    return model.eval()


def _check_shapes(weights: Path, model: TwoTowers) -> None:
    """Raise InputError for a weight of another shape; open_clip itself would stretch position embeddings to fit."""
    expected = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    if weights.suffix == ".safetensors":
        with safe_open(weights, framework="pt") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 - no mapping
    else:
        shapes = {key: tuple(tensor.shape) for key, tensor in load_state_dict(str(weights)).items()}
    for key in sorted(set(expected) & set(shapes)):
        both = (shapes[key], expected[key])
        if shapes[key] != expected[key] and set(both) != {(), (1,)}:  # the scale: a number, or a list of one
            raise InputError(
                f"{weights}: weight {key} is {list(both[0])}, but {CONFIG} asks for {list(both[1])}; they belong to "
                f"different models"
            )


def open_tokenizer(name: str, context: int) -> Any:
    """Return the model's tokenizer; raises InputError when its files are missing or it cuts texts elsewhere."""
    try:
        with offline():
            tokenizer = open_clip.get_tokenizer(name, cache_dir=constants.HF_HUB_CACHE)
            check_vocabulary(lambda text: tokenizer([text])[0].tolist(), f"{name}: its tokenizer")
    except InputError:
        raise
    except Exception as error:  # the tokenizers library raises bare exceptions
        raise InputError(
            f"{name}: its tokenizer is not on this machine ({_one_line(error)}); put its files into a folder with the "
            f"model and set proxy.model: local-dir:FOLDER"
        ) from None
    width = tokenizer([""]).shape[1]
    if width != context:
        raise InputError(f"{name}: its tokenizer makes {width} tokens, but its text tower reads {context}")
    return tokenizer


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
