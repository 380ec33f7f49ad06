"""Limits, preemption and bad input on a real SLURM: what ends a job, what comes after, and what the user reads."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.conftest import ClusterWorkflow, cluster_workflow
from tests.cluster.slurm import Slurm, wait_for
from tests.cluster.test_slurm_study import job_of, processes_of
from tests.conftest import copy_repository
from tests.workflow.test_killed_workflow import digests

pytestmark = pytest.mark.cluster
BASE = "results/generators/base"
# Long enough to be met while it runs; only a signal makes it store its state.
SLOW = "compute: {gpus: 1}\nbase: {checkpoint_seconds: 3600, unet: {steps: 600}}\n"


@pytest.fixture(scope="module")
def cohorts(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> ClusterWorkflow:
    """A copy with the foundation model's cohort."""
    workflow = cluster_workflow(slurm, tmp_path_factory.mktemp("faults") / "copy", SLOW)
    local = workflow.root / "results" / "mimic" / "cohort"
    done = workflow.run(str(local.relative_to(workflow.root) / "cohort.json"))
    assert done.returncode == 0, done.stderr[-4000:]
    return workflow


def test_a_job_over_its_memory_comes_through_with_more(slurm: Slurm, tmp_path: Path) -> None:
    """200 MB do not hold Snakemake and the decoder, the 400 or 600 of the next attempts do."""
    workflow = cluster_workflow(slurm, tmp_path / "copy")
    before = set(slurm.jobs())
    done = workflow.run("results/siim/cohort/cohort.json", "--set-resources", "prepare_cohort:mem_mb=attempt*200")
    assert done.returncode == 0, done.stderr[-4000:]
    mine = {name: job for name, job in slurm.jobs().items() if name not in before and "prepare_cohort" in job[1]}
    states = [state for state, _ in mine.values()]
    assert states.count("COMPLETED") == 1 and len(states) >= 2
    assert "Trying to restart job" in done.stderr


def said(workflow: ClusterWorkflow) -> str:
    """What the training has logged; Snakemake removes the log before another attempt."""
    log = workflow.root / "results" / "logs" / "train_base" / "base.log"
    try:
        return log.read_text()
    except FileNotFoundError:
        return ""


@contextmanager
def training(slurm: Slurm, workflow: ClusterWorkflow, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a run whose training has made its first steps; end it with the block, as Ctrl-C does."""
    shutil.rmtree(workflow.root / "results" / "checkpoints", ignore_errors=True)
    run = workflow.start(BASE, "--forcerun", "train_base", *options)
    try:
        wait_for("the training", lambda: any(processes_of(slurm, "train_base")), 240)
        wait_for("its first steps", lambda: "unet: step 50 " in said(workflow), 240)
        yield run
    finally:
        try:
            run.send_signal(signal.SIGINT)
            run.wait(120)
        except subprocess.TimeoutExpired:
            run.kill()
            slurm.query("scancel", "--full", str(job_of(slurm, "train_base")))


def test_a_training_over_its_time_goes_on_where_the_signal_found_it(
    slurm: Slurm, cohorts: ClusterWorkflow, tmp_path: Path
) -> None:
    """Half a minute's work, held up until its minute is over: the second attempt resumes, and the weights are those of a
    run without limits."""
    with training(slurm, cohorts, "--set-resources", "train_base:runtime=attempt") as run:
        name = job_of(slurm, "train_base")
        process, _ = next(processes_of(slurm, "train_base"))
        process.suspend()
        wait_for("its time limit", lambda: slurm.jobs()[name][0] != "RUNNING", 180)
        process.resume()
        wait_for("its second attempt", lambda: "resuming after step" in said(cohorts), 120)
        assert run.wait(300) == 0, cohorts.log[-4000:]
    assert slurm.jobs()[name][0] == "TIMEOUT"
    local = copy_repository(tmp_path / "local")
    (local.root / "slow.yaml").write_text(SLOW.replace("gpus: 1", "gpus: 0"))
    alone = local.run(BASE, "--configfile", "studies/tiny.yaml", "slow.yaml", study=None)
    assert alone.returncode == 0, alone.stderr[-4000:]
    assert digests(local.root / BASE) == digests(cohorts.root / BASE)


@pytest.mark.parametrize("option", [(), ("--signal=USR1", "--full")], ids=["TERM", "USR1"])
def test_a_preempted_training_goes_on_where_the_signal_found_it(
    slurm: Slurm, cohorts: ClusterWorkflow, option: tuple[str, ...]
) -> None:
    with training(slurm, cohorts):
        slurm.query("scancel", *option, str(job_of(slurm, "train_base")))
        wait_for("its second attempt", lambda: "resuming after step" in said(cohorts), 120)
    assert "Trying to restart job" in cohorts.log


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--default-resources", "slurm_partition=nope"), "SLURM has no partition 'nope'; it has main, short"),
        (
            ("--default-resources", "slurm_partition=short"),
            "ends jobs after 60 minutes, but compute.longest_job is 2880",
        ),
        (("--slurm-array-jobs", "sample_pool"), "can leave jobs that are never submitted; set jobs: unlimited"),
    ],
    ids=["unknown partition", "time limit", "bounded arrays"],
)
def test_a_request_that_the_cluster_refuses_is_one_line_before_any_job(
    slurm: Slurm, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    workflow = cluster_workflow(slurm, tmp_path / "copy")
    before = set(slurm.jobs())
    done = workflow.run("results/phantom/siim.json", *options)
    assert done.returncode == 1
    assert len([line for line in done.stderr.splitlines() if said in line]) == 1
    assert set(slurm.jobs()) == before


def test_a_second_start_beside_the_jobs_of_a_killed_one_is_refused(slurm: Slurm, cohorts: ClusterWorkflow) -> None:
    with training(slurm, cohorts) as run:
        run.kill()
        run.wait()
        name = job_of(slurm, "train_base")
        again = cohorts.run(BASE, "--forcerun", "train_base")
        assert again.returncode != 0
        lines = [line for line in again.stderr.splitlines() if str(name) in line and "scancel" in line]
        assert len(lines) == 1, again.stderr[-4000:]
        slurm.query("scancel", str(name))
        wait_for("its end", lambda: job_of(slurm, "train_base") is None)
