"""Make images from conditions: one identity one image, whatever batch, shard, order or restart it is made in.

The initial noise of an image comes from a generator of its own, the solver is deterministic, and the networks always
see the same number of images at once (`micro_batch`, the last batch padded), because the low bits of a product can
depend on the shape of its operands, while at one shape they depend neither on place nor on neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.core.seeds import derive_seed
from scripts.lib.generators.controlled.absence import BLACK, DIFFERENCE, absence_of
from scripts.lib.generators.controlled.autoencoder import to_pixels
from scripts.lib.generators.controlled.control import HintBranch, predict_noise
from scripts.lib.generators.controlled.encoding import encode_text, tokenize
from scripts.lib.generators.controlled.generator import Generator
from scripts.lib.generators.controlled.hints import HintPainter
from scripts.lib.generators.solvers import make_solver
from scripts.lib.generators.speed import compile_step, decode_finite, tune
from scripts.lib.training.devices import Placement
from scripts.lib.training.settings import Section

KEPT_PROMPTS = 256  # whose states are kept: a pool of captions has as many prompts as images


@dataclass(frozen=True)
class Request:
    """One image to make: its condition, `bits` uint8 (h, w) or None for no mask, and the number of its repeat."""

    condition_id: str
    sample: int
    prompt: str | None
    bits: np.ndarray | None

    @property
    def name(self) -> str:
        """The image's identifier."""
        return f"{self.condition_id}-{self.sample}"


def initial_noise(seed: int, fingerprint: str, request: Request, shape: Sequence[int]) -> torch.Tensor:
    """Return the noise (C, h, w) of one image: a function of study seed, generator, condition and repeat alone."""
    own = derive_seed(seed, fingerprint, request.condition_id, request.sample)
    return torch.randn(tuple(shape), generator=torch.Generator("cpu").manual_seed(own))


def _move(network: Any, placement: Placement) -> Any:
    """Freeze a network and move it; torch's own `to` is used, as diffusers' warns of a cast that is meant."""
    return torch.nn.Module.to(network, placement.device, placement.dtype).requires_grad_(False)


