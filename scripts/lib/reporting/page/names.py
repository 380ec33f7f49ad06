"""What the page calls things: titles of datasets, metrics, and what an arm adds to the real films."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.lib.plotting.figure2 import METRIC_NAMES
from scripts.lib.study.arms import REAL, arm_of

ADDED = {
    "generator": "synthetic images",
    "pool": "synthetic images",
    "duplicate": "repeated real films",
    "augmented": "augmented real films",
    "reconstructed": "reconstructed real films",
    "extra-real": "other real films",
}


class Names:
    """Names of one study, from its resolved configuration."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    def dataset(self, name: str) -> str:
        """Return a dataset's title."""
        return str(self._config["datasets"].get(name, {}).get("title", name))

    def metric(self, name: str) -> str:
        """Return a metric's name: dice_kaggle is "Dice (kaggle)"."""
        if name in METRIC_NAMES:
            return METRIC_NAMES[name]
        start, _, end = name.partition("_")
        return f"{METRIC_NAMES[start]} ({end.replace('_', ' ')})" if start in METRIC_NAMES else name.replace("_", " ")

    def added(self, arm: str) -> str:
        """Return what an arm adds, in the plural."""
        if arm == REAL or arm not in self._config["arms"]:
            return "synthetic images"
        own = arm_of(self._config, arm)
        if own.cohort:
            return f"films of {self.dataset(own.cohort)}"
        return ADDED.get(own.source.name, "added images")
