"""Jobs that a killed Snakemake left behind are found: in SLURM's queue, at another scheduler, on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.engine.jobs import MARK, RunningJob, generic_jobs, local_jobs, refuse_running_jobs, slurm_jobs
from scripts.lib.engine.locks import clear_stale_locks
from scripts.lib.engine.records import others
from tests.helpers.held_workflow import wait_until

NAME = "0b8d8e4e-2d61-4d8a-9c1e-0d3f6c2a7b11"
LOCAL = {"executor": "local"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in which the test runs, with a folder of commands ahead on PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(folder: Path, name: str, body: str) -> Path:
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def killed_run(folder: Path, facts: dict[str, str]) -> Path:
    """Leave the record of a run of this host that was killed."""
    record = folder / ".snakemake" / "runs" / "killed-1-1"
    record.mkdir(parents=True)
    told = {"host": os.uname().nodename, "pid": 2**22 + 1, "born": 1.0, "since": "2026-01-02 03:04:05"}
    (record / "run.json").write_text(json.dumps(told))
    (record / "started").write_text(json.dumps(facts))
    return record


def queue(folder: Path, count: int) -> None:
    lines = [f"{100 + row}|RUNNING|study_{NAME}|{folder}|rule_train_trials_wildcards_a|b" for row in range(count)]
    command(folder, "squeue", "\n".join(f"echo '{line}'" for line in lines))


def test_only_jobs_that_a_snakemake_sent_from_this_folder_count(folder: Path) -> None:
    (folder / "link").symlink_to(folder)
    rows = [
        f"7|RUNNING|{NAME}|{folder}|rule_train_base",
        f"8_[0-2]|PENDING|prefix_{NAME}|{folder}/link|rule_sample_pool_wildcards_siim_dpo",
        f"9|COMPLETING|{NAME}|{folder}|(null)",
        f"10|RUNNING|{NAME}|{folder}/other|rule_train_base",
        f"11|RUNNING|snakemake|{folder}|(null)",
        "garbage",
    ]
    command(folder, "squeue", 'echo "$*" > asked\n' + "\n".join(f"echo '{row}'" for row in rows))
    assert slurm_jobs(folder) == [
        RunningJob("7", "train_base", "RUNNING", NAME),
        RunningJob("8_[0-2]", "sample_pool", "PENDING", f"prefix_{NAME}"),
        RunningJob("9", "job", "COMPLETING", NAME),
    ]
    assert (folder / "asked").read_text().startswith("--me --noheader --format=")


def test_a_study_on_slurm_needs_an_answer_of_squeue(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(folder, "squeue", "echo 'squeue: error: Unable to contact slurm controller' >&2\nexit 1")
    with clear_stale_locks(".snakemake", unlock=False) as run:
        with pytest.raises(InputError, match="^squeue: error: Unable to contact slurm controller; without it nobody"):
            refuse_running_jobs(run, {"executor": "slurm"})
        command(folder, "squeue", "exec sleep 30")
        with pytest.raises(InputError, match=r"^squeue: no answer within 0\.2 s; "):
            refuse_running_jobs(run, {"executor": "slurm"}, patience=0.2)
        monkeypatch.setenv("PATH", str(folder))
        with pytest.raises(InputError, match="^squeue: not found on PATH; "):
            refuse_running_jobs(run, {"executor": "slurm"})


def test_a_local_run_goes_on_without_squeue_and_asks_again_next_time(folder: Path) -> None:
    record = killed_run(folder, {"executor": "slurm"})
    command(folder, "squeue", "exec sleep 30")
    with clear_stale_locks(".snakemake", unlock=False) as run:
        refuse_running_jobs(run, LOCAL, patience=0.2)
        assert record.is_dir()
    queue(folder, 1)
    with clear_stale_locks(".snakemake", unlock=False) as run:
        with pytest.raises(InputError, match="1 job of an earlier Snakemake in .* still runs in SLURM's queue"):
            refuse_running_jobs(run, LOCAL)
        queue(folder, 0)
        refuse_running_jobs(run, LOCAL)
        assert not record.exists()


def test_a_local_folder_never_asks_squeue(folder: Path) -> None:
    killed_run(folder, LOCAL)
    command(folder, "squeue", "touch asked")
    with clear_stale_locks(".snakemake", unlock=False) as run:
        refuse_running_jobs(run, LOCAL)
        assert others(run) == []
    assert not (folder / "asked").exists()


def test_many_jobs_are_counted_and_ended_by_the_name_of_their_run(folder: Path) -> None:
    queue(folder, 21)
    with (
        clear_stale_locks(".snakemake", unlock=False) as run,
        pytest.raises(
            InputError, match=rf"^21 jobs .* 104 train_trials \(RUNNING\) and 16 more; .* scancel --name=study_{NAME}$"
        ),
    ):
        refuse_running_jobs(run, {"executor": "slurm"})


def test_a_live_snakemake_owns_its_jobs(folder: Path) -> None:
    queue(folder, 1)
    record = killed_run(folder, {"executor": "slurm"})
    facts = json.loads((record / "run.json").read_text()) | {"host": "elsewhere"}
    (record / "run.json").write_text(json.dumps(facts))
    with clear_stale_locks(".snakemake", unlock=False) as run:
        refuse_running_jobs(run, {"executor": "slurm"})


def test_jobs_of_a_scheduler_are_asked_for_one_by_one(folder: Path) -> None:
    """Their ids come from Snakemake's notes of unfinished files, whatever the scheduler."""
    notes = folder / ".snakemake" / "incomplete"
    notes.mkdir(parents=True)
    for name, job in (("a", 31), ("b", 32), ("c", None), ("d", 31)):
        (notes / name).write_text(json.dumps({"external_jobid": job and str(job)}))
    (notes / "e").write_text("torn")
    status = command(folder, "bstat", 'echo "$1" >> asked; if [ "$1" = 31 ]; then echo running; else echo failed; fi')
    assert generic_jobs(folder / ".snakemake", str(status)) == [RunningJob("31", "job")]
    assert (folder / "asked").read_text() == "31\n32\n"
    facts = {"executor": "cluster-generic", "status": str(status), "cancel": "/opt/my tools/bkill"}
    with (
        clear_stale_locks(".snakemake", unlock=False) as run,
        pytest.raises(
            InputError, match=r"1 job .* at the scheduler .*: 31 job \(running\).*end them: '/opt/my tools/bkill' 31$"
        ),
    ):
        refuse_running_jobs(run, facts)
    command(folder, "bstat", "exec sleep 30")
    with pytest.raises(InputError, match=r"bstat 31: no answer within 0\.2 s"):
        generic_jobs(folder / ".snakemake", str(status), patience=0.2)


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def test_processes_of_a_killed_run_are_found_and_nothing_else(
    folder: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    import psutil

    record = killed_run(folder, LOCAL)
    with clear_stale_locks(".snakemake", unlock=False) as run:
        wait = "import time; time.sleep(60)"
        starter = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {wait!r}, '-m scripts.train_trials'])"
        job, other = ["-c", wait, "-m scripts.train_base"], str(folder / "elsewhere" / ".snakemake" / "runs" / "x")
        cases = [
            (["-c", starter, "-m scripts.lib.engine.gpu_slot -- python -m scripts.train_trials"], str(record)),
            (job, str(record)),
            (job, str(run.folder)),  # of this run
            (job, other),  # of another folder
            (job, ""),  # started by hand
            (["-c", wait, "an editor"], str(record)),
            (["-c", wait, "-m scripts.lib.planning.seconds .snakemake/runs/x/jobs.json"], str(record)),  # no job
        ]
        for arguments, mark in cases:
            environment = {**os.environ, MARK: mark}
            processes.append(subprocess.Popen([sys.executable, *arguments], env=environment))
        wait_until(lambda: len(psutil.Process(processes[0].pid).children()) == 1)
        assert local_jobs(run) == sorted(
            [
                RunningJob(str(processes[0].pid), "train_trials", "process"),
                RunningJob(str(processes[1].pid), "train_base", "process"),
            ],
            key=lambda found: int(found.name),
        )
        with pytest.raises(
            InputError, match=r"2 jobs .* still run on this machine and would run twice: .*end them: kill \d+ \d+$"
        ):
            refuse_running_jobs(run, LOCAL)
        assert record.is_dir(), "the next start asks again"
