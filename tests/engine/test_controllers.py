"""Several Snakemakes on one folder, one after the other and at once: real ones, with jobs that wait."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import copy_repository
from tests.helpers.held_workflow import ROOT, Held, wait_until

LOCAL = ("--cores", "2", "--scheduler", "greedy", "--rerun-incomplete")
GENERIC = ("--workflow-profile", str(ROOT / "profiles" / "generic"), "--seconds-between-status-checks", "1")


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    workflow = Held(tmp_path / "a folder")
    yield workflow
    workflow.end()


def error_of(text: str) -> str:
    """Return the one line that says what is wrong."""
    lines = [line for line in text.splitlines() if line.startswith("Error: ") or "another Snakemake" in line]
    assert len(lines) == 1, text
    return lines[0]


def test_two_controllers_on_one_folder(held: Held) -> None:
    first = held.hold(*LOCAL, "a.txt", name="a")
    # Other targets: side by side. Its end removes Snakemake's locks, those of the first run too.
    held.free("b")
    status, text = held.run(*LOCAL, "b.txt")
    assert status == 0, text
    # The same target: refused, with who holds it and what to do.
    status, text = held.run(*LOCAL, "a.txt")
    host = os.uname().nodename
    assert status == 1
    assert re.search(
        rf"in {re.escape(str(held.root))} \(host {host}, pid {first.pid}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\): wait until "
        rf"it ends, stop it with `kill {first.pid}`, or give targets",
        error_of(text),
    )
    # A dry run only looks.
    status, text = held.run(*LOCAL, "--dry-run", "a.txt")
    assert status == 0 and "rule wait" in text
    assert [record["pid"] for record in held.records()] == [first.pid]
    held.free("a")
    assert first.wait(30) == 0
    assert held.records() == [] and (held.root / "a.txt").read_text() == "done\n"


def test_a_second_start_while_local_jobs_of_a_killed_run_go_on(held: Held) -> None:
    first = held.hold(*LOCAL, "a.txt", name="a")
    first.send_signal(signal.SIGKILL)
    first.wait()
    (job,) = held.jobs()
    status, text = held.run(*LOCAL, "a.txt", "b.txt")
    assert status == 1
    assert f"1 job of an earlier Snakemake in {held.root} still runs on this machine" in error_of(text)
    assert error_of(text).endswith(f"{job} wait (process); wait until they end, or end them: kill {job}")
    assert not (held.root / "b.runs").exists(), "nothing was started"
    os.kill(job, signal.SIGTERM)
    wait_until(lambda: held.jobs() == [])
    held.free("a")
    status, text = held.run(*LOCAL, "a.txt")
    assert status == 0, text
    assert held.records() == [] and (held.root / "a.txt").read_text() == "done\n"


def test_a_second_start_while_submitted_jobs_of_a_killed_run_go_on(held: Held) -> None:
    first = held.hold(*GENERIC, "a.txt", name="a")
    first.send_signal(signal.SIGKILL)
    first.wait()
    (job,) = (held.root / ".snakemake" / "generic").glob("*.pid")
    name = str(job.relative_to(held.root).with_suffix(""))
    status, text = held.run(*GENERIC, "a.txt", "b.txt")
    assert status == 1
    assert "1 job of an earlier Snakemake" in error_of(text) and f"{name} wait (running)" in error_of(text)
    assert not (held.root / "b.runs").exists(), "nothing was submitted"
    # The command of the line ends it.
    (command,) = re.findall(r"end them: (.*)$", error_of(text))
    subprocess.run(command, shell=True, cwd=held.root, env=held.environment, check=True)
    wait_until(lambda: held.jobs() == [])


def test_ctrl_c_cancels_submitted_jobs(held: Held) -> None:
    """The cancel command is found though its path, which has the repository's in it, goes to no shell."""
    first = held.hold(*GENERIC, "--seconds-between-status-checks", "8", "a.txt", name="a")
    # Snakemake does not cancel a job whose id it has not read yet, or whose state it is just asking for.
    wait_until(lambda: "with external jobid" in held.output(0).read_text())
    time.sleep(2)
    first.send_signal(signal.SIGINT)
    assert first.wait(90) == 1
    wait_until(lambda: held.jobs() == [])


SQUEUE = """#!/bin/sh
echo "17|RUNNING|0b8d8e4e-2d61-4d8a-9c1e-0d3f6c2a7b11|{folder}|rule_train_base"
echo "18_[0-3]|PENDING|0b8d8e4e-2d61-4d8a-9c1e-0d3f6c2a7b11|{folder}|rule_sample_pool_wildcards_x"
echo "19|RUNNING|0b8d8e4e-2d61-4d8a-9c1e-0d3f6c2a7b11|/elsewhere|rule_train_base"
echo "20|RUNNING|jupyter|{folder}|(null)"
"""


def test_a_second_start_while_slurm_jobs_of_a_killed_run_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real workflow with the real profile, and a SLURM that only lists jobs."""
    tools, workflow = tmp_path / "tools", copy_repository(tmp_path / "study")
    tools.mkdir()
    for name in ("squeue", "sbatch", "scancel", "scontrol"):
        body = SQUEUE.format(folder=workflow.root) if name == "squeue" else f"#!/bin/sh\ntouch {name}.called\n"
        (tools / name).write_text(body)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    done = workflow.run("--workflow-profile", "profiles/slurm", "results/phantom/siim.json")
    line = error_of(done.stdout + done.stderr)
    assert done.returncode == 1
    assert f"2 jobs of an earlier Snakemake in {workflow.root} still run in SLURM's queue" in line
    assert line.endswith(
        "17 train_base (RUNNING), 18_[0-3] sample_pool (PENDING); wait until they end, or end them: scancel 17 18"
    )
    assert not (workflow.root / "sbatch.called").exists()
