"""Samples a second of the trainings: ControlNet with cached latents, ResNet and UNet++ from the memory-mapped store."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.gpu_clock import Limits, operations_of, synchronize
from benchmarks.gpu_ledger import Ledger, good
from benchmarks.gpu_model import Shape, write_films
from scripts.lib.cohort.store import Cohort
from scripts.lib.downstream.data import films_of
from scripts.lib.downstream.models import build_model
from scripts.lib.downstream.predict import place_trial, to_images
from scripts.lib.downstream.training import Material, Training, read_batches
from scripts.lib.generators.controlled.control_training import train_control
from scripts.lib.generators.controlled.generator import open_generator
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import place
from scripts.lib.training.loop import Trainer
from scripts.lib.training.settings import Section

AUGMENT = {"shift": 0.06, "scale": 0.1, "rotation": 10.0, "brightness": 0.1, "contrast": 0.1, "gamma": 0.0}
WARM = 2  # steps, at least; of a training its first quarter


class Enough(Exception):
    """So many steps as were asked for are done."""


def control_settings(shape: Shape, device: str, precision: str, batch: int) -> Section:
    """Return the section `controlnet` of a run."""
    values = {"device": device, "precision": precision, "checkpoint_seconds": 1e9, "batch_size": batch}
    values |= {"hint_channels": shape.hint_channels, "palette": "colour", "absent_mask": "zero_residual"}
    values |= {"mask_dropout": 0.0, "structure_dropout": 0.0, "steps": 10**6, "gradient_accumulation": 1}
    values |= {
        "learning_rate": 1e-5,
        "matrices": "adamw",
        "warmup": 10,
        "schedule": "constant",
        "beta2": 0.999,
        "weight_decay": 0.01,
    }
    return Section({**values, "clip": 1.0, "ema": 0.0}, "controlnet")


def measure_control(folder: Path, films: Cohort, shape: Shape, settings: Section) -> dict[str, Any]:
    """Time steps of the true training: latents of the films are made first, then `control_steps` steps are counted."""
    clock: list[float] = []

    def count(trainer: Trainer) -> None:
        clock.append(time.perf_counter())  # the loss has been read back, so the step is over
        if len(clock) > shape.control_steps:
            raise Enough

    placement = place(settings)
    if placement.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(placement.device)
    try:
        with patch.object(Trainer, "_after_step", count), tempfile.TemporaryDirectory() as scratch:
            checkpoints = Checkpoints(Path(scratch), "benchmark", settings["checkpoint_seconds"])
            rows = np.arange(len(films))
            train_control(open_generator(folder), films, rows, settings, 1, placement, checkpoints)
    except Enough:
        pass
    steps = np.diff(clock)[max(WARM, shape.control_steps // 4) :]
    peak = torch.cuda.max_memory_allocated(placement.device) if placement.device.type == "cuda" else 0
    batch = settings["batch_size"]
    return {"batch": batch, "rate": batch / statistics.median(steps.tolist()), "peak_gb": peak / 2**30}


def trial_settings(kind: dict[str, Any], device: str, precision: str, batch: int, steps: int) -> dict[str, Any]:
    """Return the settings of a downstream training, as the workflow hands them over."""
    masks = "decoder_channels" in kind
    model = {"encoder": kind["encoder"], "channels": [], "decoder_channels": kind.get("decoder_channels", [])}
    values: dict[str, Any] = {"task": "segmentation" if masks else "classification", "device": device}
    values |= {"target": "pneumothorax" if masks else "pneumonia", "precision": precision, "checkpoint_seconds": 1e9}
    values |= {"image_size": None, "grey": {"mean": 0.449, "std": 0.226}, "batch_size": batch}
    values |= {
        "budget": {"kind": "steps", "steps": steps, "epochs": 1, "patience": 1},
        "validation_share": 0.0,
        "validation_patients": 1,
    }
    values |= {"mixing": {"kind": "concat", "real_share": 0.5}, "schedule": "constant", "warmup": 0}
    values |= {"augment": {**AUGMENT, "noise": 0.0, "hflip": 0.0}, "loss": {"bce": 1.0, "dice": 1.0}}
    values |= {"optimizer": {"name": "adamw", "learning_rate": 1e-4, "weight_decay": 1e-5}}
    return {**values, "model": {**model, "weights": None, "frozen": False, "fold": 1}, "empty_policy": "exclude"}


def measure_trial(
    films: Cohort, kind: dict[str, Any], device_name: str, precision: str, batch: int, steps: int, limits: Limits
) -> dict[str, Any]:
    """Time the true steps of a downstream training in three equal stretches, reading ahead from the memory map."""
    warm = max(WARM, steps // 4)
    settings = trial_settings(kind, device_name, precision, batch, warm + 3 * steps)
    placement = place_trial(settings)
    listed = films_of(films, np.arange(len(films)), settings["task"], settings["target"])
    model = build_model(settings, 1, films.resolution, 0).to(placement.device).to(memory_format=torch.channels_last)
    training = Training(model, Material(listed, None, listed), settings, placement, seed=0)
    model.train()
    if placement.on_gpu:
        torch.cuda.reset_peak_memory_stats(placement.device)
    ends = []
    batches = read_batches(training.material, training.mixture, range(warm + 3 * steps), placement.on_gpu)
    for number, (images, targets) in enumerate(batches, start=1):
        training._step(images, targets)
        if number >= warm and (number - warm) % steps == 0:
            synchronize(placement.device)
            ends.append(time.perf_counter())
    peak = torch.cuda.max_memory_allocated(placement.device) if placement.on_gpu else 0
    seconds = (np.diff(ends) / steps).tolist()

    def step() -> None:
        with placement.autocast():
            model(to_images(listed.images(np.arange(batch)), placement)).float().mean().backward()

    operations = operations_of(step)
    middle = statistics.median(seconds)
    return {
        "model": f"{kind['encoder']} {settings['task']} at {films.resolution}",
        "batch": batch,
        "side": films.resolution,
        "settings": settings,
        "rate": batch / middle,
        "best": batch / min(seconds),
        "share_of_peak": operations / middle / limits.operations,
        "floor_rate": batch / limits.floor(operations, 3 * sum(one.nbytes for one in model.parameters())),
        "peak_gb": peak / 2**30,
    }


def measure_controls(
    ledger: Ledger, generator: Path, work: Path, shape: Shape, device: str, precision: str
) -> list[dict[str, Any]]:
    """Measure the ControlNet's training at each of its batches; what failed has `failed` instead of a rate."""
    measured = []
    for batch in shape.control:

        def work_of(batch: int = batch) -> dict[str, Any]:
            count = max(shape.control)
            films = Cohort.open(write_films(work / f"films-{shape.resolution}-{count}", shape.resolution, count))
            return measure_control(generator, films, shape, control_settings(shape, device, precision, batch))

        if one := ledger.measure(f"controlnet {batch}", work_of):
            measured.append(one if good(one) else {"batch": batch, **one})
    return measured


def measure_trials(
    ledger: Ledger, work: Path, shape: Shape, device: str, precision: str, limits: Limits
) -> list[dict[str, Any]]:
    """Measure the classifier and the segmentation model at each of their batches."""
    measured = []
    for name, kind in (("classifier", shape.classifier), ("segmenter", shape.segmenter)):
        for batch in kind["batches"]:

            def work_of(kind: dict[str, Any] = kind, batch: int = batch) -> dict[str, Any]:
                side, count = kind["side"], 2 * max(kind["batches"])
                films = Cohort.open(write_films(work / f"films-{side}-{count}", side, count))
                return measure_trial(films, kind, device, precision, batch, shape.trial_steps, limits)

            if one := ledger.measure(f"trials {name} {batch}", work_of):
                measured.append(one if good(one) else {"model": kind["encoder"], "batch": batch, **one})
    return measured
