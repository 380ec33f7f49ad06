"""Tiny models of masks and images, made by the real commands, and the page that draws with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from scripts import train_controlnet, train_mask_model
from tests.generators.test_mask_generator import SETTINGS, films, moved
from tests.helpers.diffusion_models import CONTROL, write_base


def write_models(root: Path) -> Path:
    """Return the folder of results with a mask generator and a ControlNet of 32 pixels, both hardly trained."""
    base = write_base(root / "base")
    films(root / "cohort", moved(48), [15] * 48)
    own = root / "results" / "generators"
    own.mkdir(parents=True)
    for command, name, settings in (
        (train_mask_model, "masks", SETTINGS),
        (train_controlnet, "controlnet-findings", CONTROL),
    ):
        options: dict[str, object] = {
            "--base": base,
            "--cohort": root / "cohort",
            "--checkpoint-dir": root / "check" / name,
        }
        options |= {"--out": own / name, "--config": json.dumps(settings), "--seed": 1}
        command.main([str(word) for option in options.items() for word in option])
    return root / "results"


@dataclass(frozen=True)
class DrawnStudy:
    """The results of such models, as Server serves them."""

    folder: Path

    def arguments(self, port: int) -> list[str]:
        return ["--results", str(self.folder), "--port", str(port)]

    def tokens(self) -> dict[str, str]:
        return json.loads((self.folder / "drawn" / "tokens.json").read_text())
