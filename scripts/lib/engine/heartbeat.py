"""What a run says while it works: a line a minute on the screen, and the same in a file for `make status`.

    train_base unet 312/650, about 5 min; study 34 %, about 19 min left

A thread of the Snakemake that somebody has started looks at its jobs; the jobs themselves know nothing of it. Imported with
the Snakefile: standard library only, the planner's rates are asked in a process of its own.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.lib.core.errors import InputError
from scripts.lib.engine.progress import Bar, Outlook, Step, duration, outlook, read_bar, running_line, study_line
from scripts.lib.engine.screen import weigh_steps
from scripts.lib.study.processor import AUTO, BF16, FP32, precision_here

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

    from scripts.lib.engine.records import Run

ASKED, ANSWER = "jobs.json", "seconds.json"
STATUS = "status.json"  # in the record of a run, .snakemake/runs/{run}/
EVERY = 60.0  # seconds between two lines on the screen
LOOK = 10.0  # seconds between two looks at the jobs
ASKED_AFTER = 30.0  # seconds of a run before the planner is asked, who builds networks: many runs end before
COUNTED = "prepare_cohort"  # the rule after which it is known how many films a study has
# The class of machines whose rates a run begins with, by its precision where it has no GPU; its own jobs correct them.
CPU_CLASSES, GPU_CLASS = {FP32: "cpu-2core", BF16: "cpu-2core-bf16"}, "h200"


class Heartbeat(logging.Handler):
    """The times of a run's jobs, taken from what Snakemake says of them, and the lines that follow from them."""

    def __init__(self, steps: Mapping[int, Step], cores: int, gpus: int) -> None:
        super().__init__(logging.INFO)
        self.steps, self.cores, self.gpus = dict(steps), cores, gpus
        self.begun, self.took, self.failed = dict[int, float](), dict[int, float](), list[int]()
        self.answered = False  # whether the planner has said what the jobs take: before, what is left would be a guess

    def emit(self, record: logging.LogRecord) -> None:
        """Take the beginning or end of a job."""
        said, now = vars(record), time.monotonic()
        event = str(said.get("event") or "")
        if event == "job_info":
            self.begun[int(said["jobid"])] = now
        elif event == "job_finished":
            number = int(said["job_id"])
            self.took[number] = now - self.begun.pop(number, now)
        elif event == "job_error":
            self.begun.pop(int(said["jobid"]), None)
            self.failed.append(int(said["jobid"]))

    def priced(self, seconds: Mapping[str, float | None]) -> None:
        """Take what the planner expects of each job."""
        for number, step in list(self.steps.items()):
            known = seconds.get(str(number))
            self.steps[number] = Step(step.rule, known, step.threads, step.gpus, step.needs, step.log)

    def is_counted(self) -> bool:
        """Whether this run has prepared all of its films."""
        counting = [number for number, step in self.steps.items() if step.rule == COUNTED]
        return bool(counting) and all(number in self.took for number in counting)

    def look(self) -> tuple[list[str], Outlook]:
        """Return a line for each running job, the longest first, and how far the run is."""
        now, bars = time.monotonic(), dict[int, Bar]()
        running = {number: now - begun for number, begun in list(self.begun.items()) if number in self.steps}
        for number in running:
            if (log := self.steps[number].log) and (bar := read_bar(log)):
                bars[number] = bar
        view = outlook(self.steps, dict(self.took), running, self.cores, self.gpus, bars)
        order = sorted(running, key=lambda number: -running[number])
        lines = [running_line(self.steps[n].rule, bars.get(n), running[n], self.steps[n].seconds) for n in order]
        return lines, view

    def status(self) -> dict[str, Any]:
        """Return what `make status` shows."""
        lines, view = self.look()
        order = sorted(self.begun, key=lambda number: self.begun[number])
        logs = [log for number in order if number in self.steps and (log := self.steps[number].log)]
        failed = [{"rule": self.steps[n].rule, "log": self.steps[n].log} for n in self.failed if n in self.steps]
        return {
            "time": time.time(), "answered": self.answered and view.known, "steps": len(self.steps), "done": len(self.took), "share": round(view.share, 4),
            "left": round(view.left, 1), "running": lines, "logs": logs, "failed": failed,
        }  # fmt: skip


def begin_heartbeat(run: Run, workflow: Workflow, config: Mapping[str, Any]) -> None:
    """Let a run tell how far it is, from its first job on."""
    from snakemake.logging import logger

    cores, gpus = workflow.resource_settings.cores, config["compute"]["gpus"]
    limit = getattr(workflow.global_resources.get("gpu"), "value", None)
    cores = cores if isinstance(cores, int) and cores > 0 else os.cpu_count() or 1
    heart = Heartbeat(_steps(workflow), cores, (limit or gpus) if gpus else 0)
    logger.addHandler(heart)
    weigh_steps(lambda: heart.look()[1].share)
    question: dict[str, Any] = {
        "config": dict(config),
        "results": "results",
        "machine": GPU_CLASS if gpus else None,  # of a processor it is known when the planner is asked
    }
    question["jobs"] = {dag_number(workflow, job): _described(job) for job in workflow.dag.needrun_jobs()}
    threading.Thread(target=_beat, args=(heart, run.folder, question, logger), daemon=True, name="heartbeat").start()


