"""A list of the films that taught a model from elsewhere goes along when its weights are converted."""

from __future__ import annotations

from pathlib import Path

from scripts.lib.cohort.learned import read_learned, write_learned


def carry_learned(source: Path, folder: Path) -> None:
    """Write the list that lies beside weights from elsewhere into the folder that is made of them; nothing without one."""
    if (rows := read_learned(source)) is not None:
        write_learned(folder, [rows])
