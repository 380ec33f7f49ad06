"""A call of train_trials on small inputs, and what its predictions say."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from scripts.train_trials import main
from tests.helpers.downstream_films import settings_for


def train(
    folder: Path,
    inputs: tuple[Path, Path, Path],
    task: str,
    arm: str,
    options: Sequence[object] = (),
    pools: Sequence[Path] = (),
    multipliers: Sequence[int] = (1, 2),
    name: str = "t.parquet",
    fraction: float = 0.5,
    **changes: Any,
) -> bytes:
    """Train trial 0 of an arm with settings changed so; return the bytes of its predictions."""
    cohort, subsets, _ = inputs
    argv = ["--cohort", cohort, "--subsets", subsets, "--config", json.dumps(settings_for(task, **changes))]
    argv += [*(["--pool", *pools] if pools else []), "--dataset", "toy", "--arm", arm, "--fraction", fraction]
    argv += ["--trial", 0, "--seed", 1, "--multipliers", *multipliers]
    argv += ["--checkpoint-dir", folder / "checkpoints", "--out", folder / name, *options]
    main([str(word) for word in argv])
    return (folder / name).read_bytes()


def rows_of(made: bytes) -> list[dict[str, str]]:
    """Return what the predictions say of each multiplier, as text: arm, seed, multiplier, n_real, n_synthetic, note."""
    schema = pq.read_schema(io.BytesIO(made))
    told = json.loads(schema.metadata[b"synthorax"])
    return [
        {"arm": told["arm"], "seed": str(told["seed"]), "multiplier": multiplier}
        | {name: str(value) for name, value in cell.items()}
        for multiplier, cell in told["cells"].items()
    ]
