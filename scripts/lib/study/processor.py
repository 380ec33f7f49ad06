"""The precision that suits a machine: `precision: auto` of a study becomes fp32 or bf16, once, and stays what it is.

Imported with the Snakefile, so it must stay light: torch is left to the command that measures.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError

AUTO, FP32, BF16 = "auto", "fp32", "bf16"
FILE = Path("results/processor.json")
WORTH = 1.5  # bf16 must be so many times as fast: its images have other low bits, so no noise of a clock may decide


def asks(config: Any) -> bool:
    """Whether any section of a configuration leaves its precision to the machine."""
    if not isinstance(config, Mapping):
        return False
    return config.get("precision") == AUTO or any(asks(value) for value in config.values())


def resolved(config: Any, precision: str) -> Any:
    """Return a configuration in which `precision: auto` is `precision` everywhere."""
    if not isinstance(config, Mapping):
        return config
    return {
        key: precision if key == "precision" and value == AUTO else resolved(value, precision)
        for key, value in config.items()
    }


def by_hand(precision: str, gpu: bool) -> str:
    """Return what the precision of a command means that somebody starts by hand: auto is bf16 on a GPU, fp32 elsewhere."""
    return precision if precision != AUTO else BF16 if gpu else FP32


def choice(speedup: float) -> str:
    """Return the precision for a processor on which bf16 is `speedup` times as fast as fp32."""
    return BF16 if speedup >= WORTH else FP32


def stored(path: Path = FILE) -> str | None:
    """Return the precision that a results folder was begun with, None before; raises InputError for a damaged file."""
    if not path.is_file():
        return None
    try:
        precision = json.loads(path.read_text())["precision"]
    except (ValueError, KeyError, TypeError):
        precision = None
    if precision not in (FP32, BF16):
        raise InputError(f"{path}: expected a key precision with fp32 or bf16; delete the file to measure again")
    return precision


def precision_here(gpus: int, dry: bool, path: Path = FILE) -> str:
    """Return what `auto` means: bf16 with GPUs, else what was measured when the folder was begun, measured now if it is new.

    The measurement takes some seconds; a dry run makes none and supposes fp32. Raises InputError when it fails.
    """
    if gpus:
        return BF16
    if (precision := stored(path)) or dry:
        return precision or FP32
    command = [sys.executable, "-m", "scripts.measure_processor", "--out", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise InputError(f"{' '.join(command)}: {last}; or write precision: fp32")
    return stored(path) or FP32
