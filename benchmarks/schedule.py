"""How long a study takes on some cores, from the processor seconds of its jobs: no machine with so many cores is needed.

The jobs and what they wait for are asked of Snakemake; their seconds come from a run's benchmark files, else from the mean of
the rule there, else from --other. Ready jobs start by the priority of their rule, then in the order of the list, as the greedy
scheduler does. --seconds sets what a rule's jobs take, --threads-of the cores of one of them (its seconds are divided by them
times --efficiency).

    python -m benchmarks.schedule --results results --cores 2 4 8 --seconds train_base=300 --threads-of train_base=2
"""

from __future__ import annotations

import heapq
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.lib.engine.commands import make_parser, run
from scripts.lib.planning.jobs import Job, list_jobs
from scripts.lib.planning.records import read_benchmark

ROOT = Path(__file__).resolve().parents[1]


def priorities(folder: Path) -> dict[str, int]:
    """Return the priority of each rule that states one."""
    found: dict[str, int] = {}
    for path in sorted(folder.glob("*.smk")):
        for part in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            if stated := re.search(r"^    priority: (\d+)", part, re.MULTILINE):
                found[part.split(":")[0]] = int(stated[1])
    return found


def job_seconds(jobs: Sequence[Job], results: Path, given: Mapping[str, float], other: float) -> list[float]:
    """Return the processor seconds of each job; those of a target alone are 0."""
    known: list[float | None] = []
    of_rule: dict[str, list[float]] = defaultdict(list)
    for job in jobs:
        measured = read_benchmark(results.parent / job.benchmark) if job.benchmark else None
        spent = measured.cpu_seconds if measured and not math.isnan(measured.cpu_seconds) else None
        known.append(spent)
        if spent is not None:
            of_rule[job.rule].append(spent)
    means = {rule: sum(values) / len(values) for rule, values in of_rule.items()} | {"": other}
    return [
        given.get(job.rule, found if found is not None else means.get(job.rule, other)) if any(job.outputs) else 0.0
        for job, found in zip(jobs, known)
    ]


def simulate(
    jobs: Sequence[Job], seconds: Sequence[float], threads: Sequence[int], priority: Mapping[str, int], cores: int
) -> float:
    """Return when the last job ends on so many cores, in seconds; a job asks for no more cores than there are."""
    waits = [len(job.needs) for job in jobs]
    after: dict[int, list[int]] = defaultdict(list)
    for number, job in enumerate(jobs):
        for need in job.needs:
            after[need].append(number)
    ready = sorted(number for number, count in enumerate(waits) if not count)
    running: list[tuple[float, int]] = []
    now, free = 0.0, cores
    while ready or running:
        for number in sorted(ready, key=lambda number: (-priority.get(jobs[number].rule, 0), number)):
            if (asked := min(threads[number], cores)) <= free:
                ready.remove(number)
                free -= asked
                heapq.heappush(running, (now + seconds[number], number))
        now, done = heapq.heappop(running)
        free += min(threads[done], cores)
        for number in after[done]:
            waits[number] -= 1
            if not waits[number]:
                ready.append(number)
    return now


def longest_chain(jobs: Sequence[Job], seconds: Sequence[float]) -> list[int]:
    """Return the numbers of the jobs of the chain that takes longest, the first first."""
    ends: dict[int, tuple[float, int | None]] = {}

    def end(number: int) -> float:
        if number not in ends:
            before = max(jobs[number].needs, key=end, default=None)
            ends[number] = (seconds[number] + (0.0 if before is None else end(before)), before)
        return ends[number][0]

    here: int | None = max(range(len(jobs)), key=end)
    chain = []
    while here is not None:
        chain.append(here)
        here = ends[here][1]
    return chain[::-1]


def pair(text: str) -> tuple[str, float]:
    """Return RULE and number of RULE=NUMBER."""
    rule, _, value = text.partition("=")
    return rule, float(value)


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="results folder of a run (default results)"
    )
    parser.add_argument("--overlays", type=Path, nargs="*", default=[], help="studies on top of config.yaml")
    parser.add_argument("--targets", nargs="*", default=[], help="what is made (default all)")
    parser.add_argument("--cores", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--seconds", type=pair, nargs="*", default=[], help="RULE=SECONDS of each of its jobs")
    parser.add_argument("--factor", type=pair, nargs="*", default=[], help="RULE=NUMBER that multiplies them")
    parser.add_argument("--threads-of", type=pair, nargs="*", default=[], help="RULE=THREADS (default 1)")
    parser.add_argument("--efficiency", type=float, default=0.72, help="of each thread of several (default .72)")
    parser.add_argument("--other", type=float, default=1.5, help="seconds of a job of which nothing is known")
    options = parser.parse_args(argv)
    jobs = list_jobs(options.overlays, options.targets, max(options.cores))
    factors, asked = dict(options.factor), dict(options.threads_of)
    spent = job_seconds(jobs, options.results.resolve(), dict(options.seconds), options.other)
    spent = [value * factors.get(job.rule, 1.0) for job, value in zip(jobs, spent)]
    threads = [int(asked.get(job.rule, 1)) for job in jobs]
    clock = [value / (count * options.efficiency if count > 1 else 1) for value, count in zip(spent, threads)]
    totals: dict[str, float] = defaultdict(float)
    for job, value in zip(jobs, spent):
        totals[job.rule] += value
    print(f"{len(jobs)} jobs, {sum(spent):.0f} processor seconds:", end=" ")
    print(", ".join(f"{rule} {totals[rule]:.0f}" for rule in sorted(totals, key=lambda rule: -totals[rule])[:12]))
    chain = longest_chain(jobs, clock)
    print(
        f"longest chain {sum(clock[n] for n in chain):.0f} s:",
        ", ".join(f"{jobs[n].rule} {clock[n]:.0f}" for n in chain),
    )
    for cores in options.cores:
        print(f"{cores} cores: {simulate(jobs, clock, threads, priorities(ROOT / 'rules'), cores):.0f} s")


if __name__ == "__main__":
    run(main)
