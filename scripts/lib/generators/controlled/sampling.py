"""What the solver loop sees of a Stable Diffusion model with a ControlNet: text states, hints, and silence without a mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from scripts.lib.core.errors import InputError
from scripts.lib.generators.controlled.absence import BLACK, DIFFERENCE, absence_of
from scripts.lib.generators.controlled.control import HintBranch, predict_noise
from scripts.lib.generators.controlled.encoding import encode_text, tokenize
from scripts.lib.generators.controlled.generator import ControlledGenerator
from scripts.lib.generators.controlled.hints import HintPainter
from scripts.lib.generators.protocol import Condition, ImageRequest
from scripts.lib.generators.speed import compile_step, decode_finite, tune
from scripts.lib.training.devices import Placement, place
from scripts.lib.training.settings import Section

KEPT_PROMPTS = 256  # whose states are kept: a pool of captions has as many prompts as images


def _move(network: Any, placement: Placement) -> Any:
    """Freeze a network and move it; torch's own `to` is used, as diffusers' warns of a cast that is meant."""
    return torch.nn.Module.to(network, placement.device, placement.dtype).requires_grad_(False)


class ControlledModel:
    """A controlled generator as protocol.Model; it moves and changes the networks of the `generator` that it is given.

    `structures` are those of the masks to come; `settings` is the section `sampling`. A condition has `text` (n, L, D),
    and where a ControlNet takes part `hint` (n, C, h, w), its embedded hints, which do not depend on the step. `present`
    bool (n,) is there, all False, where a tuned ControlNet answers to an absent mask with the difference from its start.
    """

    def __init__(self, generator: ControlledGenerator, structures: Sequence[str], settings: Section) -> None:
        self.generator, self.placement = generator, place(settings)
        notes = generator.notes
        self.black_hint = absence_of(notes) in (BLACK, DIFFERENCE)
        for network in (generator.vae, generator.unet, generator.text_encoder):
            _move(network, self.placement)
        networks = [generator.unet]
        self.branch, self.start = None, None
        if generator.controlnet is not None:
            networks.append(_move(generator.controlnet, self.placement))
            self.branch = HintBranch(generator.controlnet)
        if generator.start is not None:
            networks.append(_move(generator.start, self.placement))
            self.start = HintBranch(generator.start)
        tune(generator.vae, networks, settings["speed"])
        self._compiled = compile_step(predict_noise) if settings["speed"]["compile"] == "step" else None
        self.paint = self._painter(structures)
        self._states: dict[str | None, torch.Tensor] = {}
        self._start_hint: torch.Tensor | None = None
        empty = settings.one_of("negative_text", "zero", "empty") == "empty"
        self._negative = self._empty_text() if empty else self._text(None)

    @property
    def resolution(self) -> int:
        """Side of the images in pixels."""
        return self.generator.resolution

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image's latents."""
        side = self.generator.resolution // self.generator.factor
        return self.generator.unet.config.in_channels, side, side

    @property
    def scaling(self) -> float:
        """What the autoencoder's latents are multiplied by."""
        return self.generator.vae.config.scaling_factor

    @property
    def fingerprint(self) -> str:
        """Hash of weights and configurations."""
        return self.generator.fingerprint

    @property
    def lineage(self) -> str:
        """Fingerprint of the generator that tuning began with, else its own."""
        return self.generator.lineage

    @property
    def schedule(self) -> Mapping[str, Any]:
        """The noise schedule of the U-Net's training."""
        return self.generator.scheduler_config

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.placement.device

    def warn_about(self, prompts: Sequence[str]) -> None:
        """Warn once of all prompts that the tokenizer cuts."""
        tokenize(prompts, self.generator.tokenizer)

    def condition(self, requests: Sequence[ImageRequest]) -> Condition:
        """Return text, and hints where the ControlNet takes part; raises InputError for masks that it cannot follow."""
        kind = requests[0].kind
        if kind == "class":
            raise InputError("these conditions are classes, but the generator follows texts and masks; choose another")
        parts = {"text": torch.stack([self._text(request.prompt) for request in requests])}
        hint = self._hint(requests, kind)
        if hint is not None:
            parts["hint"] = hint
        if kind == "text" and self.start is not None:
            parts["present"] = torch.zeros(len(requests), dtype=torch.bool, device=self.device)
        return parts

    def null(self, requests: Sequence[ImageRequest], condition: Condition) -> Condition | None:
        """Return the condition without its text; a mask stays. None for masks alone: nothing would change."""
        if requests[0].kind == "mask":
            return None
        return {**condition, "text": self._negative.expand_as(condition["text"])}

    def predict(self, latents: torch.Tensor, step: torch.Tensor, condition: Condition) -> torch.Tensor:
        """Return the U-Net's answer with that of the ControlNet joined in, float32."""
        hint = condition.get("hint")
        silence: dict[str, Any] = {}
        if "present" in condition:
            silence = {"present": condition["present"], "start": (self.start, self._black_start(len(latents)))}
        branch = None if hint is None else self.branch
        predict, entered = self._compiled or predict_noise, latents.to(self.placement.dtype)
        with self.placement.kernels():
            return predict(self.generator.unet, entered, step, condition["text"], branch, hint, **silence).float()

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Return decoded images; those that are not finite in bf16 are decoded in float32."""
        with self.placement.kernels():
            return decode_finite(self.generator.vae, latents.to(self.placement.dtype))

    def _painter(self, structures: Sequence[str]) -> HintPainter | None:
        notes = self.generator.notes
        if self.branch is None or not structures:
            return None
        unknown = sorted(set(structures) - set(notes.get("structures", structures)))
        if unknown:
            raise InputError(f"the generator was not trained on {unknown}; it knows {notes['structures']}")
        return HintPainter(structures, notes.get("palette", "colour"), self.device)

    def _hint(self, requests: Sequence[ImageRequest], kind: str) -> torch.Tensor | None:
        """Return the embedded hints, once an image; None where the mask condition is zeroed."""
        if kind == "text" and not (self.black_hint and self.branch is not None):
            return None
        if self.branch is None:
            raise InputError("these conditions have masks, but the generator has no ControlNet; choose one that has")
        if kind == "text":
            return self._embed_black(self.branch, len(requests))
        if self.paint is None:
            raise InputError("these conditions have masks, but their cohort has no structures")
        bits = np.stack(
            [request.bits for request in requests if request.bits is not None]
        )  # all have one, by their kind
        hints = self.paint(bits, self.resolution)
        return self.branch.embed(hints.to(self.placement.dtype, memory_format=torch.contiguous_format))

    def _embed_black(self, branch: HintBranch, count: int) -> torch.Tensor:
        side = self.resolution
        return branch.embed(torch.zeros(count, 3, side, side).to(self.device, self.placement.dtype))

    def _black_start(self, count: int) -> torch.Tensor:
        """Return black pictures as the start's ControlNet embeds them; kept, as they are the same in every step."""
        assert self.start is not None  # a condition has `present` where there is one
        if self._start_hint is None or len(self._start_hint) != count:
            self._start_hint = self._embed_black(self.start, count)
        return self._start_hint

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
