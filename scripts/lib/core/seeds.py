"""Seeds by name: every random stream is derived from the study seed and the names of what it serves."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def content_hash(*parts: object, digits: int = 16) -> str:
    """Return the first `digits` hex digits of SHA-256 over the parts' texts, unambiguous about their borders."""
    digest = hashlib.sha256()
    for part in parts:
        text = str(part).encode()
        digest.update(len(text).to_bytes(8, "big"))
        digest.update(text)
    return digest.hexdigest()[:digits]


def derive_seed(*parts: object) -> int:
    """Return a seed in [0, 2**63) that depends on every part, e.g. `derive_seed(study_seed, "trials", dataset, trial)`."""
    return int(content_hash(*parts), 16) >> 1


def rng(*parts: object) -> np.random.Generator:
    """Return numpy's default generator seeded by `derive_seed(*parts)`."""
    import numpy as np

    return np.random.default_rng(derive_seed(*parts))


def trial_seed(study_seed: int, dataset: str, trial: int) -> int:
    """Return the seed of a trial: the same in every arm, fraction and multiplier, another in every trial."""
    return derive_seed(study_seed, "trials", dataset, trial) % 2**31
