"""Guidance in a middle interval of noise: its arithmetic by hand, one pass elsewhere, and nothing new on [0, 1]."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scripts.lib.core.errors import InputError
from scripts.lib.generators.protocol import ImageRequest
from scripts.lib.generators.solvers import noise_schedule
from scripts.lib.generators.solving import Sampler, initial_noise, to_pixels
from scripts.lib.training.identity import resume_identity
from scripts.lib.training.settings import Section
from tests.helpers.diffusion_models import SAMPLING

SCHEDULE = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
KEPT = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2, 0)
WITHIN, WITHOUT = 0.02, 0.005


class ConstantModel:
    """A network that says WITHIN of its condition and WITHOUT of the null, whatever the latents."""

    resolution, shape, scaling = 2, (1, 2, 2), 1.0
    fingerprint = lineage = "constant"
    schedule = noise_schedule(SCHEDULE)
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []  # step of the schedule and number of images of each call

    def condition(self, requests):
        return {"answer": torch.full((len(requests),), WITHIN)}

    def null(self, requests, condition):
        return {"answer": torch.full_like(condition["answer"], WITHOUT)}

    def predict(self, latents, step, condition):
        self.seen.append((int(step), len(latents)))
        return condition["answer"].view(-1, 1, 1, 1).expand_as(latents) + 0.01 * latents

    def decode(self, latents):
        return latents


def settings(**changes) -> Section:
    small = {"solver": "ddim", "steps": 4, "guidance": 3.0, "micro_batch": 3}
    return Section({**SAMPLING, **small, **changes}, "sampling")


def requests(count: int = 3) -> list[ImageRequest]:
    return [ImageRequest("c", number, "pneumonia", None) for number in range(count)]


def latents_of(interval: list[float], **changes) -> tuple[torch.Tensor, ConstantModel]:
    model = ConstantModel()
    sampler = Sampler(model, settings(guidance_interval=interval, **changes), 5)
    with torch.inference_mode():
        return sampler._denoise(requests()), model


def by_hand(guided: set[int]) -> torch.Tensor:
    """DDIM from step to step: z' = sqrt(a') x + sqrt(1 - a') e, x = (z - sqrt(1 - a) e) / sqrt(a), and x at the end.

    Four steps of 1,000 start at 999, 749, 500 and 250: 999 (1 - k / 4) is 999, 749.25, 499.5 and 249.75, rounded.
    """
    z = torch.stack([initial_noise(5, "constant", request, (1, 2, 2)) for request in requests()]).double()
    steps = [999, 749, 500, 250]
    for step, after in zip(steps, [*steps[1:], None]):
        # Guided: 0.005 + 3 (0.02 - 0.005) = 0.05; else 0.02. What depends on the latents is the same in both halves.
        e = (0.05 if step in guided else 0.02) + 0.01 * z
        x = (z - (1 - KEPT[step]).sqrt() * e) / KEPT[step].sqrt()
        z = x if after is None else KEPT[after].sqrt() * x + (1 - KEPT[after]).sqrt() * e
    return z


@pytest.mark.parametrize(
    ("interval", "guided"),
    [
        ([0.0, 1.0], {999, 749, 500, 250}),
        ([0.4, 0.8], {749, 500}),  # 749 / 999 = 0.7497, 500 / 999 = 0.5005, 250 / 999 = 0.2503
        ([0.6, 1.0], {999, 749}),
        ([1.0, 1.0], {999}),  # both ends count
        ([0.0, 0.1], set()),
    ],
)
def test_steps_inside_are_guided_and_others_take_one_pass(interval, guided):
    latents, model = latents_of(interval)
    assert torch.allclose(latents.double(), by_hand(guided), atol=2e-5)
    assert model.seen == [(step, 6 if step in guided else 3) for step in (999, 749, 500, 250)]


@pytest.mark.parametrize("solver", ["dpmsolver++", "unipc", "ddim"])
def test_everywhere_is_the_loop_that_doubles_every_batch_to_the_byte(solver):
    """[0, 1] against the loop as it stood before there was an interval."""
    ours, model = latents_of([0.0, 1.0], solver=solver)
    sampler = Sampler(model, settings(guidance_interval=[0.0, 1.0], solver=solver), 5)
    steps = sampler._solver
    steps.set_timesteps(4)
    condition = model.condition(requests())
    condition = {name: torch.cat([model.null(requests(), condition)[name], part]) for name, part in condition.items()}
    noise = torch.stack([initial_noise(5, "constant", request, (1, 2, 2)) for request in requests()])
    latents = noise * steps.init_noise_sigma
    for step in steps.timesteps:
        without, within = model.predict(
            steps.scale_model_input(torch.cat([latents, latents]), step), step, condition
        ).chunk(2)
        latents = steps.step(without + 3.0 * (within - without), step, latents, return_dict=False)[0]
    assert torch.equal(ours, latents)


def test_no_image_depends_on_its_neighbours_whatever_the_interval():
    sampler = Sampler(ConstantModel(), settings(guidance_interval=[0.4, 0.8]), 5)
    together = sampler.images(requests())
    for number, request in enumerate(requests()):
        assert (sampler.images([request])[0] == together[number]).all()
    assert np.unique(to_pixels(latents_of([0.4, 0.8])[0])).size > 1


def test_the_interval_is_part_of_what_a_restart_asks_for():
    """sample_pool's identity holds the section as it was given, so images of another interval are not gone on with."""
    sections = [{**SAMPLING, "guidance_interval": interval} for interval in ([0.0, 1.0], [0.3, 1.0], [0.0, 1.0])]
    first, second, again = (resume_identity("sample_pool", section, "g", "g", 1, 64) for section in sections)
    assert first == again != second


@pytest.mark.parametrize("interval", [[0.8, 0.3], [-0.1, 1.0], [0.0, 1.1]])
def test_an_interval_that_is_none_is_refused(interval):
    with pytest.raises(
        InputError, match=r"sampling\.guidance_interval = .*; expected two shares of the noise schedule"
    ):
        Sampler(ConstantModel(), settings(guidance_interval=interval), 5)
