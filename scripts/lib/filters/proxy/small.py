"""The embedded study's own CLIP: built from open_clip's classes, trained on films and reports, stored in its layout."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from open_clip import CustomTextCLIP
from open_clip.loss import ClipLoss
from safetensors.torch import save
from torch.nn import functional
from transformers import CLIPTokenizer

from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.core.seeds import derive_seed
from scripts.lib.encoders.clip_text import plain_text, save_tokenizer, train_tokenizer
from scripts.lib.filters.proxy.opening import CONFIG
from scripts.lib.filters.proxy.pixels import Preprocessing
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement
from scripts.lib.training.films import FoundationFilms
from scripts.lib.training.loop import Trainer
from scripts.lib.training.settings import Section

CHANNELS, HEAD_WIDTH = 3, 64
STATISTICS_FILMS = 256
LARGEST_SCALE = 100.0  # CLIP's bound on the inverse temperature


@dataclass(frozen=True)
class SmallClip:
    """A trained model with its tokenizer and its configuration (the content of open_clip_config.json)."""

    model: CustomTextCLIP
    tokenizer: CLIPTokenizer
    config: dict[str, Any]


class SharedTextLoss(ClipLoss):
    """open_clip's ClipLoss, except that films with the same text match all of its copies, each to the same share.

    ClipLoss takes row i to match column i alone. Reports repeat ("Normal."), so it would push films away from their
    own text. Where all texts of a batch differ, both are the same.
    """

    def forward(
        self, image_features: torch.Tensor, text_features: torch.Tensor, scale: torch.Tensor, numbers: torch.Tensor
    ) -> torch.Tensor:
        """Return the loss of unit vectors (n, D) each; `numbers` (n,) are equal for equal texts."""
        per_image, per_text = self.get_logits(image_features, text_features, scale)
        same = (numbers[:, None] == numbers[None]).to(per_image.dtype)
        wanted = same / same.sum(1, keepdim=True)
        return (functional.cross_entropy(per_image, wanted) + functional.cross_entropy(per_text, wanted)) / 2


def clip_shape(settings: Mapping[str, Any], vocabulary: int, side: int) -> dict[str, Any]:
    """Return the towers of a small model as open_clip names them: a residual network for films, a transformer for texts."""
    vision, text = settings["vision"], settings["text"]
    if side % 32:
        raise InputError(f"study.resolution = {side}: the small proxy model needs a multiple of 32")
    return {
        "embed_dim": settings["embed"],
        "vision_cfg": {
            "image_size": side,
            "layers": list(vision["layers"]),
            "width": vision["width"],
            "head_width": HEAD_WIDTH,
        },
        "text_cfg": {
            "context_length": text["max_tokens"],
            "vocab_size": vocabulary,
            "hf_tokenizer_name": "./",  # open_clip then reads the tokenizer from the model's own folder
            "width": text["hidden"],
            "heads": text["heads"],
            "layers": text["layers"],
        },
    }


def model_config(settings: Section, tokenizer: CLIPTokenizer, images: np.ndarray) -> dict[str, Any]:
    """Return open_clip's configuration of a small model for images uint8 (n, H, H)."""
    towers = clip_shape(settings, len(tokenizer), images.shape[-1])
    grey = images / np.float32(255)
    mean, std = round(float(grey.mean()), 4), round(max(float(grey.std()), 0.01), 4)
    return {
        "model_cfg": {"embed_dim": towers.pop("embed_dim"), "custom_text": True, **towers},
        "preprocess_cfg": {
            "mean": [mean] * CHANNELS,
            "std": [std] * CHANNELS,
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }


def build_model(config: dict[str, Any], seed: int) -> CustomTextCLIP:
    """Return the model with random weights."""
    torch.manual_seed(derive_seed(seed, "train_proxy"))
    parts = {key: value for key, value in config["model_cfg"].items() if key != "custom_text"}
    return CustomTextCLIP(**parts)


def settle_statistics(model: CustomTextCLIP, inputs: torch.Tensor) -> None:
    """Set the batch normalisations' statistics from these films once, at the first weights, and keep them fixed.

    A training's state is then its parameters alone, so a resumed one ends in the same bytes.
    """
    norms = [part for part in model.visual.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = 1.0
    model.visual.train()
    with torch.no_grad():
        model.visual(inputs)
    model.eval()


def shifted(inputs: torch.Tensor, share: float, noise: torch.Generator) -> torch.Tensor:
    """Return films (n, C, H, H), each moved by up to `share` of its side; the border is repeated."""
    reach = round(share * inputs.shape[-1])
    if not reach:
        return inputs
    padded = functional.pad(inputs, [reach] * 4, mode="replicate")
    moves = torch.randint(0, 2 * reach + 1, (len(inputs), 2), generator=noise).tolist()
    side = inputs.shape[-1]
    return torch.stack([film[:, y : y + side, x : x + side] for film, (y, x) in zip(padded, moves)])


def train_clip(
    films: FoundationFilms, settings: Section, seed: int, placement: Placement, checkpoints: Checkpoints
) -> SmallClip:
    """Train a small CLIP on the films that have a report; `settings` is the section `proxy.train`."""
    known = [(row, text) for row, text in enumerate(map(plain_text, films.reports)) if text is not None]
    if len(known) < 2:
        raise InputError(f"proxy.train: {len(known)} films of the foundation cohorts have a report; expected many")
    rows, texts = np.array([row for row, _ in known]), [text for _, text in known]
    tokenizer = train_tokenizer(texts, settings["text"]["vocabulary"], settings["text"]["max_tokens"])
    first = films.images[rows[:STATISTICS_FILMS]]
    config = model_config(settings, tokenizer, first)
    model = build_model(config, seed).to(placement.device, memory_format=torch.channels_last)
    prepare = Preprocessing.of({**config["preprocess_cfg"], "size": first.shape[-1]}, "proxy.train")
    settle_statistics(model, prepare(first).to(placement.device, memory_format=torch.channels_last))
    tokens, numbers = _tokens(texts, tokenizer, settings["text"]["max_tokens"])
    match = SharedTextLoss()

    def loss(places: np.ndarray, noise: torch.Generator) -> torch.Tensor:
        inputs = shifted(prepare(films.images[rows[places]]), settings["shift"], noise)
        inputs = inputs.to(placement.device, memory_format=torch.channels_last)
        images = model.encode_image(inputs, normalize=True)
        words = model.encode_text(tokens[places].to(placement.device), normalize=True)
        scale = model.logit_scale.exp().clamp(max=LARGEST_SCALE)
        return match(images, words, scale, numbers[places].to(placement.device))

    Trainer({"clip": model}, settings, seed, "train_proxy", placement).train(loss, len(rows), checkpoints)
    return SmallClip(model.eval(), tokenizer, config)


def _tokens(texts: Sequence[str], tokenizer: CLIPTokenizer, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the tokens (n, width) and, equal for equal texts, a number (n,) of each text."""
    tokens = tokenizer(
        list(texts), max_length=width, padding="max_length", truncation=True, return_tensors="pt"
    ).input_ids
    return tokens, torch.from_numpy(np.unique(texts, return_inverse=True)[1])


def write_clip(folder: Path, small: SmallClip) -> None:
    """Write the model so that open_clip's own `local-dir:` opens it: configuration, weights, tokenizer."""
    (folder / CONFIG).write_text(json.dumps(small.config, indent=1, sort_keys=True) + "\n")
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in small.model.state_dict().items()}
    (folder / "open_clip_model.safetensors").write_bytes(save(state))
    save_tokenizer(small.tokenizer, folder)
    count = sum(parameter.numel() for parameter in small.model.parameters())
    log(f"proxy model: {count:,} weights, {len(small.tokenizer)} tokens, input {small.config['preprocess_cfg']}")
