"""The simulated clock of a study: by hand, on a few jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.schedule import ROOT, job_seconds, longest_chain, priorities, simulate
from scripts.lib.planning.jobs import Job


def job(rule: str, *needs: int, benchmark: str | None = None, outputs: tuple[str, ...] = ("x",)) -> Job:
    return Job(rule, {}, needs, 1, 0, benchmark, outputs)


# first 3 s; then train 4 s; beside them four small jobs of 2 s that need nothing; last 1 s needs all.
JOBS = [job("first"), job("train", 0), *(job("small") for _ in range(4)), job("last", 1, 2, 3, 4, 5)]
SECONDS = [3.0, 4.0, 2.0, 2.0, 2.0, 2.0, 1.0]
ONES = [1] * 7


@pytest.mark.parametrize(
    ("cores", "threads", "expected"),
    [
        (1, ONES, 16.0),  # 3 + 4 + 4 x 2 + 1
        (2, ONES, 9.0),  # one core: 3 + 4, the other 4 x 2 = 8; then 1
        (8, ONES, 8.0),  # the chain 3 + 4 + 1
        # train waits until both cores are free: first 0-3, small 0-2, 2-4, 3-5, 4-6, train 6-10, last 10-11
        (2, [1, 2, 1, 1, 1, 1, 1], 11.0),
        (1, [1, 2, 1, 1, 1, 1, 1], 16.0),  # no job asks for more cores than there are
    ],
)
def test_the_clock_of_jobs_on_cores(cores: int, threads: list[int], expected: float) -> None:
    assert simulate(JOBS, SECONDS, threads, {"first": 20, "train": 10}, cores) == pytest.approx(expected)


def test_priority_decides_who_starts() -> None:
    # Without priorities on two cores: first and a small one 0-3, 0-2, small 2-4, then train 3-7; with small ones first:
    # small 0-2, 0-2, 2-4, 2-4, first 4-7, train 7-11, last 11-12.
    assert simulate(JOBS, SECONDS, ONES, {"small": 5}, 2) == pytest.approx(12.0)


def test_the_longest_chain() -> None:
    assert longest_chain(JOBS, SECONDS) == [0, 1, 6]


def test_seconds_are_measured_else_the_mean_of_the_rule(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "benchmarks"
    folder.mkdir(parents=True)
    head = "s\th:m:s\tmax_rss\tcpu_time\n"
    for name, spent in (("a", "4.0"), ("b", "6.0"), ("short", "NA")):
        (folder / f"{name}.tsv").write_text(f"{head}9.0\t0:00:09\t1.0\t{spent}\n")
    asked = [job("train", benchmark=f"results/benchmarks/{name}.tsv") for name in ("a", "b", "short", "absent")]
    asked += [job("other"), job("set"), job("all", outputs=())]
    found = job_seconds(asked, tmp_path / "results", {"set": 7.0}, 1.5)
    assert found == [4.0, 6.0, 5.0, 5.0, 1.5, 7.0, 0.0]  # (4 + 6) / 2 = 5


def test_priorities_are_those_of_the_rules() -> None:
    found = priorities(ROOT / "rules")
    assert found["train_base"] > found["train_controlnet"] > found["sample_pool"] > 0
    assert "train_trials" not in found
