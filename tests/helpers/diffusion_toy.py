"""A toy training, light to import, that a test kills in a process of its own: `python -m tests.helpers.diffusion_toy FOLDER`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement
from scripts.lib.training.loop import Trainer
from scripts.lib.training.settings import Section

# Two spinning threads on a busy machine take many times longer than one.
torch.set_num_threads(1)

CPU = Placement(torch.device("cpu"), torch.float32)
TRAINING = {
    "steps": 6,
    "batch_size": 4,
    "gradient_accumulation": 1,
    "learning_rate": 1e-3,
    "warmup": 2,
    "matrices": "adamw",
    "schedule": "cosine",
    "beta2": 0.99,
    "weight_decay": 1e-2,
    "clip": 1.0,
    "ema": 0.9,
}


def toy(folder: Path, fingerprint: str = "f", pause: float = 0.0, **changes: object) -> torch.Tensor:
    """Train a small network on a fixed problem, `pause` seconds a step, and return its weights."""
    torch.manual_seed(0)
    network = torch.nn.Linear(4, 1)
    data = torch.arange(40.0).view(10, 4) / 40
    settings = Section({**TRAINING, "steps": 12, **changes}, "toy")

    def loss(rows, noise):
        time.sleep(pause)
        return (network(data[rows]) - 1 + 0.1 * torch.rand(1, generator=noise)).pow(2).mean()

    Trainer({"toy": network}, settings, 3, "toy", CPU).train(loss, 10, Checkpoints(folder, fingerprint, 0))
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


if __name__ == "__main__":
    toy(Path(sys.argv[1]), pause=0.15)
    print("finished")
