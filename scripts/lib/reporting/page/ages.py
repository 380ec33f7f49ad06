"""How old files are: when the newest trial ended, and tables that were made before what they are made of.

The report does not wait for these tables, so they may speak of an earlier run; then it says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

TRIALS = "*/trials/*/*/trial-*.parquet"
POOLS = "*/pools/*/*/shard-*/images.npy"
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
    newest = _newest(results.glob(TRIALS))
    return datetime.fromtimestamp(newest, UTC).strftime("%Y-%m-%d") if newest else ""


def outdated(results: Path, files: Sequence[str]) -> str:
    """Return a sentence on those of some tables that are older than what they are made of, "" where there are none."""
    for file in files:
        pattern, what = MADE_OF.get(file, ("", ""))
        if pattern and (results / file).is_file() and _newest(results.glob(pattern)) > (results / file).stat().st_mtime:
            return f"{file} is older than the newest {what} and may speak of an earlier run: make it again."
    return ""


def _newest(files: Iterable[Path]) -> float:
    return max((file.stat().st_mtime for file in files), default=0.0)
