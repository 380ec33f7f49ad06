"""What a plan is held against: processors and GPUs at work, shares of a GPU's peak, the disk, the base model's files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.planning.estimate import Plan
from scripts.lib.planning.rates import check_efficiency


def machine_size(
    cores: int | None, gpus: int | None, machine: Mapping[str, Any], config: Mapping[str, Any]
) -> tuple[int, int]:
    """Return cores and GPUs at work, the class's where none are given.

    Raises InputError for a number that the class does not have or the study cannot do with.
    """
    has_gpu, wanted = bool(machine.get("gpu")), config["compute"]["gpus"]
    cores = machine["cores"] if cores is None else cores
    gpus = int(has_gpu) if gpus is None else gpus
    if cores < 1:
        raise InputError(f"--cores {cores}: expected 1 or more")
    if gpus < 0:
        raise InputError(f"--gpus {gpus}: expected 0 or more")
    if gpus and not has_gpu:
        raise InputError(f"--gpus {gpus}: class {machine['name']} has no GPU; choose another with --machine")
    if has_gpu and wanted and not gpus:
        raise InputError(
            f"--gpus 0: jobs of {config['study']['name']} ask for a GPU (compute.gpus: {wanted}); give --gpus 1 or more, or "
            "plan on a class without GPU"
        )
    return cores, gpus


def assumed_shares(given: Sequence[float] | None, machine: Mapping[str, Any]) -> tuple[tuple[float, float] | None, str]:
    """Return the shares (low, high) of a GPU's peak for a range beside the floor, and who says so; None for no range."""
    if given is not None:
        return check_efficiency(list(given), "--efficiency"), "--efficiency"
    known = machine.get("efficiency")
    shares = None if known is None else check_efficiency(known, "machine.efficiency")
    return shares, machine.get("efficiency_source", "no source given")


def found_missing(plan: Plan, config: Mapping[str, Any], results: Path) -> list[str]:
    """Return warnings: of a disk that is too small, and of a base whose shape has to be assumed."""
    free, disk = free_bytes(results), sum(line.disk_gb for line in plan.lines)
    found = []
    if disk * 1e9 > free:
        found.append(f"disk: {disk:,.0f} GB needed, {free / 1e9:,.0f} GB free in {results}; use another disk")
    base = config["base"]["path"]
    if base and not (Path(base) / "unet").is_dir():
        found.append(f"base.path = {base} is not here: the shape of Stable Diffusion 1.x is assumed")
    return found


def free_bytes(path: Path) -> int:
    """Return the free space of the disk on which a folder lies or would lie."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free
