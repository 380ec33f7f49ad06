"""Snakemake's locks of a folder, put right: those of a killed run go away, those of a live one stay and have a name.

Snakemake locks the files of a run by lists in `.snakemake/locks`. They outlive a killed run, and any run that ends removes
all of them, those of its neighbours too. Here each run keeps copies of its own lists in its record (run_records), so that
the next start can remove those of the dead and bring back those of the living.
"""

from __future__ import annotations

import fcntl
import itertools
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from scripts.lib.core.errors import InputError
from scripts.lib.engine.records import LOCK_KINDS, Run, others, register
from scripts.lib.engine.snakemake_patches import name_holder

PATIENCE = 5.0  # seconds to wait for another start in the folder


def clear_stale_locks(folder: str | Path = ".snakemake", unlock: bool | None = None) -> Run:
    """Record this run in the folder and remove the locks of runs that are surely dead; return the record.

    Dead are runs of this host whose process is gone; runs of other hosts count as alive. `unlock` is the user's word that
    these are dead too (default: whether Snakemake was called with --unlock). A folder that another run holds is named as
    such by Snakemake's error from now on. Raises InputError when a run to be unlocked lives.
    """
    folder = Path(folder)
    unlock = "--unlock" in sys.argv if unlock is None else unlock
    with _one_start_at_a_time(folder / "runs"):
        this_run = register(folder / "runs")
        live: list[Run] = []
        dead: list[Run] = []
        for run in others(this_run):
            (live if run.alive() else dead).append(run)
        if unlock:
            _refuse_unlocking(live)
            for run in live:
                if not run.here:
                    run.give_up()
            live, dead = [], live + dead
        _remove_locks(folder / "locks", live, dead)
        for run in live:
            _restore_locks(folder / "locks", run)
        for run in dead:
            if run.started is None:
                run.forget()
    name_holder(lambda: _held_line(holding) if (holding := holders(this_run)) else None)
    return this_run


def keep_locks(run: Run, lock_files: Mapping[str, str | Path]) -> None:
    """Keep copies of this run's lock files, {input or output: path}, in its record."""
    for kind, path in lock_files.items():
        shutil.copyfile(path, run.folder / f"{kind}.lock")


def dead_runs(this_run: Run) -> list[Run]:
    """Return the runs that began with jobs and were killed on this host, or given up by --unlock."""
    return [run for run in others(this_run) if not run.alive()]


def holders(this_run: Run) -> list[Run]:
    """Return the other live runs that have begun with their jobs."""
    return [run for run in others(this_run) if run.alive() and run.started is not None]


@contextmanager
def _one_start_at_a_time(runs: Path) -> Iterator[None]:
    """Let starts on this host pass one after another; where the file system has no flock they pass as they come."""
    runs.mkdir(parents=True, exist_ok=True)
    with (runs / ".guard").open("w") as stream:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.05)
            except OSError:
                break
        yield


def _remove_locks(locks: Path, live: list[Run], dead: list[Run]) -> None:
    """Without a live run all locks are stale; beside one, those of the dead are."""
    for path in locks.glob("*.lock"):
        if not live or any(_same(path, copy) for run in dead for copy in _copies(run)):
            path.unlink(missing_ok=True)


def _restore_locks(locks: Path, run: Run) -> None:
    """Bring back a live run's locks, which a neighbour's end has removed."""
    for kind in LOCK_KINDS:
        copy = run.folder / f"{kind}.lock"
        if not copy.is_file() or any(_same(path, copy) for path in locks.glob(f"*.{kind}.lock")):
            continue
        locks.mkdir(parents=True, exist_ok=True)
        free = (locks / f"{number}.{kind}.lock" for number in itertools.count())
        shutil.copyfile(copy, next(path for path in free if not path.exists()))


def _refuse_unlocking(live: list[Run]) -> None:
    for run in live:
        if run.here and run.started is not None:
            raise InputError(
                f"nothing was unlocked: the Snakemake that holds {Path.cwd()} lives ({run}); stop it with `kill {run.pid}`"
            )


def _copies(run: Run) -> list[Path]:
    return [run.folder / f"{kind}.lock" for kind in LOCK_KINDS]


def _same(path: Path, copy: Path) -> bool:
    try:
        return path.read_bytes() == copy.read_bytes()
    except OSError:
        return False


def _held_line(holding: list[Run]) -> str:
    names = "; ".join(map(str, holding))
    here = [str(run.pid) for run in holding if run.here]
    stop = f"stop it with `kill {' '.join(here)}`, " if here else ""
    away = "" if len(here) == len(holding) else "; if one of another host is surely dead, run `snakemake --unlock`"
    return (
        f"another Snakemake is making some of these files in {Path.cwd()} ({names}): wait until it ends, {stop}or give "
        f"targets that it does not make{away}"
    )
