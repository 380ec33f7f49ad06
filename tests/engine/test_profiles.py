"""The cluster profiles: a job through a shell in place of the scheduler, and what a wrong key says."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.engine.launch import check_gpu_limit
from scripts.lib.engine.locks import clear_stale_locks
from scripts.lib.engine.start import begin_jobs, check_profile
from tests.conftest import ROOT, copy_repository
from tests.helpers.forked_snakemake import snakemake
from tests.helpers.held_workflow import wait_until

SCRIPTS = ROOT / "profiles" / "generic"
GENERIC = ("--workflow-profile", "profiles/generic", "--seconds-between-status-checks", "1", "--latency-wait", "5")


@pytest.mark.long
@pytest.mark.workflow
def test_a_shell_as_the_scheduler_gives_the_local_bytes(tmp_path: Path, forked_jobs: str) -> None:
    """One run computes here, the other in another folder through the profile's scripts: the same manifest of the same films."""
    workflow = replace(copy_repository(tmp_path / "a copy"), interpreter=forked_jobs)
    target, other = "results/phantom/siim.json", tmp_path / "another folder"
    other.mkdir()
    done = workflow.run(target)
    assert done.returncode == 0, done.stdout + done.stderr
    done = workflow.run(*GENERIC, "--directory", str(other), target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (other / target).read_bytes() == (workflow.root / target).read_bytes()
    assert [path.read_text() for path in (other / ".snakemake" / "generic").glob("*.done")] == ["0\n"]


ASKING = """
rule all:
    input: "few.txt", "many.txt"
    localrule: True

rule few:
    output: "few.txt"
    threads: 3
    resources: mem_mb=10, runtime=1
    shell: "touch {output}"

rule many:
    output: "many.txt"
    threads: 2
    resources: mem_mb=20, runtime=2, gpu=4, cpus_per_task=lambda wildcards, threads: 4 * threads
    shell: "touch {output}"
"""


def test_a_scheduler_is_asked_for_the_cpus_of_all_processes(tmp_path: Path) -> None:
    """A training on 4 GPUs with 2 threads for each needs 8 CPUs; any other job as many as it has threads."""
    shutil.copytree(SCRIPTS, tmp_path / "profiles" / "generic")
    script = tmp_path / "profiles" / "generic" / "submit.sh"
    script.write_text(script.read_text().replace("set -eu\n", 'set -eu\necho "$1 $2 $3 $4 $5" >> asked.txt\n'))
    (tmp_path / "Snakefile").write_text(ASKING)
    done = snakemake(GENERIC, tmp_path, {**os.environ, "SYNTHORAX_ROOT": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted((tmp_path / "asked.txt").read_text().splitlines()) == ["few 3 10 1 0", "many 8 20 2 4"]


def submit(folder: Path, script: str) -> str:
    """Submit a job in `folder`; return its id."""
    (folder / "job.sh").write_text(script)
    command = [SCRIPTS / "checked_submit.sh", "rule", "1", "10", "1", "0", folder / "job.sh"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def status(folder: Path, job: str) -> str:
    done = subprocess.run([SCRIPTS / "status.sh", job], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_job_that_is_killed_counts_as_failed(tmp_path: Path) -> None:
    """kill -9 of the job leaves no exit status: status.sh must not wait for one for ever."""
    job = submit(tmp_path, "kill -9 $PPID; sleep 60\n")
    wait_until(lambda: status(tmp_path, job) != "running")
    assert status(tmp_path, job) == "failed"
    subprocess.run([SCRIPTS / "cancel.sh", job], cwd=tmp_path, check=True)


def test_a_job_that_is_cancelled_ends(tmp_path: Path) -> None:
    job = submit(tmp_path, "touch begun\nsleep 60\ntouch ended\n")
    wait_until((tmp_path / "begun").exists)
    assert status(tmp_path, job) == "running"
    subprocess.run([SCRIPTS / "cancel.sh", job], cwd=tmp_path, check=True)
    wait_until(lambda: status(tmp_path, job) == "failed")


def test_the_state_of_a_job_says_how_it_ended(tmp_path: Path) -> None:
    good, bad = submit(tmp_path, "exit 0\n"), submit(tmp_path, "exit 3\n")
    wait_until(lambda: "running" not in (status(tmp_path, good), status(tmp_path, bad)))
    assert [status(tmp_path, good), status(tmp_path, bad)] == ["success", "failed"]


def test_a_job_of_another_host_lives_while_it_touches_its_file(tmp_path: Path) -> None:
    """Its process number means nothing here, even where a process has it."""
    job = tmp_path / "rule.x"
    pid = job.with_suffix(".x.pid")
    pid.write_text(f"elsewhere {os.getpid()}\n")
    assert status(tmp_path, str(job)) == "running"
    os.utime(pid, (pid.stat().st_atime, pid.stat().st_mtime - 6 * 60))
    assert status(tmp_path, str(job)) == "failed"
    job.with_suffix(".x.done").write_text("0\n")
    assert status(tmp_path, str(job)) == "success"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'bsub: no such queue' >&2\nexit 3\n", "(status 3): bsub: no such queue"),
        ("exit 0\n", "(status 0): it printed no id of a job"),
        ("echo 'no host' >&2\n", "(status 0): it printed no id of a job, but: no host"),
    ],
)
def test_a_submission_that_fails_says_so_in_one_line(tmp_path: Path, script: str, said: str) -> None:
    shutil.copy(SCRIPTS / "checked_submit.sh", tmp_path)
    (tmp_path / "submit.sh").write_text(f"#!/bin/sh\n{script}")
    (tmp_path / "submit.sh").chmod(0o755)
    command = [tmp_path / "checked_submit.sh", "train_base", "1", "10", "1", "0", "job.sh"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == f"Error: {tmp_path}/submit.sh has not submitted a job of train_base {said}\n"


def test_an_unknown_profile_key_is_named(tmp_path: Path) -> None:
    workflow = copy_repository(tmp_path)
    profile = workflow.root / "profiles" / "generic" / "profile.yaml"
    profile.write_text(profile.read_text() + "no-such-key: 1\n")
    done = workflow.run("--workflow-profile", "profiles/generic", "--dry-run", "results/phantom/siim.json")
    assert done.returncode != 0
    assert "no-such-key" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--workflow-profile profiles/slrum", f"{ROOT}/profiles/slurm"),
        ("--workflow-profile=slrum", f"{ROOT}/profiles/slurm"),
        ("--workflow-prof slrum", f"{ROOT}/profiles/slurm"),
        ("--workflow-profile profiles/slurm", f"{ROOT}/profiles/slurm"),  # lies beside the Snakefile, not here
        ("--workflow-profile slurm --workflow-profile slrum", f"{ROOT}/profiles/slurm"),
        (
            "--workflow-profile slrum --directory mine",
            "profiles/slurm",
        ),  # the Snakefile was found, so it began beside it
        ("--workflow-profile slrum -dmine", "profiles/slurm"),
        (f"-s {ROOT}/Snakefile --workflow-profile slrum -d mine", f"{ROOT}/profiles/slurm"),
        ("-s below/Snakefile --workflow-profile slrum -d mine", f"{ROOT}/profiles/slurm"),
        ("--workflow-profile no-such --configfile mine -d mine", None),
    ],
)
def test_a_profile_that_snakemake_has_not_found_is_refused(
    given: str, meant: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snakemake passes over it in silence, and would run a cluster's study on the login node."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    with pytest.raises(InputError, match="there is no such folder.*; the workflow has .*profiles/default, ") as refused:
        check_profile(["-n", *given.split()], ROOT)
    assert (f"did you mean {meant}?" in str(refused.value)) == bool(meant) == ("did you mean" in str(refused.value))


def test_a_profile_that_snakemake_finds_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies where the run was started, in `profiles` there, or beside the Snakefile; by then Snakemake may be elsewhere."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "profiles" / "ours").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    check_profile(["results/figure2.pdf"], ROOT)
    for given in ("none", "generic", f"{ROOT}/profiles/slurm", "mine", "ours", "profiles/ours"):
        monkeypatch.chdir(tmp_path)
        check_profile(["--workflow-profile", given], ROOT)
        monkeypatch.chdir(tmp_path / "elsewhere")
        check_profile(["--workflow-profile", given, "--directory", "elsewhere"], ROOT)
    monkeypatch.delenv("PWD")
    check_profile(["--workflow-profile", "profiles/slurm", "--directory", "elsewhere"], ROOT)
    check_profile(
        ["-s", f"{ROOT.name}/Snakefile", "--workflow-profile", f"{ROOT.name}/profiles/slurm", "-d", "x"], ROOT
    )


def test_missing_commands_of_a_profile_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SimpleNamespace(submit_cmd="/nowhere/submit.sh {rule}", status_cmd=None, cancel_cmd=None)
    workflow = SimpleNamespace(executor_plugin=SimpleNamespace(name="cluster-generic"), executor_settings=settings)
    with clear_stale_locks(tmp_path, unlock=False) as run:
        with pytest.raises(
            InputError, match="cluster-generic-submit-cmd: /nowhere/submit.sh is not an executable file"
        ):
            begin_jobs(run, workflow)
        monkeypatch.setenv("PATH", str(tmp_path))
        workflow.executor_plugin.name = "slurm"
        with pytest.raises(InputError, match="sbatch, squeue, scancel: not found on PATH, but the profile sends jobs"):
            begin_jobs(run, workflow)


def test_no_gpu_for_a_study_on_gpus_is_one_line() -> None:
    with pytest.raises(InputError, match=r"--resources gpu=0 leaves no GPU to a job, but compute.gpus is 2; raise it"):
        check_gpu_limit(2, 0)
    check_gpu_limit(0, 0)
    check_gpu_limit(2, None)
    check_gpu_limit(2, 1)
