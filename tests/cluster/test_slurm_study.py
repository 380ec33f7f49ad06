"""The tiny study through profiles/slurm on a real SLURM, with faults on the way: the bytes of a run without a scheduler."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.cluster.conftest import ClusterWorkflow, cluster_workflow
from tests.cluster.slurm import Slurm, wait_for
from tests.conftest import Workflow
from tests.workflow.test_killed_workflow import digests

pytestmark = pytest.mark.cluster
TARGETS = ("figure3", "figures", "all", "evidence")  # those of `finished`
SAY_WHERE = ("methods.md", "report.json")  # on what a run was made
LONG = 1800  # seconds for the whole study on a slow machine


def processes_of(slurm: Slurm, script: str) -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    """Yield the processes that compute `script` in a job of this cluster, with their environment."""
    for process in psutil.process_iter():
        try:
            words, environment = process.cmdline(), process.environ()
        except psutil.Error:
            continue
        computes = "-m" in words and f"scripts.{script}" in words and "scripts.lib.engine.gpu_slot" not in words
        if computes and "SLURM_JOB_ID" in environment and str(slurm.root) in environment.get("PATH", ""):
            yield process, environment


def job_of(slurm: Slurm, rule: str) -> str | None:
    """Return the id of a running job of a rule."""
    found = [name for name, (state, comment) in slurm.jobs().items() if state == "RUNNING" and rule in comment]
    return found[0] if found else None


class Watch(threading.Thread):
    """Look at the GPUs of running jobs until the end, twice a second: {device: jobs} at each look."""

    def __init__(self, slurm: Slurm) -> None:
        super().__init__(daemon=True)
        self.slurm, self.over, self.looks = slurm, threading.Event(), []

    def run(self) -> None:
        while not self.over.wait(0.5):
            holders = defaultdict(set)
            for script in ("sample_pool", "train_trials", "score_pool", "train_base", "train_controlnet"):
                for _, environment in processes_of(self.slurm, script):
                    holders[environment.get("CUDA_VISIBLE_DEVICES")].add(environment["SLURM_JOB_ID"])
            self.looks.append(dict(holders))


def reach(
    what: str, workflow: ClusterWorkflow, run: subprocess.Popen[str], found: Callable[[], object], patience: float
) -> None:
    """Wait until something is found while a run goes on; a run that ends before says why in its log."""
    wait_for(what, lambda: found() or run.poll() is not None, patience)
    assert run.poll() is None, f"the run ended with {run.returncode} before there was {what}:\n{workflow.log[-8000:]}"


def cancel_a_job(slurm: Slurm, workflow: ClusterWorkflow, run: subprocess.Popen[str]) -> None:
    reach("a running prepare_cohort", workflow, run, lambda: job_of(slurm, "prepare_cohort"), 300)
    slurm.query("scancel", str(job_of(slurm, "prepare_cohort")))


def kill_a_step(slurm: Slurm, workflow: ClusterWorkflow, run: subprocess.Popen[str], script: str) -> None:
    reach(f"a running {script}", workflow, run, lambda: any(processes_of(slurm, script)), 600)
    process, _ = next(processes_of(slurm, script))
    process.send_signal(signal.SIGKILL)


def restart_the_controller(slurm: Slurm) -> None:
    slurm.stop_controller()
    time.sleep(8)  # a few questions after the jobs' states go unanswered
    slurm.start_controller()


def test_a_study_with_faults_gives_the_bytes_of_a_local_run(
    slurm: Slurm, finished: Workflow, tmp_path_factory: pytest.TempPathFactory
) -> None:
    workflow = cluster_workflow(slurm, tmp_path_factory.mktemp("slurm-study") / "copy")
    run, watch = workflow.start(*TARGETS), Watch(slurm)
    watch.start()
    try:
        cancel_a_job(slurm, workflow, run)
        kill_a_step(slurm, workflow, run, "train_base")
        restart_the_controller(slurm)
        kill_a_step(slurm, workflow, run, "sample_pool")
        status = run.wait(LONG)
    finally:
        run.kill()
        watch.over.set()
    assert status == 0, workflow.log[-8000:]
    assert workflow.log.count("Trying to restart job") >= 3
    assert workflow.run("all", "report").returncode == 0  # the page comes last, as in `finished`
    mine, local = digests(workflow.root / "results"), digests(finished.root / "results")
    assert mine.keys() == local.keys()
    assert [name for name in mine if mine[name] != local[name] and name not in SAY_WHERE] == []
    records = [json.loads((one.root / "results" / "report.json").read_text()) for one in (workflow, finished)]
    assert [record["config"]["compute"].pop("gpus") for record in records] == [1, 0]
    assert records[0] == records[1]
    assert " on one GPU. " in " ".join((workflow.root / "results" / "methods.md").read_text().split())
    assert "Nothing to be done" in workflow.run(*TARGETS).stderr
    assert_distinct_gpus(watch)
    assert_grouped(workflow.log)


def assert_distinct_gpus(watch: Watch) -> None:
    """Every job had one device, never that of another job, and both were in use."""
    seen = {device for look in watch.looks for device in look}
    assert seen == {"0", "1"}
    crowded = [look for look in watch.looks if any(len(jobs) > 1 for jobs in look.values())]
    assert crowded == []


def assert_grouped(log: str) -> None:
    """Jobs of seconds went together: their SLURM logs are those of a group."""
    groups = set(re.findall(r"slurm_logs/group_(\w+)/", log))
    assert {"conditions_build_conditions", "sheets_draw_sheet"} < groups
    assert any(name.startswith("subsets_") and "draw_subsets" in name for name in groups)
    assert not re.findall(r"slurm_logs/rule_(draw_sheet|build_conditions|draw_subsets|score_trials)/", log)