class Sampler:
    """Make images of one kind at a time: "text", "mask" or "both", which differ in the networks they need."""

    def __init__(
        self, generator: Generator, structures: Sequence[str], settings: Section, seed: int, placement: Placement
    ) -> None:
        self.generator, self.settings, self.seed, self.placement = generator, settings, seed, placement
        self.micro_batch: int = settings["micro_batch"]
        self.guidance: float = settings["guidance"]
        notes = generator.notes
        self.black_hint = absence_of(notes) in (BLACK, DIFFERENCE)
        for network in (generator.vae, generator.unet, generator.text_encoder):
            _move(network, placement)
        self.branch, self.start, self.paint = None, None, None
        networks = [generator.unet]
        if generator.controlnet is not None:
            networks.append(_move(generator.controlnet, placement))
            self.branch = HintBranch(generator.controlnet)
        if generator.start is not None:
            networks.append(_move(generator.start, placement))
            self.start = HintBranch(generator.start)
        tune(generator.vae, networks, settings["speed"])
        self._compiled = compile_step(predict_noise) if settings["speed"]["compile"] == "step" else None
        if generator.controlnet is not None and structures:
            unknown = sorted(set(structures) - set(notes.get("structures", structures)))
            if unknown:
                raise InputError(f"the generator was not trained on {unknown}; it knows {notes['structures']}")
            self.paint = HintPainter(structures, notes.get("palette", "colour"))
        self._solver = make_solver(generator.scheduler_config, settings)
        self._states: dict[str | None, torch.Tensor] = {}
        empty = settings.one_of("negative_text", "zero", "empty") == "empty"
        self._negative = self._empty_text() if empty else self._text(None)

    def images(self, requests: Sequence[Request], kind: str) -> np.ndarray:
        """Return the images of at most `micro_batch` requests of one kind, uint8 (n, H, W).

        On a GPU without enough memory the micro-batch is halved, with a note: low bits may then differ.
        """
        while True:
            parts = [requests[k : k + self.micro_batch] for k in range(0, len(requests), self.micro_batch)]
            try:
                return np.concatenate([self._batch(part, kind) for part in parts])
            except torch.OutOfMemoryError:
                if self.micro_batch == 1:
                    raise InputError(
                        "the device has too little memory for a single image; use another device"
                    ) from None
                self.micro_batch //= 2
                torch.cuda.empty_cache()
                log(f"out of memory: micro-batch is now {self.micro_batch}; low bits of later images may differ")

    @torch.inference_mode()
    def _batch(self, requests: Sequence[Request], kind: str) -> np.ndarray:
        padded = [*requests, *[requests[-1]] * (self.micro_batch - len(requests))]
        latents = self._denoise(padded, kind)
        decoded = decode_finite(self.generator.vae, latents.to(self.placement.dtype))
        broken = ~torch.isfinite(decoded.float()).flatten(1).all(1).cpu().numpy()[: len(requests)]
        if broken.any():
            names = [request.name for request, bad in zip(requests, broken) if bad]
            raise InputError(
                f"{len(names)} images are not finite, e.g. {names[0]}; lower sampling.guidance or set precision: fp32"
            )
        return to_pixels(decoded)[: len(requests)]

    def _denoise(self, requests: Sequence[Request], kind: str) -> torch.Tensor:
        """Return the clean latents (micro_batch, C, h, w) in float32, the precision of the solver."""
        device, dtype = self.placement.device, self.placement.dtype
        side = self.generator.resolution // self.generator.factor
        shape = (self.generator.unet.config.in_channels, side, side)
        noise = [initial_noise(self.seed, self.generator.lineage, request, shape) for request in requests]
        text = torch.stack([self._text(request.prompt) for request in requests])
        guided = kind != "mask" and self.guidance > 1
        if guided:
            text = torch.cat([self._negative.expand_as(text), text])
        embedded = self._hint(requests, kind)
        branch = self.branch if embedded is not None else None
        if guided and embedded is not None:
            embedded = torch.cat([embedded, embedded])
        silence = self._silence(len(text)) if kind == "text" else {}
        predict, solver = self._compiled or predict_noise, self._solver
        solver.set_timesteps(self.settings["steps"], device=device)
        latents = torch.stack(noise).to(device) * solver.init_noise_sigma
        for step in solver.timesteps:
            entered = solver.scale_model_input(torch.cat([latents, latents]) if guided else latents, step).to(dtype)
            guess = predict(self.generator.unet, entered, step, text, branch, embedded, **silence).float()
            if guided:
                without, within = guess.chunk(2)
                guess = without + self.guidance * (within - without)
            latents = solver.step(guess, step, latents, return_dict=False)[0]
        return latents

    def _hint(self, requests: Sequence[Request], kind: str) -> torch.Tensor | None:
        """Return the embedded hints, once an image; None where the mask condition is zeroed."""
        if kind == "text" and not (self.black_hint and self.branch is not None):
            return None
        if self.branch is None:
            raise InputError("these conditions have masks, but the generator has no ControlNet; choose one that has")
        if kind == "text":
            return self._embed_black(self.branch, len(requests))
        if self.paint is None:
            raise InputError("these conditions have masks, but their cohort has no structures")
        hints = self.paint(np.stack([request.bits for request in requests]), self.generator.resolution)
        return self.branch.embed(hints.to(self.placement.device, self.placement.dtype))

    def _embed_black(self, branch: HintBranch, count: int) -> torch.Tensor:
        side = self.generator.resolution
        return branch.embed(torch.zeros(count, 3, side, side).to(self.placement.device, self.placement.dtype))

    def _silence(self, count: int) -> dict[str, Any]:
        """Return what makes a tuned ControlNet's answer to an absent mask the difference from its start's."""
        if self.start is None:
            return {}
        absent = torch.zeros(count, dtype=torch.bool, device=self.placement.device)
        return {"present": absent, "start": (self.start, self._embed_black(self.start, count))}

    def _text(self, prompt: str | None) -> torch.Tensor:
        """Return the states (L, D) of one prompt, encoded on its own so that no neighbour can touch them."""
        if prompt not in self._states:
            if len(self._states) >= KEPT_PROMPTS:
                self._states.pop(next(iter(self._states)))
            with torch.inference_mode():
                tokens = tokenize([prompt], self.generator.tokenizer, quiet=True)  # the command warns, once
                self._states[prompt] = encode_text(tokens, self.generator.text_encoder)[0]
        return self._states[prompt]

    @torch.inference_mode()
    def _empty_text(self) -> torch.Tensor:
        """Return the states of the empty text, what stock pipelines guide away from."""
        tokenizer, encoder = self.generator.tokenizer, self.generator.text_encoder
        tokens = tokenizer("", padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt")
        return encoder(tokens.input_ids.to(encoder.device))[0][0]
