"""Pools of masks that images are made from: where they lie, asked by rules/masks.smk and rules/sampling.smk.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import MASKS
from scripts.lib.study.cells import AnyCell
from scripts.lib.study.config import stage
from scripts.lib.study.pools import COHORT_FILES
from scripts.lib.study.study import Study


class MaskPools:
    """The pools of masks of a study. Methods raise InputError, one line, for what it does not have."""

    def __init__(self, study: Study) -> None:
        self.study = study

    @property
    def arms(self) -> list[str]:
        """The arms whose images are made from a pool of masks."""
        return [name for name in self.study.config["arms"] if self.study.arm(name).masks]

    def kind(self, cell: AnyCell) -> str:
        """Return which masks an arm's images are made from; raises InputError for an arm without a pool of masks."""
        kind = self.study.arm(cell.arm).masks
        if not kind:
            raise InputError(
                f"arm {cell.arm} has no masks of its own; set arms.{cell.arm}.masks to one of {', '.join(MASKS)}"
            )
        return kind

    def folder(self, cell: AnyCell) -> str:
        """Return the folder of a cell's pool of masks."""
        return (
            f"results/{self.study.store(cell.dataset)}/masks/{self.study.pool_arm(cell.arm)}/fraction-{cell.fraction}"
        )

    def shards(self, cell: AnyCell) -> list[str]:
        """Return the folders of its shards in order."""
        return [f"{self.folder(cell)}/shard-{shard}" for shard in range(self.study.shard_count(cell))]

    def files(self, cell: AnyCell) -> list[str]:
        """Return the files of those shards."""
        return [f"{shard}/{name}" for shard in self.shards(cell) for name in COHORT_FILES]

    def subsets(self, job: Any) -> dict[str, Any]:
        """Return what the trials of `job.dataset` set aside, from whose films no mask may be asked for."""
        trials = stage(self.study.config, "trials", job.dataset)
        return {key: trials[key] for key in ("validation_share", "validation_patients")}

    def tables(self) -> list[str]:
        """Return the tables that hold the study's pools of masks against real masks."""
        arms = [name for name in self.study.arms if name in self.arms]
        cells = self.study.cells(self.study.datasets, arms, self.study.fractions)
        return list(dict.fromkeys(f"{self.folder(cell)}/masks.csv" for cell in cells))

    def sources(self, cell: AnyCell) -> list[str]:
        """Return the folders that the masks of a cell's conditions lie in: of its pool of masks, or of its cohort."""
        return self.shards(cell) if self.study.arm(cell.arm).masks else [self.study.cohort(cell)]

    def source_files(self, cell: AnyCell) -> list[str]:
        """Return the files of those folders that sampling reads."""
        return [f"{folder}/{name}" for folder in self.sources(cell) for name in COHORT_FILES if name != "images.npy"]
