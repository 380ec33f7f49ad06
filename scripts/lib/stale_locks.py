"""Snakemake's folder locks outlive a killed run; this removes them when no other run in the folder is alive.

Every run holds a shared `flock` on one file, which dies with its process, so that holding it alone proves that the
locks left in the folder belong to nobody. Two live runs on disjoint targets still see each other's locks.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO


def clear_stale_locks(folder: str | Path = ".snakemake") -> IO[str]:
    """Remove the locks below `folder` if no live run holds its `alive` file; return that file, to be kept open.

    The returned file carries this run's shared lock. On file systems without `flock` nothing is removed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    alive = (folder / "alive").open("a")
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(alive, fcntl.LOCK_SH)
        return alive
    except OSError:
        return alive
    for lock in (folder / "locks").glob("*.lock"):
        lock.unlink(missing_ok=True)
    fcntl.flock(alive, fcntl.LOCK_SH)
    return alive
