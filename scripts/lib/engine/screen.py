"""What the screen says of failed jobs: one line each, the last thing that stands there. Commands and JSON stay in the log.

    log of train_controlnet: results/logs/train_controlnet/controlnet.log
    FAILED train_controlnet: reason -> do: what helps

Snakemake's own log file (.snakemake/log) keeps all that it says. Written for Snakemake 9.27.1; another whose screen has other
parts keeps its own words.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HANDLER = "DefaultStreamHandler"  # Snakemake's name for what writes to the screen
LAST_WORDS = "At least one job did not complete successfully"
# What Snakemake says between a failure and its end, which the last line says better.
COMMAND_FAILED = "CalledProcessError in file"  # the whole command with its settings
LEFT_OUT = (
    "Shutting down, this might take",
    "Exiting because a job execution failed",
    "Removing output files of failed",
)
ERROR_LINE = re.compile(r"^[\w.-]+: error: (.+)$", re.M)
RAISED = re.compile(r"^(?:[\w.]+\.)?(\w*(?:Error|Exception|Interrupt|Exit|Warning))\b:? ?(.*)$", re.M)
KILLED = re.compile(r"^(Killed|Terminated|Segmentation fault|Bus error|Aborted)\b", re.M)
# Words with which a line of this workflow begins to say what to do, after its last semicolon.
ADVICE = frozenset(
    [
        "add",
        "ask",
        "build",
        "change",
        "check",
        "choose",
        "copy",
        "correct",
        "delete",
        "draw",
        "end",
        "free",
        "get",
        "give",
        "keep",
        "leave",
        "lower",
        "make",
        "mend",
        "move",
        "name",
        "prepare",
        "put",
        "raise",
        "rebuild",
        "remake",
        "remove",
        "rename",
        "rerun",
        "run",
        "sample",
        "save",
        "score",
        "see",
        "set",
        "start",
        "stop",
        "take",
        "train",
        "try",
        "turn",
        "unset",
        "use",
        "validate",
        "wait",
        "write",
    ]
)
TAIL = 15  # lines of a log that are shown where its end is no line of this workflow
LONGEST = 400  # characters of a reason


def weigh_steps(share: Callable[[], float]) -> None:
    """Let the screen say beside the number of steps that are done what share of the work they are, 0 to 1."""
    from snakemake.logging import logger

    for handler in logger.handlers:
        if isinstance(handler.formatter, FailureFormatter):
            handler.formatter.share = share


@dataclass(frozen=True)
class Failure:
    """A failed job: its rule, its log files, why, and what helps."""

    rule: str
    logs: tuple[str, ...]
    reason: str
    todo: str

    def lines(self, count: int = 1) -> list[str]:
        """Return the line of its log and the line that tells of it, and of `count` jobs that failed in the same way."""
        more = f" ({count} jobs)" if count > 1 else ""
        logs = [f"log of {self.rule}: {', '.join(self.logs)}"] if self.logs else []
        return [*logs, f"FAILED {self.rule}{more}: {self.reason} -> do: {self.todo}"]


class FailureFormatter(logging.Formatter):
    """Snakemake's formatter, with one line in place of what it says of failed jobs."""

    def __init__(self, inner: logging.Formatter, show_logs: bool) -> None:
        super().__init__()
        self.inner, self.show_logs, self.failures = inner, show_logs, list[Failure]()
        self.share: Callable[[], float] | None = None  # of the work of this run that is done, 0 to 1

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record; "" leaves it out."""
        said = vars(record)
        if str(said.get("event") or "") == "job_error":
            return self._failed(str(said["rule_name"]), [str(file) for file in said["log"]])
        if str(said.get("event") or "") == "progress" and self.share is not None:
            share = 1.0 if said["done"] == said["total"] else min(self.share(), 0.99)
            return f"{said['done']} of {said['total']} steps done, {100 * share:.0f} % of the time"
        text = self.inner.format(record)
        if LAST_WORDS in text and self.failures:
            return "\n".join(["", *last_lines(self.failures)])
        if COMMAND_FAILED in text or (text.startswith(LEFT_OUT) and self.failures):
            return ""
        return text

    def _failed(self, rule: str, logs: Sequence[str]) -> str:
        text = "".join(Path(log).read_text(errors="replace") for log in logs if Path(log).is_file())
        self.failures.append(failure_of(rule, logs, text))
        named = ERROR_LINE.search(text) is not None
        tail = [] if named or not self.show_logs else [f"    {line}" for line in _printable(text)[-TAIL:]]
        return "\n".join(["", *tail, *self.failures[-1].lines()])


def tidy_screen() -> None:
    """Let the screen of this run tell each failure in one line; nothing changes where Snakemake has no such screen."""
    from snakemake.logging import logger

    for handler in logger.handlers:
        inner = handler.formatter
        if handler.name == HANDLER and inner is not None and not isinstance(inner, FailureFormatter):
            handler.setFormatter(FailureFormatter(inner, bool(getattr(inner, "show_failed_logs", False))))


def failure_of(rule: str, logs: Sequence[str], text: str) -> Failure:
    """Return what is to be told of a failed job, from what it wrote to its log."""
    return Failure(rule, tuple(logs), *_reason(text, logs))


def last_lines(failures: Sequence[Failure]) -> list[str]:
    """Return the lines of a run's failures, those of one rule and reason as one."""
    groups: dict[tuple[str, str], list[Failure]] = {}
    for failure in failures:
        groups.setdefault((failure.rule, failure.reason), []).append(failure)
    return [line for same in groups.values() for line in same[0].lines(len(same))]


def _reason(text: str, logs: Sequence[str]) -> tuple[str, str]:
    """Return why a job failed and what helps."""
    read = f"read {logs[0]}, then give the same command again" if logs else "give the same command again with --verbose"
    if lines := ERROR_LINE.findall(text):
        listed = text[text.rindex(lines[-1]) :].splitlines()[1:] if lines[-1].endswith("problems:") else []
        reason = " ".join([lines[-1], *(line for line in listed if line.startswith("- "))])
        before, _, after = reason.rpartition("; ")
        if before and after.split()[0].strip("`,") in ADVICE:
            return before, after
        return reason, "mend that, then give the same command again"
    if killed := KILLED.findall(text):
        return (
            f"it was ended by the system ({killed[-1]})",
            "give it more memory or fewer jobs at a time (--cores), then again",
        )
    if raised := RAISED.findall(text):
        name, what = raised[-1]
        return f"{name}: {what[:LONGEST]}".rstrip(": "), read
    if not _printable(text):
        return "it ended without a word, as a job does that the system ends for its memory", (
            "free memory, or give fewer --cores, then give the same command again"
        )
    return _printable(text)[-1][:LONGEST], read


def _printable(text: str) -> list[str]:
    """Return the lines of a log without progress bars, which end with a carriage return, and empty lines."""
    return [line for line in text.split("\n") if line.strip() and "\r" not in line and "%|" not in line]
