"""Where a pool lies below results/, and where the tables and images beside it are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scripts.lib.core.errors import InputError


@dataclass(frozen=True)
class PoolPlace:
    """A pool's folder below results/: `root` is results/, the others name the pool."""

    folder: Path
    root: Path
    dataset: str
    arm: str
    part: str

    @property
    def conditions(self) -> Path:
        """The table of the images that were asked for."""
        return self.root / self.dataset / "conditions" / self.arm / f"{self.part}.parquet"

    @property
    def shards(self) -> list[Path]:
        """The folders of its images, in order; an imported pool is one itself."""
        shards = [path for path in self.folder.glob("shard-*") if (path / "cohort.json").is_file()]
        return sorted(shards, key=lambda path: int(path.name.removeprefix("shard-"))) or [self.folder]


def pool_place(folder: Path) -> PoolPlace:
    """Return what a folder results/DATASET/pools/ARM/PART names; raises InputError for any other folder."""
    full = folder.resolve()
    parts = full.parts
    if len(parts) < 5 or parts[-3] != "pools" or not full.is_dir():
        raise InputError(f"{folder}: no pool; expected a folder like results/rsna/pools/original/fraction-0.1")
    return PoolPlace(folder, full.parents[3], parts[-4], parts[-2], parts[-1])
