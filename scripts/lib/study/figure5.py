"""What Figure 5 and Table 2 show of a study whose images are made from masks of words: arms, cells and files.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import EXPERTS, REAL
from scripts.lib.study.cells import Cell
from scripts.lib.study.mask_pools import MaskPools
from scripts.lib.study.study import Study

GENERATED, SHUFFLED, VOTED = "generated", "shuffled", "voted"


class Figure5:
    """The files behind the figure. Methods raise InputError, one line, for a study without generated masks."""

    def __init__(self, study: Study) -> None:
        self.study, self.config, self.masks = study, study.config, MaskPools(study)

    def arm(self, kind: str) -> str:
        """Return the study's first arm of generated masks, of shuffled masks, or whose images experts vote on; "" where none."""
        return next((name for name in self.study.arms if self._is(name, kind)), "")

    def _is(self, name: str, kind: str) -> bool:
        arm = self.study.arm(name)
        voted = arm.filter is not None and arm.filter.name == EXPERTS
        if kind == VOTED:
            return voted and bool(arm.masks)
        return arm.masks == kind and arm.filter is None

    def cell(self, kind: str = GENERATED) -> Cell | None:
        """Return the cell of such an arm that is shown: the first dataset in which it runs, at its smallest fraction."""
        if not (arm := self.arm(kind)):
            return None
        cells = self.study.cells(self.study.datasets, [arm], sorted(self.study.fractions, key=float))
        return next((Cell(self.study.store(one.dataset), arm, one.fraction) for one in cells), None)

    def shown(self) -> Cell:
        """Return the cell of generated masks; raises InputError where the study has none."""
        if cell := self.cell():
            return cell
        raise InputError(
            "figure 5: no arm of study.arms has masks: generated and no filter; it is about a study such as "
            "studies/aurad-phantom.yaml"
        )

    def names(self) -> dict[str, str]:
        """Return what the arms of the study, and real films alone, are called in print."""
        return {REAL: "real films only", **{name: self._said(name) for name in self.study.arms}}

    def _said(self, name: str) -> str:
        arm = self.study.arm(name)
        if arm.generator is None or not arm.generator.needs_masks:
            return name
        said = {GENERATED: "generated masks", SHUFFLED: "masks at random"}.get(arm.masks, "real masks, moved")
        return f"{said}, kept by {arm.filter.name}" if arm.filter else said

    # Examples

    def cohort(self) -> str:
        """Return the folder of the real films."""
        return self.study.cohort(self.shown())

    def cohort_files(self) -> list[str]:
        """Return its files, boxes with them."""
        return [f"{self.cohort()}/{name}" for name in ("images.npy", "masks.npy", "index.parquet", "boxes.parquet")]

    def mask_shards(self) -> list[str]:
        """Return the shards of the pool of generated masks."""
        return self.masks.shards(self.shown())

    def pool_shards(self) -> list[str]:
        """Return the shards of the images made from them."""
        return self.study.shards(self.shown())

    def pool_files(self) -> list[str]:
        """Return the files of both."""
        return [*self.masks.files(self.shown()), *self.study.shard_files(self.shown())]

    def conditions(self) -> str:
        """Return the table that says which image is made from which mask."""
        return self.study.conditions(self.shown())

    # Measures

    def mask_tables(self) -> list[str]:
        """Return ARM=FILE of the measures of masks: generated first, then the control."""
        cells = (self.cell(GENERATED), self.cell(SHUFFLED))
        return [f"{cell.arm}={self.masks.folder(cell)}/masks.csv" for cell in cells if cell]

    def mask_files(self) -> list[str]:
        """Return those files."""
        return [table.partition("=")[2] for table in self.mask_tables()]

    def acceptance(self) -> list[str]:
        """Return the table of what experts accept, none where the study has no such arm."""
        cell = self.cell(VOTED)
        return [f"{self.study.pool(cell)}/acceptance.csv"] if cell else []

    def shares(self) -> list[str]:
        """Return what readers said, where that lies there: the figure waits for no reader."""
        path = f"results/{self.shown().dataset}/reading/shares.csv"
        return [path] if Path(path).is_file() else []

    # Trials

    def tables(self, name: str) -> list[str]:
        """Return a table of results, one file for each dataset of the study."""
        self.shown()
        return [f"results/{dataset}/{name}.csv" for dataset in self.study.datasets]
