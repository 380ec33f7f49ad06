"""A second kind of generator goes through the same loop, shards and command: exact denoisers of Gaussian latents by class."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from scripts import sample_pool
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.generators import kinds
from scripts.lib.generators.protocol import ImageRequest
from scripts.lib.generators.shards import make_batch
from scripts.lib.generators.solvers import noise_schedule
from scripts.lib.generators.solving import Sampler, initial_noise
from scripts.lib.training.settings import Section
from tests.helpers.diffusion_models import SAMPLING, write_base, write_cohort

SCHEDULE = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
ALPHAS = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 0)
SPREAD, MEANS = 0.3, {0: -0.4, 1: 0.4}
LABEL = "pneumothorax"


class GaussianModel:
    """Latents of a class are normal: MEANS[class] and SPREAD; `predict` is the exact expectation of their noise."""

    resolution, shape, scaling = 16, (2, 8, 8), 1.0
    fingerprint = lineage = "gaussian"
    schedule = noise_schedule(SCHEDULE)
    device = torch.device("cpu")

    def __init__(self, bad: bool = False) -> None:
        self.bad, self.sizes, self.warned = bad, set(), []

    def warn_about(self, prompts):
        self.warned.append(list(prompts))

    def condition(self, requests):
        if any(request.labels is None for request in requests):
            raise InputError("this generator makes images of classes alone")
        return {"mean": torch.tensor([MEANS[request.labels[LABEL]] for request in requests])}

    def null(self, requests, condition):
        return {"mean": torch.zeros_like(condition["mean"])}

    def predict(self, latents, step, condition):
        self.sizes.add(len(latents))
        share = ALPHAS[int(step)]
        offset = latents - share.sqrt() * condition["mean"].view(-1, 1, 1, 1)
        return (1 - share).sqrt() * offset / (share * SPREAD**2 + 1 - share)

    def decode(self, latents):
        images = latents.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return images / 0 if self.bad else images


def settings(**changes) -> Section:
    return Section({**SAMPLING, "guidance": 1.0, **changes}, "sampling")


def requests(count: int = 6) -> list[ImageRequest]:
    return [ImageRequest("c", number, None, None, {LABEL: number % 2}) for number in range(count)]


def test_the_loop_ends_where_the_mathematics_does():
    """The flow of a normal distribution is known: it keeps every value's number of standard deviations."""
    images = make_batch(Sampler(GaussianModel(), settings(steps=500), 5), requests())
    last = ALPHAS[-1]
    for request, image in zip(requests(), images):
        mean = MEANS[request.labels[LABEL]]
        noise = initial_noise(5, "gaussian", request, GaussianModel.shape)
        deviations = (noise - last.sqrt() * mean) / (last * SPREAD**2 + 1 - last).sqrt()
        exact = ((mean + SPREAD * deviations).mean(0) / 2 + 0.5).clamp(0, 1) * 255
        assert np.abs(image[::2, ::2] - exact.numpy()).max() < 3
        assert (image[::2, ::2] == image[1::2, 1::2]).all()


def test_guidance_leads_further_from_the_null_and_doubles_the_batch():
    plain, guided = GaussianModel(), GaussianModel()
    near = make_batch(Sampler(plain, settings(steps=20), 5), requests()).astype(float)
    far = make_batch(Sampler(guided, settings(steps=20, guidance=2.0), 5), requests()).astype(float)
    assert plain.sizes == {4} and guided.sizes == {8}  # of six, the last two are padded
    assert (far[1::2].mean((1, 2)) > near[1::2].mean((1, 2)) + 10).all()
    assert (far[::2].mean((1, 2)) < near[::2].mean((1, 2)) - 10).all()


def test_no_image_depends_on_its_neighbours_or_the_padding():
    together = make_batch(Sampler(GaussianModel(), settings(), 5), requests())
    for request, image in zip(requests(), together):
        assert (make_batch(Sampler(GaussianModel(), settings(), 5), [request])[0] == image).all()


def test_what_is_not_finite_is_named_whatever_the_kind():
    with pytest.raises(InputError, match=r"4 images are not finite, e\.g\. c-0"):
        make_batch(Sampler(GaussianModel(bad=True), settings(), 5), requests())


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A cohort, conditions that are classes, and the folder of a generator of a kind that is known by one entry."""
    folder = tmp_path / "generator"
    folder.mkdir()
    (folder / "synthorax.json").write_text(json.dumps({"kind": "gaussian"}))
    monkeypatch.setitem(kinds.OPENERS, "gaussian", lambda _: lambda structures, section: GaussianModel())
    write_cohort(tmp_path / "cohort")
    class_table(7).to_parquet(tmp_path / "conditions.parquet", index=False)
    return tmp_path


def class_table(count: int) -> pd.DataFrame:
    table = pd.DataFrame({"condition_id": [f"{number % 2:016x}" for number in range(count)], "position": range(count)})
    table = table.assign(trial=0, sample=range(count), kind="class", prompt=None, mask_source=None, transform=None)
    table[LABEL] = pd.array([number % 2 for number in range(count)], dtype="Int8")
    return table.astype({"prompt": "string", "mask_source": "string", "transform": "string"})


def sample(world: Path, name: str, shard: int = 0, shards: int = 1, generator: str = "generator") -> Cohort:
    call = ["--generator", str(world / generator), "--conditions", str(world / "conditions.parquet")]
    call += ["--cohort", str(world / "cohort"), "--config", json.dumps(dict(settings(steps=10))), "--seed", "5"]
    call += ["--checkpoint-dir", str(world / "parts"), "--out", str(world / name)]
    sample_pool.main([*call, "--shard", str(shard), "--shards", str(shards)])
    return Cohort.open(world / name)


def test_the_command_makes_a_pool_of_another_kind(world):
    whole = sample(world, "whole")
    images = whole.images(slice(None))
    assert images.shape == (7, 32, 32) and whole.index["kind"].eq("class").all()
    assert whole.index[LABEL].tolist() == [0, 1, 0, 1, 0, 1, 0] and whole.meta["generator"] == "gaussian"
    assert (images[1::2].mean((1, 2)) > images[:5:2].mean((1, 2)) + 50).all()
    parts = [sample(world, f"shard-{number}", number, 2) for number in range(2)]
    assert (np.concatenate([part.images(slice(None)) for part in parts]) == images).all()


def test_a_controlled_generator_refuses_classes(world):
    write_base(world / "base")
    assert kinds.kind_of(world / "base") == "controlled"
    with pytest.raises(InputError, match="these conditions are classes"):
        sample(world, "pool", generator="base")


def test_a_class_row_with_a_prompt_is_refused(world):
    table = class_table(3)
    table.loc[1, "prompt"] = "edema"
    table.to_parquet(world / "conditions.parquet", index=False)
    with pytest.raises(InputError, match="kind 'class', but its prompt and mask make it 'text'"):
        sample(world, "pool")


def test_an_unknown_kind_is_refused_by_name(world):
    (world / "generator" / "synthorax.json").write_text(json.dumps({"kind": "autoregressive"}))
    with pytest.raises(InputError, match=r"synthorax\.json: kind = 'autoregressive'; expected one of controlled, "):
        sample(world, "pool")


@pytest.mark.parametrize("step", ["foundation", "controlnet", "dpo", "proxy-tuned"])
def test_what_the_trainings_write_is_of_the_controlled_kind(step):
    assert kinds.OPENERS[step] is kinds.OPENERS["controlled"]
