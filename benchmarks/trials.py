"""Time one training of each task with the settings of config.yaml, and what a process spends before it trains.

Prints, for each task, images a second (CPU seconds of one thread, or wall seconds on a GPU), seconds a training,
seconds of start (imports, first step), and the share of the start in a process that trains the real arm alone and in
one that trains four multipliers.

    python -m benchmarks.trials
    python -m benchmarks.trials --config config.yaml studies/paper.yaml --tasks segmentation --resolution 512 --steps 20
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from scripts.lib.downstream.settings import steps_of
from scripts.lib.engine.commands import set_threads
from scripts.lib.study import config as study_config

ROOT = Path(__file__).resolve().parents[1]
TARGETS = {"classification": "pneumonia", "multilabel": ["edema", "pneumonia"], "segmentation": "lungs"}


def settings_of(paths: list[str], task: str) -> dict[str, Any]:
    """Return the trials settings of a task, as the workflow hands them to train_trials."""
    config = study_config.load_study(ROOT / path for path in paths)
    dataset = {"task": task, "target": TARGETS[task]}
    return study_config.stage({**config, "datasets": {"x": dataset}}, "trials", "x")


def write_films(folder: Path, resolution: int, count: int) -> None:
    from scripts.lib.cohort.writer import CohortWriter

    stream = np.random.default_rng(0)
    with CohortWriter(folder, resolution, ["lungs"], TARGETS["multilabel"], {}) as writer:
        for number in range(count):
            image = stream.integers(0, 256, (resolution, resolution), dtype=np.uint8)
            row = {"image_id": str(number), "patient_id": str(number), "split": "train", "edema": number % 2}
            writer.add(image, image // 128, {**row, "pneumonia": number // 2 % 2})


def measure(task: str, settings: dict[str, Any], cohort_folder: str, steps: int) -> dict[str, float]:
    """Train for `steps` steps in this process; return seconds until the first step was done, and of each one after."""
    started = time.process_time()
    from scripts.lib.engine.lean_imports import without_compiler

    with without_compiler():
        import torch

        from scripts.lib.cohort.store import Cohort
        from scripts.lib.downstream.data import films_of
        from scripts.lib.downstream.models import build_model
        from scripts.lib.downstream.predict import place_trial
        from scripts.lib.downstream.training import Material, Training

        cohort = Cohort.open(cohort_folder)
        films = films_of(cohort, np.arange(len(cohort)), task, settings["target"])
        model = build_model(settings, 2 if task == "multilabel" else 1, cohort.resolution, 0)
        placement = place_trial(settings)
        model.to(placement.device).to(memory_format=torch.channels_last)
        run = Training(model, Material(films, None, films), settings, placement, seed=0)
        run.model.train()
        clock = time.perf_counter if placement.on_gpu else time.process_time
        times = []
        for step in range(steps + 1):
            run._step(*run.material.read(run.mixture, step))
            if placement.on_gpu:
                torch.cuda.synchronize()
            times.append(clock())
    return {"start": time.process_time() - started - (times[-1] - times[0]), "step": (times[-1] - times[0]) / steps}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", nargs="+", default=["config.yaml"], help="configuration files, merged in order")
    parser.add_argument("--tasks", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    set_threads(options.threads)
    if options.inside:
        settings = settings_of(options.config, options.tasks[0])
        print(json.dumps(measure(options.tasks[0], settings, options.inside, options.steps)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_films(Path(folder), options.resolution, 64)
        for task in options.tasks:
            command = [sys.executable, "-m", "benchmarks.trials", "--inside", folder, "--tasks", task]
            command += ["--steps", str(options.steps), "--threads", str(options.threads), "--config", *options.config]
            seconds = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
            settings = settings_of(options.config, task)
            steps = steps_of(settings["budget"], 1.0)
            training = seconds["step"] * steps
            shares = [seconds["start"] / (seconds["start"] + count * training) for count in (1, 4)]
            print(
                f"{task}: {settings['batch_size'] / seconds['step']:.0f} images/s, {training:.1f} s a training of "
                f"{steps} steps, {seconds['start']:.1f} s to start: {shares[0]:.0%} of a job with one "
                f"training, {shares[1]:.0%} of one with four",
                flush=True,
            )


if __name__ == "__main__":
    main()
