"""How far a run is, weighted by time: what each job will take, corrected by what this run's own jobs took.

Imported by the Snakemake that runs a study: standard library only.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

UNKNOWN_SECONDS = 2.0  # of a job of which no rate says anything: nearly all such jobs read and write tables
SHORT = (
    5.0  # expected seconds below which the start of a job is most of what it takes, so it says nothing of longer ones
)
LAST_BYTES = 4096  # of a log, in which its progress bar is looked for
# A bar of tqdm: its words, done/total, and the seconds that it still expects.
BAR = re.compile(r"(?:^|[\r\n])([^\r\n|%]*?):? +\d+%\|[^|]*\| (\d+)/(\d+) \[[\d:]+<([\d:?]+)")


class AnyJob(Protocol):
    """What counts of a job for the time by the clock: class Step, or a job of a plan."""

    @property
    def threads(self) -> int: ...

    @property
    def gpus(self) -> int: ...

    @property
    def needs(self) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class Step:
    """One job of a run: its rule, estimated seconds (None: not known), what it takes of cores and GPUs, and its log.

    `needs` are the jobs that it waits for, by their number in Snakemake.
    """

    rule: str
    seconds: float | None
    threads: int = 1
    gpus: int = 0
    needs: tuple[int, ...] = ()
    log: str | None = None


@dataclass(frozen=True)
class Bar:
    """A progress bar as a log shows it: what it counts, and the seconds that it expects (None: it does not say)."""

    words: str
    done: int
    total: int
    left: float | None


@dataclass(frozen=True)
class Outlook:
    """Share of the work that is done (0 to 1), and the seconds by the clock that are left at least.

    `known` says whether these are more than a guess: of a job that is left, something says how long it takes.
    """

    share: float
    left: float
    known: bool = True


def outlook(
    steps: Mapping[int, Step],
    took: Mapping[int, float],
    running: Mapping[int, float],
    cores: int,
    gpus: int = 0,
    bars: Mapping[int, Bar] | None = None,
) -> Outlook:
    """Return how far a run is.

    took     seconds that finished jobs took
    running  seconds for which the others have run
    bars     the progress bars of running jobs: a job does not end before its bar

    Jobs are weighted by processor seconds (threads times seconds). What is left by the clock is at least the longest chain
    of jobs that wait for each other, and at least all work divided by the cores, or GPUs.
    """
    bars = bars or {}
    late = {}  # running jobs that take longer than expected: the same will be true of those that come
    for number, elapsed in running.items():
        bar, known = bars.get(number), steps[number].seconds if number in steps else None
        least = elapsed + (bar.left or 0.0 if bar else 0.0)
        if known and least > known:
            late[number] = least
    expected = dict(_corrected(steps, {**late, **took}))
    left: dict[int, float] = {}
    for number in steps:
        elapsed = running.get(number, 0.0)
        rest = 0.0 if number in took else max(expected[number] - elapsed, 0.05 * elapsed)
        bar = bars.get(number)
        left[number] = max(rest, bar.left or 0.0) if bar and number not in took else rest
    spent = {number: took.get(number, running.get(number, 0.0)) for number in steps}
    work_left = sum(left[number] * step.threads for number, step in steps.items())
    work_done = sum(spent[number] * step.threads for number, step in steps.items())
    whole = work_done + work_left
    known = not running or any(_told(number, steps, took, bars) for number in steps.keys() - took.keys())
    return Outlook(work_done / whole if whole else 1.0, least_seconds(steps, left, cores, gpus), known)


def _told(number: int, steps: Mapping[int, Step], took: Mapping[int, float], bars: Mapping[int, Bar]) -> bool:
    """Whether a rate, its bar, or another job of its rule says how long a job takes that does anything at all."""
    seconds, rule = steps[number].seconds, steps[number].rule
    return (seconds or 0.0) >= 1.0 or number in bars or any(n in steps and steps[n].rule == rule for n in took)


def _corrected(steps: Mapping[int, Step], took: Mapping[int, float]) -> Iterator[tuple[int, float]]:
    """Yield each job's expected seconds: its estimate times what this run's jobs of its rule, else all long ones, took longer.

    A job without an estimate is expected to take what the others of its rule took.
    """
    real, estimated, counts = defaultdict[str, float](float), defaultdict[str, float](float), defaultdict[str, int](int)
    means = defaultdict[str, list[float]](list)
    for number, seconds in took.items():
        if (step := steps.get(number)) is None:
            continue
        means[step.rule].append(seconds)
        if step.seconds:
            for key in (step.rule, "") if step.seconds >= SHORT else (step.rule,):
                real[key], estimated[key], counts[key] = (
                    real[key] + seconds,
                    estimated[key] + step.seconds,
                    counts[key] + 1,
                )
    for number, step in steps.items():
        kind = step.rule if counts[step.rule] else ""
        pace = real[kind] / estimated[kind] if estimated[kind] else 1.0
        if step.seconds:
            yield number, step.seconds * pace
        elif known := means[step.rule]:
            yield number, sum(known) / len(known)
        else:
            yield number, UNKNOWN_SECONDS


def least_seconds(jobs: Mapping[int, AnyJob], seconds: Mapping[int, float], cores: int, gpus: int) -> float:
    """Return the least time by the clock: the longest chain of jobs, or all cores or GPUs busy all the time.

    A job that asks for a GPU counts for the GPUs where there are any, else for the cores. `seconds` of each job.
    """
    on_cpu = sum(seconds[n] * min(job.threads, cores) for n, job in jobs.items() if not (gpus and job.gpus)) / cores
    on_gpu = sum(seconds[n] * job.gpus for n, job in jobs.items()) / gpus if gpus else 0.0
    return max(_longest_chain(jobs, seconds), on_cpu, on_gpu)


def _longest_chain(jobs: Mapping[int, AnyJob], seconds: Mapping[int, float]) -> float:
    """Return the seconds of the longest chain of jobs that wait for each other."""
    ends: dict[int, float] = {}
    stack = list(jobs)
    while stack:  # a job's end is known once those of all that it waits for are
        here = stack[-1]
        waiting = [need for need in jobs[here].needs if need in jobs and need not in ends]
        if here in ends or not waiting:
            stack.pop()
            ends.setdefault(here, seconds[here] + max((ends[n] for n in jobs[here].needs if n in ends), default=0.0))
        else:
            stack += waiting
    return max(ends.values(), default=0.0)


def read_bar(path: str | Path) -> Bar | None:
    """Return the last progress bar of a log; None where it has none (yet)."""
    try:
        with Path(path).open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - LAST_BYTES))
            text = stream.read().decode(errors="replace")
    except OSError:
        return None  # it has not begun to write
    bars = BAR.findall(text)
    if not bars:
        return None
    words, done, total, left = bars[-1]
    return Bar(words.strip(), int(done), int(total), _seconds(left))


def _seconds(text: str) -> float | None:
    """Return the seconds of "MM:SS" or "HH:MM:SS"; None for "?"."""
    if "?" in text:
        return None
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + int(part or 0)
    return seconds


def duration(seconds: float) -> str:
    """Return seconds as people say them: "40 s", "5 min", "2 h 10 min"."""
    if seconds < 55:
        return f"{max(5, 5 * round(seconds / 5))} s"
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def running_line(rule: str, bar: Bar | None, elapsed: float, expected: float | None) -> str:
    """Return what one job does: "train_base unet 312/650, about 5 min"."""
    left = bar.left if bar and bar.left is not None else None if expected is None else max(0.0, expected - elapsed)
    counted = ""
    if bar:
        words = bar.words if bar.words.startswith(rule) else f"{rule} {bar.words}".strip()
        counted = f"{words} {bar.done}/{bar.total}"
    when = f"about {duration(left)}" if left else f"for {duration(elapsed)}"
    return f"{counted or rule}, {when}"


def study_line(lines: Sequence[str], found: Outlook | None) -> str:
    """Return the heartbeat: what runs, at most three jobs, how far the study is and what is left, where that is known."""
    shown = [*lines[:3], *([f"and {len(lines) - 3} more"] if len(lines) > 3 else [])]
    if found is not None and found.known:
        shown.append(f"study {100 * min(found.share, 0.99):.0f} %, about {duration(found.left)} left")
    return "; ".join(shown)
