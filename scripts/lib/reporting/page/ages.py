"""How old files are: when the newest trial ended, and tables that were made before what they are made of.

The report does not wait for these tables, so they may speak of an earlier run; then it says so.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from scripts.lib.study.arms import REAL

# Of a cell: dataset, arm, fraction.
TRIALS = "{}/trials/{}/{}/trial-*.parquet"
POOLS = "{}/pools/{}/{}/shard-*/images.npy"
# Tables that the report does not wait for: what they are made of, and what renews them.
MADE_OF = {
    **{
        f"tables/{name}.csv": (TRIALS, "trials")
        for name in ("equivalence", "subgroups", "calibration", "failures", "replication")
    },
    **{f"tables/{name}.csv": (POOLS, "pools") for name in ("fidelity", "memorisation", "faithfulness")},
}


def date_of(results: Path) -> str:
    """Return the day (UTC) on which the newest trial ended, as 2025-11-27; "" without trials."""
    newest = _newest(results.glob(TRIALS.format("*", "*", "*")))
    return datetime.fromtimestamp(newest, UTC).strftime("%Y-%m-%d") if newest else ""


def outdated(results: Path, files: Sequence[str]) -> str:
    """Return a sentence on those of some tables that are older than what they are made of, "" where there are none.

    A table is made of the cells that it has rows of: other arms, such as those of Figures 3 and 4, may well be newer.
    """
    for file in files:
        pattern, what = MADE_OF.get(file, ("", ""))
        if not pattern or not (results / file).is_file():
            continue
        of_cells = (found for cell in _cells(results / file) for found in results.glob(pattern.format(*cell)))
        if _newest(of_cells) > (results / file).stat().st_mtime:
            return f"{file} is older than the newest {what} and may speak of an earlier run: make it again."
    return ""


def _cells(table: Path) -> Iterator[tuple[str, str, str]]:
    """Yield dataset, arm and folder of the fraction of each cell that a table has rows of, and of the real films beside it.

    * stands for a column that the table lacks, and for all of them where it has no row.
    """
    with table.open(newline="", encoding="utf-8") as stream:
        cells = {(row.get("dataset"), row.get("arm"), row.get("fraction")) for row in csv.DictReader(stream)}
    for dataset, arm, fraction in sorted(cells, key=str) or [(None, None, None)]:
        share = f"fraction-{float(fraction):g}" if fraction and fraction.replace(".", "", 1).isdigit() else "*"
        yield dataset or "*", arm or "*", share
        yield dataset or "*", REAL, share


def _newest(files: Iterable[Path]) -> float:
    return max((file.stat().st_mtime for file in files), default=0.0)
