"""What may make sampling on a GPU faster, each to be measured alone: switches of `sampling.speed`, and what is always done
against doing without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch._inductor.config
from diffusers.models.attention_processor import Attention, FusedAttnProcessor2_0

from scripts.lib.generators import solving
from scripts.lib.generators.controlled import sampling
from scripts.lib.generators.controlled.control import predict_noise
from scripts.lib.generators.protocol import Condition, ImageRequest
from scripts.lib.generators.solving import Sampler

GRAPH_WARM = 3  # calls on a side stream before a graph is captured, as torch's documentation asks


def _nothing(_sampler: Sampler) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True)
class Lever:
    """Switches of `sampling.speed`, and a change of an opened sampler that lasts as long as its context."""

    name: str
    speed: dict[str, Any] = field(default_factory=dict)
    change: Callable[[Sampler], AbstractContextManager[None]] = _nothing


@contextmanager
def _passes_apart(_sampler: Sampler) -> Iterator[None]:
    """Both halves of the guidance one after the other."""

    def halves(
        unet: Any,
        latents: torch.Tensor,
        step: torch.Tensor,
        text: torch.Tensor,
        branch: Any = None,
        embedded: torch.Tensor | None = None,
        present: torch.Tensor | None = None,
    ) -> torch.Tensor:
        hints: Sequence[torch.Tensor | None] = (None, None) if embedded is None else embedded.chunk(2)
        parts = zip(latents.chunk(2), text.chunk(2), hints)
        return torch.cat([predict_noise(unet, latents, step, words, branch, hint) for latents, words, hint in parts])

    with patch.object(sampling, "predict_noise", halves):
        yield


@contextmanager
def _texts_anew(sampler: Sampler) -> Iterator[None]:
    """Every prompt of every micro-batch goes through the text encoder."""
    model: Any = sampler.model  # a ControlledModel, which keeps the texts' states
    stock = model.condition

    def forget(requests: Sequence[ImageRequest]) -> Condition:
        model._states.clear()
        return stock(requests)

    with patch.object(model, "condition", forget):
        yield


@contextmanager
def _floats_home(_sampler: Sampler) -> Iterator[None]:
    """Decoded images leave the GPU as float32 and become bytes on the CPU."""
    stock = solving.to_pixels

    def late(decoded: torch.Tensor) -> np.ndarray:
        return stock(decoded.float().cpu())

    with patch.object(solving, "to_pixels", late):
        yield


class Graph:
    """`predict_noise` captured once as a CUDA graph and replayed: one launch for a whole step of U-Net and ControlNet."""

    def __init__(self) -> None:
        self.graph: Any = None
        self.inputs: list[torch.Tensor] = []
        self.output: torch.Tensor | None = None

    def __call__(
        self,
        unet: Any,
        latents: torch.Tensor,
        step: torch.Tensor,
        text: torch.Tensor,
        branch: Any = None,
        embedded: torch.Tensor | None = None,
        present: torch.Tensor | None = None,
    ) -> torch.Tensor:
        given = [one for one in (latents, step, text, embedded) if one is not None]
        if self.graph is None:
            self._capture(unet, given, branch, embedded is not None)
        for held, one in zip(self.inputs, given):
            held.copy_(one)
        self.graph.replay()
        assert self.output is not None  # of the capture
        return self.output.clone()

    def _capture(self, unet: Any, given: list[torch.Tensor], branch: Any, hinted: bool) -> None:
        self.inputs = [one.clone() for one in given]
        latents, step, text = self.inputs[:3]
        hint = self.inputs[3] if hinted else None
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(GRAPH_WARM):
                predict_noise(unet, latents, step, text, branch, hint)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.output = predict_noise(unet, latents, step, text, branch, hint)


@contextmanager
def _graphs(sampler: Sampler) -> Iterator[None]:
    if sampler.model.device.type != "cuda":
        raise RuntimeError("CUDA graphs need a GPU")
    with patch.object(sampling, "predict_noise", Graph()):
        yield


@contextmanager
def _products_fused(sampler: Sampler) -> Iterator[None]:
    """One product for the queries, keys and values of self-attention, one for the keys and values of cross-attention."""
    model: Any = sampler.model
    networks = [model.generator.unet, model.generator.controlnet]
    for module in (module for network in networks if network is not None for module in network.modules()):
        if isinstance(module, Attention):
            module.fuse_projections(fuse=True)
            module.set_processor(FusedAttnProcessor2_0())
    yield


def _convolutions_as_products(_sampler: Sampler) -> AbstractContextManager[None]:
    """Compile convolutions of one pixel as products of matrices."""
    return torch._inductor.config.patch(conv_1x1_as_mm=True)


ALL = {"channels_last": True, "compile": "step", "vae": "bf16"}
LEVERS = (
    Lever("none"),
    Lever("attention: plain", {"attention": "plain"}),
    Lever("channels_last", {"channels_last": True}),
    Lever("compile: blocks", {"compile": "blocks"}),
    Lever("CUDA graph of a step", {}, _graphs),
    Lever("vae: fp32", {"vae": "fp32"}),
    Lever("vae: bf16", {"vae": "bf16"}),
    Lever("guidance in two passes", {}, _passes_apart),
    Lever("texts encoded anew", {}, _texts_anew),
    Lever("bytes made on the CPU", {}, _floats_home),
    Lever("channels_last, CUDA graph", {"channels_last": True, "vae": "bf16"}, _graphs),
    Lever("channels_last, blocks", {"channels_last": True, "compile": "blocks", "vae": "bf16"}),
    Lever("channels_last, blocks, CUDA graph", {"channels_last": True, "compile": "blocks", "vae": "bf16"}, _graphs),
    Lever("compile: step", {"compile": "step"}),
    Lever("all", ALL),
    Lever("all, 1 x 1 convolutions as products", ALL, _convolutions_as_products),
    Lever("all, products of attention fused", ALL, _products_fused),
)
