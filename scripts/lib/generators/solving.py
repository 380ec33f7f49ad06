"""Make images from conditions: one identity one image, whatever batch, shard, order or restart it is made in.

The initial noise of an image comes from a generator of its own, the solver is deterministic, and the networks always
see the same number of images at once (`micro_batch`, the last batch padded), because the low bits of a product can
depend on the shape of its operands, while at one shape they depend neither on place nor on neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.core.seeds import derive_seed
from scripts.lib.generators.protocol import Condition, ImageRequest, Model
from scripts.lib.generators.solvers import make_solver
from scripts.lib.training.settings import Section


def initial_noise(seed: int, fingerprint: str, request: ImageRequest, shape: Sequence[int]) -> torch.Tensor:
    """Return the noise (C, h, w) of one image: a function of study seed, generator, condition and repeat alone."""
    identity = derive_seed(seed, fingerprint, request.condition_id, request.sample)
    return torch.randn(tuple(shape), generator=torch.Generator("cpu").manual_seed(identity))


def to_pixels(decoded: torch.Tensor) -> np.ndarray:
    """Return decoded images (n, C, H, W), about [-1, 1], as uint8 (n, H, W): channels averaged, rounded once."""
    grey = decoded.float().mean(1)
    return ((grey / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def guidance_interval(settings: Section) -> tuple[float, float]:
    """Return the shares of the noise schedule between which guidance acts, both ends included; 0 is clean, 1 pure noise.

    Kynkäänniemi et al. 2024 (arXiv 2404.07724): at high noise guidance only narrows what is made, at low noise it changes
    nothing, and either costs a second pass. Raises InputError unless 0 <= low <= high <= 1.
    """
    low, high = settings["guidance_interval"]
    if not 0 <= low <= high <= 1:
        raise InputError(
            f"settings: {settings.name}.guidance_interval = [{low}, {high}]; expected two shares of the noise schedule, "
            f"the lower first, from 0 to 1"
        )
    return low, high


class Sampler:
    """Make images with any kind of generator; `settings` is the section `sampling`, `seed` that of the study."""

    def __init__(self, model: Model, settings: Section, seed: int) -> None:
        self.model, self.settings, self.seed = model, settings, seed
        self.micro_batch: int = settings["micro_batch"]
        self.guidance: float = settings["guidance"]
        self._solver = make_solver(model.schedule, settings)
        self._interval = guidance_interval(settings)

    def images(self, requests: Sequence[ImageRequest]) -> np.ndarray:
        """Return the images of at most `micro_batch` requests of one kind, uint8 (n, H, W).

        On a GPU without enough memory the micro-batch is halved, with a note: low bits may then differ.
        """
        while True:
            parts = [requests[k : k + self.micro_batch] for k in range(0, len(requests), self.micro_batch)]
            try:
                return np.concatenate([self.micro(part) for part in parts])
            except torch.OutOfMemoryError:
                if self.micro_batch == 1:
                    raise InputError(
                        "the device has too little memory for a single image; use another device"
                    ) from None
                self.micro_batch //= 2
                torch.cuda.empty_cache()
                log(f"out of memory: micro-batch is now {self.micro_batch}; low bits of later images may differ")

    @torch.inference_mode()
    def micro(self, requests: Sequence[ImageRequest]) -> np.ndarray:
        """Return the images of one micro-batch, padded while it is made; raises InputError when one is not finite."""
        padded = [*requests, *[requests[-1]] * (self.micro_batch - len(requests))]
        decoded = self.model.decode(self._denoise(padded))
        broken = ~torch.isfinite(decoded.float()).flatten(1).all(1).cpu().numpy()[: len(requests)]
        if broken.any():
            names = [request.name for request, bad in zip(requests, broken) if bad]
            raise InputError(
                f"{len(names)} images are not finite, e.g. {names[0]}; lower sampling.guidance or set precision: fp32"
            )
        return to_pixels(decoded)[: len(requests)]

    def _denoise(self, requests: Sequence[ImageRequest]) -> torch.Tensor:
        """Return the clean latents (micro_batch, C, h, w) in float32, the precision of the solver."""
        model, solver = self.model, self._solver
        noise = [initial_noise(self.seed, model.lineage, request, model.shape) for request in requests]
        condition = model.condition(requests)
        null = model.null(requests, condition) if self.guidance > 1 else None
        both: Condition = {}
        if null is not None:  # both halves go through the networks at once, first what guidance leads away from
            both = {name: torch.cat([null[name], part]) for name, part in condition.items()}
        solver.set_timesteps(self.settings["steps"], device=model.device)
        latents = torch.stack(noise).to(model.device) * solver.init_noise_sigma
        for step in solver.timesteps:
            if both and self._guides(step):
                entered = solver.scale_model_input(torch.cat([latents, latents]), step)
                without, within = model.predict(entered, step, both).chunk(2)
                guess = without + self.guidance * (within - without)
            else:
                guess = model.predict(solver.scale_model_input(latents, step), step, condition)
            latents = solver.step(guess, step, latents, return_dict=False)[0]
        return latents

    def _guides(self, step: torch.Tensor) -> bool:
        """Whether guidance acts at this step of the schedule; so each step has one shape, whatever the images."""
        last: int = self._solver.config.num_train_timesteps - 1
        return self._interval[0] * last <= float(step) <= self._interval[1] * last