def dag_number(workflow: Workflow, job: Any) -> int:
    """Return the number by which Snakemake tells a job."""
    return int(workflow.dag.jobid(job))


def _steps(workflow: Workflow) -> dict[int, Step]:
    """Return the jobs of a run; those of a target alone, which compute nothing, take no time."""
    jobs = list(workflow.dag.needrun_jobs())
    numbers = {job: dag_number(workflow, job) for job in jobs}
    return {
        numbers[job]: Step(
            job.rule.name,
            None if job.output else 1e-3,
            threads=_whole(job.rule.resources.get("_cores"), 1),
            needs=tuple(numbers[need] for need in workflow.dag.dependencies[job] if need in numbers),
            gpus=_whole(job.rule.resources.get("gpu"), 0),
            log=str(job.log[0]) if job.log else None,
        )
        for job in jobs
    }


def _whole(value: Any, other: int) -> int:
    """Return a resource of a rule as a number; `other` where it is not known before the job starts."""
    value = getattr(value, "value", value)
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else other


def _described(job: Any) -> dict[str, Any]:
    return {
        "rule": job.rule.name,
        "wildcards": {str(key): str(value) for key, value in job.wildcards_dict.items()},
        "threads": 1,
        "gpus": _whole(job.rule.resources.get("gpu"), 0),
        "outputs": [str(file) for file in job.output],
    }


def _beat(heart: Heartbeat, folder: Path, question: Mapping[str, Any], logger: logging.Logger) -> None:
    """Look at the jobs until the run ends; say something once a minute.

    The planner is asked twice where the run still prepares films then: at once, and when their numbers are known.
    """
    planner: subprocess.Popen[str] | None = None
    counted: bool | None = None  # whether the films were counted when the planner was asked last
    begun = said = time.monotonic()
    while folder.is_dir():  # it goes away with the run
        if planner is None and time.monotonic() - begun >= ASKED_AFTER and heart.is_counted() != counted:
            counted, planner = heart.is_counted(), _ask_planner(folder, question)
            heart.answered |= planner is None
        if planner is not None and planner.poll() is not None:
            if (why := _answer(heart, folder, planner)) is not None:
                logger.info(f"No planner's rates for this run ({why}); it goes by its own jobs")
            planner, heart.answered = None, True
        try:
            _write(folder / STATUS, heart.status())
        except OSError:
            return  # the run has ended, or its disk is full: its jobs say so
        if time.monotonic() - said >= EVERY and heart.begun:
            lines, view = heart.look()
            logger.info(study_line(lines, view if heart.answered else None))
            said = time.monotonic()
        time.sleep(LOOK)


def processor_class(asked: str) -> str:
    """Return the class of machines without a GPU that computes in the precision `asked` for, auto: as this folder was begun."""
    try:
        return CPU_CLASSES[precision_here(0, dry=True) if asked == AUTO else asked]
    except InputError:  # a damaged file: the job that needs it says so
        return CPU_CLASSES[FP32]


def _ask_planner(folder: Path, question: Mapping[str, Any]) -> subprocess.Popen[str] | None:
    """Ask for the seconds of the jobs, at low priority; None where the question cannot be written."""
    machine = question["machine"] or processor_class(question["config"]["training"]["precision"])
    try:
        _write(folder / ASKED, {**question, "machine": machine})
    except OSError:
        return None
    command = [sys.executable, "-m", "scripts.lib.planning.seconds", str(folder / ASKED), str(folder / ANSWER)]
    planner = subprocess.Popen(["nice", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    atexit.register(planner.kill)  # nobody reads the answer once the run has ended
    return planner


def _answer(heart: Heartbeat, folder: Path, planner: subprocess.Popen[str]) -> str | None:
    """Take the planner's answer; return why there is none."""
    words = planner.stderr.read().strip().splitlines() if planner.stderr else []
    if planner.returncode:
        return (words or ["no reason given"])[-1][:200]
    try:
        heart.priced(json.loads((folder / ANSWER).read_text()))
    except OSError as error:
        return str(error)
    return None


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a small file whole; no fsync, for it is worth nothing after a crash."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(dict(content)))
    new.replace(path)


def status_lines(status: Mapping[str, Any], now: float) -> list[str]:
    """Return what `make status` prints of one run."""
    share, left = 100 * min(float(status["share"]), 0.99), duration(float(status["left"]))
    known = f"{share:.0f} % of the time, about {left} left" if status["answered"] else "what is left is not known yet"
    lines = [f"{status['done']} of {status['steps']} steps done, {known}"]
    lines += [f"  runs    {line}" for line in status["running"]]
    lines += [f"  log     {log}" for log in status["logs"]]
    lines += [f"  FAILED  {one['rule']}: read {one['log']}" for one in status["failed"]]
    if (age := now - float(status["time"])) > 60:
        lines.append(f"  (told {duration(age)} ago; the run no longer says anything)")
    return lines
