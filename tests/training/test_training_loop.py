"""The loss by hand, the index-based batches, and trainings that are killed and resumed."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler

from scripts.lib.core.errors import InputError
from scripts.lib.generators.controlled.autoencoder import (
    autoencoder_loss,
    build_autoencoder,
    encode_images,
    latent_scaling,
    sample_latents,
    to_model,
)
from scripts.lib.generators.controlled.denoising import add_noise, denoising_loss, draw_timesteps, snr_weights, target
from scripts.lib.generators.solving import to_pixels
from scripts.lib.training.batches import batch_rows
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import place
from scripts.lib.training.loop import Trainer
from scripts.lib.training.settings import Section
from tests.helpers.diffusion_models import BASE, PLACE
from tests.helpers.diffusion_toy import CPU, TRAINING, toy
from tests.helpers.job_server import fork_of

ROOT = Path(__file__).resolve().parents[2]


def test_noised_latents_and_targets_by_hand():
    latents, noise, kept = torch.full((1, 1, 1, 1), 2.0), torch.full((1, 1, 1, 1), 5.0), torch.tensor([0.64])
    # sqrt(0.64) = 0.8, sqrt(0.36) = 0.6: z_t = 0.8 * 2 + 0.6 * 5 = 4.6; v = 0.8 * 5 - 0.6 * 2 = 2.8
    assert add_noise(latents, noise, kept).item() == pytest.approx(4.6)
    assert target(latents, noise, kept, "v_prediction").item() == pytest.approx(2.8)
    assert target(latents, noise, kept, "epsilon") is noise
    with pytest.raises(InputError, match="sample"):
        target(latents, noise, kept, "sample")


def test_min_snr_weights_by_hand():
    kept = torch.tensor([0.9, 0.5])  # SNR = 0.9 / 0.1 = 9 and 1; min(SNR, 5) / SNR = 5 / 9 and 1; v: 5 / 10 and 1 / 2
    assert snr_weights(kept, "epsilon", 5.0).tolist() == pytest.approx([5 / 9, 1.0])
    assert snr_weights(kept, "v_prediction", 5.0).tolist() == pytest.approx([0.5, 0.5])
    assert snr_weights(kept, "epsilon", None).tolist() == [1.0, 1.0]


def test_loss_is_the_mean_squared_error_of_the_noise():
    scheduler = DPMSolverMultistepScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    latents = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    stream = torch.Generator().manual_seed(5)
    steps = draw_timesteps(4, 1000, stream)
    noise = torch.randn(latents.shape, generator=stream)
    seen = {}

    def predict(noisy, asked):
        seen.update(noisy=noisy, steps=asked)
        return noisy * 0.5

    loss = denoising_loss(predict, latents, torch.Generator().manual_seed(5), scheduler)
    kept = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)[steps]
    noisy = (
        np.sqrt(kept)[:, None, None, None] * latents.numpy() + np.sqrt(1 - kept)[:, None, None, None] * noise.numpy()
    )
    assert torch.equal(seen["steps"], steps)
    assert np.allclose(seen["noisy"], noisy, atol=1e-5)
    assert loss.item() == pytest.approx(((0.5 * noisy - noise.numpy()) ** 2).mean(), rel=1e-5)
    perfect = denoising_loss(lambda *_: noise, latents, torch.Generator().manual_seed(5), scheduler)
    assert perfect.item() == 0.0


def test_timesteps_cover_their_range():
    steps = draw_timesteps(10, 1000, torch.Generator().manual_seed(1))
    assert (torch.div(steps, 100, rounding_mode="floor") == torch.arange(10)).all()
    assert draw_timesteps(1, 7, torch.Generator().manual_seed(1)).item() in range(7)


def test_every_row_is_used_once_an_epoch():
    rows = np.concatenate([batch_rows(3, "x", number, 4, 10) for number in range(5)])
    assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10))
    assert (batch_rows(3, "x", 2, 4, 10) == rows[8:12]).all()
    assert (batch_rows(4, "x", 2, 4, 10) != rows[8:12]).any()
    assert len(batch_rows(3, "x", 0, 25, 10)) == 25


def test_latent_scaling_is_one_over_their_deviation():
    stream = torch.Generator().manual_seed(0)
    moments = torch.cat([torch.randn(500, 2, 4, 4, generator=stream) * 3, torch.full((500, 2, 4, 4), 2.0).log()], 1)
    # Variance of the means 9, of the noise 2: scale 1 / sqrt(11).
    assert latent_scaling(moments) == pytest.approx(11**-0.5, rel=0.02)
    drawn = sample_latents(moments, stream, latent_scaling(moments))
    assert drawn.std().item() == pytest.approx(1.0, rel=0.02)


def test_pixels_survive_the_way_to_the_model_and_back():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    assert (to_pixels(to_model(images)) == images).all()
    assert (to_pixels(to_model(images, 3)) == images).all()
    assert to_pixels(torch.tensor([[[[-9.0, 9.0]]]])).tolist() == [[[0, 255]]]


def test_autoencoder_loss_adds_its_parts():
    settings = Section({**BASE["vae"], "edge_weight": 0.0, "kl_weight": 0.0}, "vae")
    torch.manual_seed(0)
    model = build_autoencoder(settings, 32)
    images = to_model(np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8))
    parts = {}
    for name, change in {"l1": {}, "kl": {"kl_weight": 2.0}, "edge": {"edge_weight": 3.0}}.items():
        noise = torch.Generator().manual_seed(1)
        parts[name] = autoencoder_loss(model, images, noise, Section({**settings, **change}, "vae")).item()
    posterior = model.encode(images).latent_dist
    drawn = posterior.mean + posterior.std * torch.randn(
        posterior.mean.shape, generator=torch.Generator().manual_seed(1)
    )
    decoded = model.decode(drawn).sample
    slopes = sum((decoded - images).diff(dim=axis).abs().mean().item() for axis in (-1, -2))
    assert parts["l1"] == pytest.approx((decoded - images).abs().mean().item(), rel=1e-5)
    assert parts["kl"] - parts["l1"] == pytest.approx(2 * posterior.kl().mean().item(), rel=1e-3)
    assert parts["edge"] - parts["l1"] == pytest.approx(3 * slopes, rel=1e-3)
    assert encode_images(model, np.zeros((5, 32, 32), np.uint8), batch=2).shape == (5, 6, 16, 16)
    with pytest.raises(InputError, match="2 levels need a resolution"):
        build_autoencoder(settings, 33)


def test_missing_and_wrong_settings_are_named():
    section = Section({"unet": {"steps": 1}, "schedule": "line"}, "base")
    with pytest.raises(InputError, match=r"base\.unet\.clip is missing"):
        section["unet"]["clip"]
    with pytest.raises(InputError, match="'line'; expected one of cosine, constant"):
        section.one_of("schedule", "cosine", "constant")
    with pytest.raises(InputError, match="no usable GPU|expected auto"):
        place(Section({**PLACE, "device": "cuda:99" if not torch.cuda.is_available() else "tpu"}, "base"))


def test_training_learns_and_repeats(tmp_path):
    first, second = toy(tmp_path / "a"), toy(tmp_path / "b")
    assert torch.equal(first, second)
    assert not torch.equal(first, toy(tmp_path / "c", ema=0.0))


def test_accumulation_is_the_mean_of_its_passes(tmp_path):
    torch.manual_seed(0)
    network = torch.nn.Linear(1, 1, bias=False)
    settings = Section({**TRAINING, "steps": 1, "batch_size": 2, "gradient_accumulation": 3}, "toy")
    seen = []

    def loss(rows, noise):
        seen.append(rows)
        return network.weight.sum() * len(seen)

    trainer = Trainer({"n": network}, settings, 3, "toy", CPU)
    gradients = []
    trainer.optimizer.register_step_pre_hook(lambda *_: gradients.append(network.weight.grad.item()))
    trainer.settings = Section({**settings, "clip": 0}, "toy")
    trainer.train(loss, 6, Checkpoints(tmp_path, "f", 99))
    assert gradients == [pytest.approx((1 + 2 + 3) / 3)]
    assert sorted(np.concatenate(seen)) == list(range(6))


def test_a_finished_stage_is_not_trained_again(tmp_path):
    first = toy(tmp_path)
    before = (tmp_path / "toy.safetensors").stat().st_mtime_ns
    assert torch.equal(first, toy(tmp_path))
    assert (tmp_path / "toy.safetensors").stat().st_mtime_ns == before


def test_other_fingerprints_and_broken_checkpoints_start_afresh(tmp_path, capsys):
    first = toy(tmp_path)
    assert torch.equal(first, toy(tmp_path, fingerprint="g"))
    assert "starting afresh" in capsys.readouterr().err
    (tmp_path / "toy.safetensors").write_bytes(b"\x80\x04 torn")
    assert torch.equal(first, toy(tmp_path, fingerprint="g"))
    assert "not readable" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_is_one_clear_line(tmp_path):
    with pytest.raises(InputError, match=r"loss is (nan|inf) at step \d+; lower toy\.learning_rate"):
        toy(tmp_path, learning_rate=1e30, clip=0, schedule="constant")


def test_a_training_that_is_asked_to_end_stops_by_itself_and_ends_with_the_same_bytes(tmp_path, forked_jobs):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [fork_of(forked_jobs), "-m", "tests.helpers.diffusion_toy", str(tmp_path / "killed")]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    checkpoint = tmp_path / "killed" / "toy.safetensors"
    deadline = time.monotonic() + 300
    while not checkpoint.is_file() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.terminate()
    out, _ = process.communicate(timeout=300)
    assert b"finished" not in out
    assert process.returncode == 143
    assert checkpoint.is_file()
    assert torch.equal(toy(tmp_path / "killed"), toy(tmp_path / "whole"))
