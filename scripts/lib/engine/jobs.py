"""Jobs of a Snakemake that was killed: they run on, and a second start would run them twice at once, so it is refused.

Asked are SLURM's queue, the status command of a cluster-generic profile, and the processes of this machine: every process
that a run starts inherits in SYNTHORAX_RUN the path of the run's record.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.engine.locks import dead_runs, holders
from scripts.lib.engine.records import Run, others

MARK = "SYNTHORAX_RUN"
SLURM, GENERIC = "slurm", "cluster-generic"
PATIENCE = 60  # seconds for an answer of the scheduler
DYING = 1.0  # seconds in which processes that were killed together with their Snakemake are gone
NAMED = 5  # jobs named in a line
ENGINE, SHELLS = "snakemake", ("sh", "bash", "dash", "zsh", "setsid")
LISTED = 20  # ids in the command that ends them
# The SLURM plugin calls all jobs of a run by one UUID, behind a prefix of the user's choice.
SLURM_NAME = re.compile(r"(.*_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class RunningJob:
    """A job that still runs: the id by which its scheduler, or this machine, knows it; its rule; its state."""

    name: str
    rule: str
    state: str = "running"
    group: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.rule} ({self.state})"


def mark_children(run: Run) -> None:
    """Let every process that this one starts from now on inherit which run it belongs to."""
    os.environ[MARK] = str(run.folder)


def refuse_running_jobs(run: Run, facts: Mapping[str, Any], patience: float = PATIENCE) -> None:
    """Raise InputError when jobs of a killed run of this folder still run; afterwards forget the killed runs.

    `facts` says how this run's jobs will run, as the records of the killed ones do:
    executor         local, slurm or cluster-generic
    status, cancel   commands of cluster-generic: one prints running, success or failed for an id, one ends the jobs of ids
    """
    asked = True
    starts = [facts, *filter(None, (other.started for other in dead_runs(run)))]
    if not holders(run):  # the jobs of a live Snakemake are its own
        if SLURM in [one["executor"] for one in starts]:
            asked = _refuse_slurm(facts["executor"], patience)
        for status, cancel in {(one["status"], one["cancel"]) for one in starts if one.get("status")}:
            _refuse_generic(run.folder.parents[1], status, cancel, patience)
    _refuse_local(run)
    if asked:
        for other in dead_runs(run):
            other.forget()


def _refuse_slurm(executor: str, patience: float) -> bool:
    """Return whether SLURM could be asked; a run that needs it is refused when it could not."""
    try:
        jobs = slurm_jobs(Path.cwd(), patience)
    except InputError:
        if executor == SLURM:
            raise
        return False
    if len(jobs) <= LISTED:
        # 18_[0-3] are the tasks of an array that wait; `scancel 18` ends the whole array.
        end = f"scancel {' '.join(dict.fromkeys(job.name.split('_[')[0] for job in jobs))}"
    else:
        end = "; ".join(f"scancel --name={name}" for name in sorted({job.group for job in jobs}))
    _refuse(jobs, "in SLURM's queue", end)
    return True


def slurm_jobs(folder: Path, patience: float = PATIENCE) -> list[RunningJob]:
    """Return the user's jobs in SLURM's queue that a Snakemake has submitted from `folder`.

    Raises InputError when squeue is missing, fails, or does not answer within `patience` seconds.
    """
    command = ["squeue", "--me", "--noheader", "--format=%i|%T|%j|%Z|%k"]
    hint = "without it nobody knows whether jobs of a killed run are alive; start from a login node, or when it answers"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience, check=False)
    except FileNotFoundError:
        raise InputError(f"squeue: not found on PATH; {hint}") from None
    except subprocess.TimeoutExpired:
        raise InputError(f"squeue: no answer within {patience:g} s; {hint}") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1].removeprefix("squeue: ")
        raise InputError(f"squeue: {said}; {hint}")
    jobs = []
    for line in done.stdout.splitlines():
        fields = line.split("|", 4)
        if len(fields) != 5 or not SLURM_NAME.fullmatch(fields[2].strip()):
            continue
        name, state, group, where, comment = (field.strip() for field in fields)
        if os.path.realpath(where) == os.path.realpath(folder):
            rule = comment.removeprefix("rule_").split("_wildcards_")[0]
            jobs.append(RunningJob(name, rule if comment.startswith("rule_") else "job", state, group))
    return jobs


def _refuse_generic(folder: Path, status: str, cancel: str | None, patience: float) -> None:
    jobs = generic_jobs(folder, status, patience)
    names = " ".join(shlex.quote(job.name) for job in jobs[:LISTED]) + (" ..." if len(jobs) > LISTED else "")
    _refuse(jobs, "at the scheduler", f"{shlex.quote(cancel)} {names}" if cancel else names)


def generic_jobs(folder: Path, command: str, patience: float = PATIENCE) -> list[RunningJob]:
    """Return the jobs that Snakemake's notes in `folder` (.snakemake) call unfinished and `command` calls running.

    Raises InputError when the command does not answer within `patience` seconds.
    """
    jobs = []
    for name, rule in _submitted(folder).items():
        try:
            done = subprocess.run(
                f"{command} {shlex.quote(name)}",
                shell=True,
                capture_output=True,
                text=True,
                timeout=patience,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise InputError(
                f"{command} {name}: no answer within {patience:g} s; without it nobody knows whether this job of a killed "
                "run is alive; start again when the scheduler answers"
            ) from None
        if done.stdout.strip() == "running":
            jobs.append(RunningJob(name, rule))
    return jobs


def _submitted(folder: Path) -> dict[str, str]:
    """Return {id: rule or output} of jobs that were submitted and not seen to end."""
    submitted: dict[str, str] = {}
    for path in sorted((folder / "incomplete").rglob("*")):
        if not path.is_file():
            continue
        try:
            name = json.loads(path.read_text()).get("external_jobid")
        except (OSError, ValueError, AttributeError):
            continue
        if name:
            submitted.setdefault(str(name), "job")
    for path in sorted((folder / "generic").glob("*.pid")):
        if not path.with_suffix(".done").exists():
            submitted[os.path.relpath(path.with_suffix(""))] = path.name.split(".")[0]
    return submitted


def _refuse_local(run: Run) -> None:
    jobs = local_jobs(run)
    if jobs:
        time.sleep(DYING)
        jobs = local_jobs(run)
    pids = " ".join(job.name for job in jobs[:LISTED]) + (" ..." if len(jobs) > LISTED else "")
    _refuse(jobs, "on this machine", f"kill {pids}")


def local_jobs(run: Run) -> list[RunningJob]:
    """Return the processes of this machine that do jobs of this folder and whose Snakemake no longer lives.

    Named is the process that computes (`python -m scripts.x`), or the Snakemake of a job that is only about to; what it
    has started ends with it, and the shells above it end after it.
    """
    import psutil

    alive = {str(run.folder), *(str(one.folder) for one in others(run) if one.alive())}
    runs = f"{run.folder.parent}{os.sep}"
    ancestors = {process.pid for process in (psutil.Process(), *psutil.Process().parents())}
    running: dict[int, str] = {}
    parents: dict[int, list[int]] = {}
    for process in psutil.process_iter():
        try:
            mark = process.environ().get(MARK, "")
            if process.pid in ancestors or not mark.startswith(runs) or mark in alive:
                continue
            if process.status() != psutil.STATUS_ZOMBIE and (rule := _rule_of(process.cmdline())):
                running[process.pid] = rule
                parents[process.pid] = [parent.pid for parent in process.parents()]
        except (psutil.Error, OSError):
            continue  # it ended this moment, or belongs to somebody else
    computing = {pid for pid, rule in running.items() if rule != ENGINE}
    above = {parent for pid in computing for parent in parents[pid]}
    top = {pid for pid in computing if computing.isdisjoint(parents[pid])}
    top |= {pid for pid in running.keys() - computing - above if computing.isdisjoint(parents[pid])}
    return [RunningJob(str(pid), running[pid], "process") for pid in sorted(top)]


def _rule_of(command: Sequence[str]) -> str | None:
    """Return which script a process runs, ENGINE for the Snakemake of a job, None for a shell or anything else.

    What a run starts for itself (`-m scripts.lib...`, the planner's prices) is no job, though it names a folder .snakemake.
    """
    if not command or Path(command[0]).name in SHELLS:
        return None
    words = " ".join(command)
    if match := re.search(r"-m scripts\.(?!lib\b)(\w+)", words):
        return match.group(1)
    if "-m scripts.lib." in words:
        return None
    return ENGINE if any("snakemake" in word for word in command[:4]) else None


def _refuse(jobs: Sequence[RunningJob], where: str, end: str) -> None:
    if not jobs:
        return
    more = f" and {len(jobs) - NAMED} more" if len(jobs) > NAMED else ""
    raise InputError(
        f"{len(jobs)} job{'s' * (len(jobs) > 1)} of an earlier Snakemake in {Path.cwd()} still run{'s' * (len(jobs) == 1)} "
        f"{where} and would run twice: {', '.join(map(str, jobs[:NAMED]))}{more}; wait until they end, or end them: {end}"
    )
