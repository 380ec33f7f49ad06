"""Networks whose features images are compared in, opened by name from this machine alone; nothing in a file is executed.

Each computes a fixed number of images at once, the last batch filled up with black ones: with one shape a film's features
depend neither on its neighbours nor on how films are dealt out to shards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json
from scripts.lib.core.seeds import rng
from scripts.lib.encoders.folders import load_network
from scripts.lib.encoders.weights import load_encoder
from scripts.lib.fidelity.thumbnails import thumbnails
from scripts.lib.filters.proxy.pixels import Preprocessing
from scripts.lib.training.devices import Placement

GREY = ((0.5,) * 3, (0.25,) * 3)  # mean and standard deviation of grey values in [0, 1], for the random network
RANDOM_SIDE, RANDOM_WIDTHS = 64, (16, 32, 64, 64)
INCEPTION_SIDE = 299
Features = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Extractor:
    """Features of images uint8 (n, H, H): float32 (n, D), or for thumbnails uint8 (n, SIDE, SIDE)."""

    name: str
    compute: Features
    batch_size: int

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the features of a batch of at most `batch_size` images."""
        count = len(images)
        if count < self.batch_size:
            images = np.concatenate([images, np.zeros((self.batch_size - count, *images.shape[1:]), np.uint8)])
        return self.compute(images)[:count]


def open_extractor(name: str, path: str, placement: Placement, batch_size: int) -> Extractor:
    """Open pixels, random, proxy, inception or rad-dino; `path` of the weights, "" for none.

    Raises InputError, one line, for weights that are not there, not whole, or of another network.
    """
    openers: dict[str, Callable[[], Features]] = {
        "pixels": lambda: thumbnails,
        "random": lambda: _through(random_network(), Preprocessing(RANDOM_SIDE, "bilinear", *GREY), placement),
        "proxy": lambda: _proxy(path, placement, batch_size),
        "inception": lambda: _inception(Path(path), placement),
        "rad-dino": lambda: _rad_dino(Path(path), placement),
    }
    if name not in openers:
        raise InputError(f"features: no network {name!r}; known: {', '.join(openers)}")
    return Extractor(name, openers[name](), batch_size)


class RandomNetwork(nn.Module):
    """Four convolutions with random weights that are the same on every machine; features are means over the film.

    Random features tell distributions apart without having learned from natural photographs (Naeem et al., ICML 2020).
    """

    def __init__(self) -> None:
        super().__init__()
        widths = zip((1, *RANDOM_WIDTHS), RANDOM_WIDTHS)
        layers = [nn.Conv2d(before, after, 3, 2, 1, bias=False) for before, after in widths]
        self.layers = nn.ModuleList(layers)
        with torch.no_grad():
            for number, layer in enumerate(layers):
                shape = tuple(layer.weight.shape)
                drawn = rng("fidelity", "random network", number).standard_normal(shape)
                layer.weight.copy_(torch.from_numpy(drawn * (2 / np.prod(shape[1:])) ** 0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x[:, :1]
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x.mean(dim=(2, 3))


def random_network() -> nn.Module:
    """Return the random network, in evaluation mode."""
    return RandomNetwork().eval()


def _through(network: Callable[[torch.Tensor], torch.Tensor], prepare: Preprocessing, placement: Placement) -> Features:
    if isinstance(network, nn.Module):
        network = network.requires_grad_(False).to(placement.device)

    @torch.inference_mode()
    def compute(images: np.ndarray) -> np.ndarray:
        inputs = prepare(images).to(placement.device)
        with placement.autocast():
            features = network(inputs)
        return features.float().cpu().numpy()

    return compute


def _proxy(name: str, placement: Placement, batch_size: int) -> Features:
    from scripts.lib.filters.proxy.model import open_proxy

    return open_proxy(name, placement, batch_size).image_features


def _inception(path: Path, placement: Placement) -> Features:
    from scripts.lib.fidelity.inception import FidInception

    network = FidInception()
    load_encoder(network, path)
    # As pytorch-fid prepares images: 299 pixels, grey values in [-1, 1].
    return _through(network.eval(), Preprocessing(INCEPTION_SIDE, "bilinear", (0.5,) * 3, (0.5,) * 3), placement)


def _rad_dino(folder: Path, placement: Placement) -> Features:
    """RAD-DINO (Perez-Garcia et al. 2025), or any DINOv2 in transformers' layout: the class token after the last norm."""
    from transformers import Dinov2Model

    wanted = "the preprocessing of a DINOv2"
    settings = read_json(folder / "preprocessor_config.json", wanted)
    network = load_network(Dinov2Model, folder)
    crop = settings.get("crop_size", settings.get("size", {}))
    side = crop.get("height", crop.get("shortest_edge")) if isinstance(crop, dict) else crop
    mean, std = settings.get("image_mean"), settings.get("image_std")
    if not (isinstance(side, int) and side > 0 and _three(mean) and _three(std)):
        raise InputError(
            f"{folder / 'preprocessor_config.json'}: no crop_size, image_mean and image_std of three numbers; get a true copy"
        )
    prepare = Preprocessing(side, "bicubic", tuple(mean or ()), tuple(std or ()))
    return _through(lambda x: network(pixel_values=x).pooler_output, prepare, placement)


def _three(values: object) -> bool:
    return isinstance(values, list) and len(values) == 3 and all(isinstance(one, (int, float)) for one in values)
