"""The options that the commands of all trainings share."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from scripts.lib.core.errors import InputError


def add_foundation(parser: argparse.ArgumentParser) -> None:
    """Add `--cohorts` and `--resolution`: what a model of the foundation learns from."""
    parser.add_argument("--cohorts", type=Path, nargs="+", required=True, help="prepared cohorts")
    parser.add_argument(
        "--templates", type=json.loads, default={}, help="words of labels in place of reports: {dataset: {label: word}}"
    )
    parser.add_argument("--resolution", type=int, required=True, help="side of the stored images in pixels")


def add_training(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--seed`, `--checkpoint-dir` and `--out`, the folder of `what` is trained."""
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--checkpoint-dir", type=Path, required=True, help="folder of the checkpoints")
    parser.add_argument("--out", type=Path, required=True, help=f"folder of {what}")


def refuse_same(generator: Path, out: Path) -> None:
    """Raise InputError when the tuned generator would take the place of the one that it starts from."""
    if generator.resolve() == out.resolve():
        raise InputError(f"--out {out} is the generator to start from, which stays as it is; give another folder")
