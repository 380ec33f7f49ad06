"""Trainings that a test runs in several processes: `accelerate launch ... -m tests.helpers.multiprocess_runs RUNS.json`.

RUNS.json names a folder and lists of commands [module, arguments], the last ones slowed. Each process runs them one after the
other (importing torch costs more than all of them), trains a toy, and writes the losses of every step to FOLDER/losses-RANK.json.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch

from scripts.lib.core.errors import InputError
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import place
from scripts.lib.training.loop import Trainer
from scripts.lib.training.settings import Section
from tests.helpers.diffusion_toy import TRAINING

Losses = dict[str, dict[str, float]]
ON_CPU = {"device": "cpu", "precision": "fp32"}


def slowed(step_of: Any, pause: float) -> Any:
    """Return a Trainer._step that takes `pause` seconds longer, so that a signal comes before the last one."""

    def step(self: Trainer, *rest: Any) -> float:
        time.sleep(pause)
        return step_of(self, *rest)

    return step


def recorded(losses: Losses) -> Any:
    """Return a Trainer._step that also notes its losses, by stage and step.

    Under `STAGE gradient` it notes the length of each step's gradient as the optimizer gets it.
    """
    step_of = Trainer._step

    def step(self: Trainer, number: int, *rest: Any) -> float:
        losses.setdefault(self.stage, {})[str(number)] = step_of(self, number, *rest)
        lengths = [part.grad.norm() for part in self.parameters.values() if part.grad is not None]
        losses.setdefault(f"{self.stage} gradient", {})[str(number)] = torch.stack(lengths).norm().item()
        return losses[self.stage][str(number)]

    return step


def toy_trainer(stage: str, **changes: object) -> tuple[Trainer, torch.nn.Linear]:
    torch.manual_seed(0)
    network = torch.nn.Linear(4, 1)
    settings = Section({**TRAINING, "gradient_accumulation": 3, **changes}, "toy")
    return Trainer({"toy": network}, settings, 3, stage, place(Section(ON_CPU, "toy"), shared=True)), network


def train_toy(folder: Path) -> None:
    """Train on rows that are all different, three micro-batches of two a step: two processes cannot divide them evenly."""
    trainer, network = toy_trainer("happy", batch_size=2, steps=4, clip=0)
    data = torch.arange(40.0).view(10, 4) / 40

    def loss(rows: Any, noise: torch.Generator) -> torch.Tensor:
        return (network(data[rows]) - torch.rand(1, generator=noise)).pow(2).mean()

    trainer.train(loss, 10, Checkpoints(folder, "f", 0))


def unhappy(folder: Path) -> list[Any]:
    """Return what a process makes of a loss that is not finite in one of them, and of a signal to one of them."""
    rank = int(os.environ["RANK"])
    trainer, network = toy_trainer("broken")
    told: list[Any] = []
    try:
        trainer.train(lambda *_: network.weight.sum() * (float("nan") if rank else 1.0), 8, Checkpoints(folder, "f", 0))
    except InputError as error:
        told.append(str(error))
    trainer, network = toy_trainer("stopped")

    def loss(rows: Any, noise: torch.Generator) -> torch.Tensor:
        if rank and trainer.done == 2:
            os.kill(os.getpid(), signal.SIGUSR1)
        return (network.weight.sum() - torch.rand(1, generator=noise)).pow(2).mean()

    try:
        trainer.train(loss, 8, Checkpoints(folder, "f", 99))
    except SystemExit as end:
        told += [end.code, trainer.done]
    return told


def main(runs: Path) -> None:
    wanted = json.loads(runs.read_text())
    folder, losses, plain = Path(wanted["folder"]), Losses(), Trainer._step
    Trainer._step = recorded(losses)  # type: ignore[method-assign]
    for module, arguments in wanted["commands"]:
        importlib.import_module(module).main(arguments)
    train_toy(folder / "toy")
    told = unhappy(folder / "unhappy")
    (folder / f"losses-{os.environ['RANK']}.json").write_text(json.dumps({"losses": losses, "told": told}))
    Trainer._step = slowed(plain, wanted["pause"])  # type: ignore[method-assign]
    for module, arguments in wanted["last"]:
        importlib.import_module(module).main(arguments)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
