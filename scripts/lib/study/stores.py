"""Stores of images that no generator samples: where they come from, asked by the rules that write them (rules/pools.smk).

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from typing import Any, Protocol

from scripts.lib.core.errors import InputError
from scripts.lib.study.cells import Cell
from scripts.lib.study.sources import pool_tables
from scripts.lib.study.study import Study

# How a dataset's films are prepared; images made elsewhere are prepared alike.
PREPARED = ("fit", "percentiles", "cover", "max_pixels", "quarantine_limit", "noted_limit")


class AnyStore(Protocol):
    """What names an arm in a dataset, at all fractions: class Cell, or the wildcards of a job."""

    @property
    def dataset(self) -> str: ...

    @property
    def arm(self) -> str: ...


class Stores:
    """The stores of a study that are not sampled. Methods raise InputError, one line, for what it does not have."""

    def __init__(self, study: Study) -> None:
        self.study, self.config = study, study.config

    def largest_fraction(self, store: AnyStore) -> str:
        """Return the largest fraction at which an arm runs in a dataset: its store holds the films of all of them."""
        known = self.study.fractions
        fractions = [fraction for fraction in known if self.study.runs(Cell(store.dataset, store.arm, fraction))]
        return max(fractions or known, key=float)

    def path(self, store: AnyStore) -> str:
        """Return where somebody has put the images of an arm whose source is a pool from elsewhere."""
        arm = self.study.arm(store.arm)
        if not arm.path:
            raise InputError(
                f"arm {store.arm} has no path (source: {arm.source.name}), so there are no images to take in"
            )
        return arm.path

    def tables(self, store: AnyStore) -> list[str]:
        """Return the files whose change takes these images in anew."""
        return [str(path) for path in pool_tables(self.path(store), self.config["arms"][store.arm].get("reader"))]

    def settings(self, store: AnyStore) -> dict[str, Any]:
        """Return what taking them in needs to know of the dataset that they serve, and the arm's own keys."""
        section, given = self.config["datasets"][store.dataset], self.config["arms"][store.arm]
        shared = {key: section[key] for key in ("task", "target", "labels", *PREPARED) if key in section}
        return shared | {key: given[key] for key in ("reader", "allow_one_class") if key in given}
