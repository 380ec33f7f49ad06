"""The cluster profiles: a job through a shell in place of the scheduler, and what a wrong key says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, copy_repository

GENERIC = ("--workflow-profile", "profiles/generic", "--seconds-between-status-checks", "1", "--latency-wait", "5")


@pytest.mark.workflow
def test_a_shell_as_the_scheduler_gives_the_local_bytes(tmp_path: Path) -> None:
    """One copy runs here, the other through submit.sh and status.sh: the same manifest of the same films."""
    manifests = []
    for name, options in (("local", ()), ("generic", GENERIC)):
        workflow = copy_repository(tmp_path / name)
        done = workflow.run(*options, "results/phantom/siim.json")
        assert done.returncode == 0, done.stdout + done.stderr
        manifests.append((workflow.root / "results" / "phantom" / "siim.json").read_bytes())
    assert manifests[0] == manifests[1]
    assert [path.read_text() for path in (tmp_path / "generic" / ".snakemake" / "generic").glob("*.done")] == ["0\n"]


def test_a_job_that_is_killed_counts_as_failed(tmp_path: Path) -> None:
    """kill -9 of the job leaves no exit status: status.sh must not wait for one for ever."""
    script = tmp_path / "job.sh"
    script.write_text("kill -9 $PPID; sleep 60\n")
    scripts = ROOT / "profiles" / "generic"
    command = [scripts / "submit.sh", "rule", "1", "10", "1", "0", script]
    job = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()
    for _ in range(100):
        state = subprocess.run([scripts / "status.sh", job], cwd=tmp_path, capture_output=True, text=True, check=True)
        if state.stdout != "running\n":
            break
    subprocess.run([scripts / "cancel.sh", job], cwd=tmp_path, check=True)
    assert state.stdout == "failed\n"


def test_an_unknown_profile_key_is_named(tmp_path: Path) -> None:
    workflow = copy_repository(tmp_path)
    profile = workflow.root / "profiles" / "generic" / "profile.yaml"
    profile.write_text(profile.read_text() + "no-such-key: 1\n")
    done = workflow.run("--workflow-profile", "profiles/generic", "--dry-run", "results/phantom/siim.json")
    assert done.returncode != 0
    assert "no-such-key" in done.stdout + done.stderr
