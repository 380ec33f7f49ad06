"""Locks of a killed run go away; locks of a live one, and of any run of another host, stay."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.engine import records as run_records
from scripts.lib.engine.locks import clear_stale_locks, dead_runs, holders, keep_locks
from scripts.lib.engine.records import Run, others

ROOT = Path(__file__).resolve().parents[2]
BEGIN = """
import pathlib, sys
from scripts.lib.engine.locks import clear_stale_locks, keep_locks
run = clear_stale_locks(sys.argv[1], unlock=False)
for path in map(pathlib.Path, sys.argv[2:3]):
    path.parent.mkdir(exist_ok=True)
    path.write_text(sys.argv[3])
    keep_locks(run, {"output": path})
run.start({"executor": "local"})
print("ready", flush=True)
sys.stdin.read()
"""


def lock(folder: Path, number: int, text: str) -> Path:
    path = folder / "locks" / f"{number}.output.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def other_run(folder: Path, *lock: str) -> subprocess.Popen[str]:
    """Start another process that holds the folder until its input ends; `lock`: name and content of its lock file."""
    arguments = [str(folder / "locks" / f"{lock[0]}.output.lock"), lock[1]] if lock else []
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN, str(folder), *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def record(folder: Path, host: str, pid: int, born: float, started: bool = True) -> Path:
    """Write the record of a run that this process does not know."""
    path = folder / "runs" / f"{host}-{pid}-1"
    path.mkdir(parents=True)
    facts = {"host": host, "pid": pid, "born": born, "since": "2026-01-02 03:04:05"}
    (path / "run.json").write_text(json.dumps(facts))
    if started:
        (path / "started").write_text(json.dumps({"executor": "local"}))
    return path


def kept(folder: Path) -> list[str]:
    return sorted(path.read_text() for path in (folder / "locks").glob("*.lock"))


def test_locks_without_a_live_run_are_removed(tmp_path: Path) -> None:
    lock(tmp_path, 0, "results/a\n")
    with clear_stale_locks(tmp_path, unlock=False):
        assert kept(tmp_path) == []
    assert list((tmp_path / "runs").glob("[!.]*")) == [], "the record goes with its run"


def test_locks_stay_while_another_run_lives_and_go_when_it_was_killed(tmp_path: Path) -> None:
    process = other_run(tmp_path)
    lock(tmp_path, 0, "results/a\n")
    with clear_stale_locks(tmp_path, unlock=False) as run:
        assert kept(tmp_path) == ["results/a\n"]
        assert [one.pid for one in holders(run)] == [process.pid] and dead_runs(run) == []
    process.kill()
    process.wait()
    with clear_stale_locks(tmp_path, unlock=False) as run:
        assert kept(tmp_path) == []
        assert [one.pid for one in dead_runs(run)] == [process.pid], "who was killed is still known"


def test_a_run_that_ends_by_itself_leaves_no_record(tmp_path: Path) -> None:
    process = other_run(tmp_path)
    process.communicate("")
    with clear_stale_locks(tmp_path, unlock=False) as run:
        assert others(run) == []


def test_beside_a_live_run_only_the_locks_of_the_dead_go(tmp_path: Path) -> None:
    killed = other_run(tmp_path, "0", "results/dead\n")
    alive = other_run(tmp_path, "1", "results/alive\n")
    killed.kill()
    killed.wait()
    with clear_stale_locks(tmp_path, unlock=False):
        assert kept(tmp_path) == ["results/alive\n"]
    alive.communicate("")


def test_locks_that_a_neighbour_removed_come_back(tmp_path: Path) -> None:
    process = other_run(tmp_path, "0", "results/a\n")
    (tmp_path / "locks" / "0.output.lock").unlink()
    lock(tmp_path, 0, "results/b\n")
    with clear_stale_locks(tmp_path, unlock=False):
        assert kept(tmp_path) == ["results/a\n", "results/b\n"]
    process.communicate("")


def test_a_run_of_another_host_counts_as_alive_until_it_is_unlocked(tmp_path: Path) -> None:
    path = lock(tmp_path, 0, "results/a\n")
    far = record(tmp_path, "elsewhere", os.getpid(), 1.0)
    with clear_stale_locks(tmp_path, unlock=False) as run:
        assert path.is_file()
        assert [str(one) for one in holders(run)] == [f"host elsewhere, pid {os.getpid()}, since 2026-01-02 03:04:05"]
    with clear_stale_locks(tmp_path, unlock=True) as run:
        assert not path.exists() and holders(run) == []
        assert [one.host for one in dead_runs(run)] == ["elsewhere"], "its jobs are still to be asked for"
    assert far.is_dir()


def test_a_process_that_got_the_number_of_a_dead_run_is_not_taken_for_it(tmp_path: Path) -> None:
    """No flock is held, as where the file system has none: number and start of the process decide."""
    import psutil

    host, process = os.uname().nodename, psutil.Process(os.getppid())
    record(tmp_path, host, process.pid, process.create_time() - 3600)
    path = lock(tmp_path, 0, "results/a\n")
    with clear_stale_locks(tmp_path, unlock=False) as run:
        assert len(dead_runs(run)) == 1 and not path.exists()
    (tmp_path / "runs" / f"{host}-{process.pid}-1" / "run.json").write_text(
        json.dumps({"host": host, "pid": process.pid, "born": process.create_time(), "since": "now"})
    )
    with clear_stale_locks(tmp_path, unlock=False) as run:
        assert len(holders(run)) == 1


def test_a_file_system_without_flock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = other_run(tmp_path)
    path = lock(tmp_path, 0, "results/a\n")

    def refuse(*_arguments: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with clear_stale_locks(tmp_path, unlock=False) as run:
        assert path.is_file() and len(holders(run)) == 1
    process.kill()
    process.wait()
    with clear_stale_locks(tmp_path, unlock=False):
        assert not path.exists()


def test_a_held_flock_is_proof_where_processes_cannot_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another container of the same host has process numbers of its own."""
    process = other_run(tmp_path)
    monkeypatch.setattr(run_records, "_process_of", lambda pid, born: False)
    with clear_stale_locks(tmp_path, unlock=False) as run:
        assert len(holders(run)) == 1
    process.communicate("")


def test_a_run_that_lives_here_is_not_unlocked(tmp_path: Path) -> None:
    process = other_run(tmp_path)
    path = lock(tmp_path, 0, "results/a\n")
    with pytest.raises(InputError, match=rf"nothing was unlocked: .*pid {process.pid}, since .*`kill {process.pid}`"):
        clear_stale_locks(tmp_path, unlock=True)
    assert path.is_file()
    process.communicate("")


def test_snakemakes_error_names_the_holder_of_another_host(tmp_path: Path) -> None:
    from snakemake import exceptions

    record(tmp_path, "login2", 4321, 1.0)
    with clear_stale_locks(tmp_path, unlock=False):
        line = str(exceptions.LockException())
    assert "(host login2, pid 4321, since 2026-01-02 03:04:05)" in line and "\n" not in line
    assert line.endswith("if one of another host is surely dead, run `snakemake --unlock`") and "stop it" not in line


def test_a_record_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "runs" / "host-1-1").mkdir(parents=True)
    (tmp_path / "runs" / "host-1-1" / "run.json").write_text("")
    with clear_stale_locks(tmp_path, unlock=False) as run:
        assert others(run) == []
        keep_locks(run, {})
        assert isinstance(run, Run) and run.started is None
