"""The proxy model: an open_clip model that says how well a film matches a text (BiomedCLIP in the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import open_clip
import torch

from scripts.lib.core.errors import InputError
from scripts.lib.filters.proxy.opening import TwoTowers, full_name, open_model, open_tokenizer, read_config
from scripts.lib.filters.proxy.pixels import Preprocessing
from scripts.lib.training.devices import Placement


@dataclass(frozen=True)
class Proxy:
    """A model with its own tokenizer and preprocessing; features are float32 (n, D) on the CPU, of length 1.

    `batch_size` films are computed at once, the last batch filled up with black ones: with one shape a film's features
    depend neither on its neighbours nor on how films are dealt out.
    """

    name: str
    model: TwoTowers
    tokenizer: Any
    preprocessing: Preprocessing
    placement: Placement
    batch_size: int

    @torch.inference_mode()
    def image_features(self, images: np.ndarray) -> np.ndarray:
        """Return the features of images uint8 (n, H, H)."""
        parts = [np.zeros((0, 0), np.float32)]
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            count = len(batch)
            if count < self.batch_size:
                batch = np.concatenate([batch, np.zeros((self.batch_size - count, *batch.shape[1:]), np.uint8)])
            inputs = self.preprocessing(batch).to(self.placement.device, memory_format=torch.channels_last)
            with self.placement.autocast():
                features = self.model.encode_image(inputs, normalize=True)
            parts.append(features[:count].float().cpu().numpy())
        return np.concatenate(parts[1:] or parts)

    @torch.inference_mode()
    def text_features(self, texts: Sequence[str]) -> np.ndarray:
        """Return the features of texts; raises InputError when a tokenizer and a text tower do not belong together."""
        tokens = self.tokenizer(list(texts))
        known = getattr(self.model, "vocab_size", 0) or int(tokens.max()) + 1
        if int(tokens.max()) >= known:
            raise InputError(f"{self.name}: token {int(tokens.max())}, but its text tower knows {known}; not its own")
        with self.placement.autocast():
            features = self.model.encode_text(tokens.to(self.placement.device), normalize=True)
        return features.float().cpu().numpy()


def open_proxy(name: str, placement: Placement, batch_size: int) -> Proxy:
    """Open a proxy model: a folder in open_clip's layout (with or without `local-dir:`), or `hf-hub:` and a cached id.

    Nothing is downloaded. Raises InputError in one line for a model that is not whole.
    """
    name = full_name(name)
    config = read_config(name)
    model = open_model(name)
    context = config["text_cfg"]["context_length"]
    tokenizer = open_tokenizer(name, context)
    reads = getattr(model, "context_length", 0) if "hf_model_name" not in config["text_cfg"] else context
    if reads != context:
        raise InputError(f"{name}: text_cfg.context_length is {context}, but the text tower reads {reads}")
    preprocessing = Preprocessing.of(open_clip.get_model_preprocess_cfg(model), name)
    model = model.requires_grad_(False).to(placement.device, memory_format=torch.channels_last)
    return Proxy(name, model, tokenizer, preprocessing, placement, batch_size)
