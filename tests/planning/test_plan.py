"""The planner: its counts are those of the workflow, its hours those of the rates, and what it cannot know it says."""

from __future__ import annotations

import copy
import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measuring import write_rates
from scripts.lib.core.errors import InputError
from scripts.lib.planning.estimate import Plan, PlanLine, make_plan, wall_hours
from scripts.lib.planning.jobs import Job, in_order, list_jobs
from scripts.lib.planning.rates import read_rates
from scripts.lib.planning.sizes import read_sizes
from scripts.lib.planning.stages import shape_of
from scripts.lib.planning.table import table
from scripts.lib.planning.work import conditions_of
from scripts.lib.study.cells import Cell
from scripts.lib.study.config import load_study
from tests.conftest import ROOT

MACHINE = {"name": "toy", "cores": 2, "memory_gb": 1, "date": "2026-01-01"}
TINY = ROOT / "studies" / "tiny.yaml"
PAPER = ROOT / "studies" / "paper.yaml"


@cache
def loaded(*overlays: Path) -> dict[str, Any]:
    return load_study([ROOT / "config.yaml", *overlays])


def study(*overlays: Path) -> dict[str, Any]:
    return copy.deepcopy(loaded(*overlays))


def sampling_rates(config: dict[str, Any], job_seconds: float = 5.0) -> dict[str, Any]:
    shape = shape_of(config, "sample_pool", "siim", False)
    units = [{"unit": f"{kind} image", "per_second": 2.0, "shape": shape} for kind in ("text", "mask")]
    own = {"sample_pool": {"job_seconds": job_seconds, "rss_mb": 100.0, "units": units}}
    return {"machine": MACHINE, "rates": own}


def pool_job(dataset: str, shard: int, benchmark: str | None = None) -> Job:
    cell = {"dataset": dataset, "arm": "original", "fraction": "0.5", "shard": str(shard)}
    return Job("sample_pool", cell, (), 1, 0, benchmark)


def test_the_tiny_study_by_hand(tmp_path: Path) -> None:
    config = study(TINY)
    sizes = read_sizes(config, tmp_path)
    # siim trains on 10 films: 0.5 of them, times 2, from each trial's own masks: 5 * 2 * 2 trials = 20, in 2 shards.
    assert conditions_of(config, Cell("siim", "original", "0.5"), sizes) == {"mask": 20}
    # rsna trains on 9: round(4.5) = 4, and text is each trial's own as well: 4 * 2 * 2 trials = 16.
    assert conditions_of(config, Cell("rsna", "original", "0.5"), sizes) == {"text": 16}
    jobs = [pool_job("siim", 0), pool_job("siim", 1), pool_job("rsna", 0), pool_job("rsna", 1)]
    plan = make_plan(jobs, config, sizes, sampling_rates(config))
    # Shards of 10 and of 8 images in micro-batches of 4, the last one filled up: 12 and 8 are computed. 5 s a job and 2 images a
    # second: 5 + 12 / 2 = 11 s twice, 5 + 8 / 2 = 9 s twice, 40 s in all.
    assert config["sampling"]["micro_batch"] == 4
    assert [price.seconds for price in plan.prices] == [11.0, 11.0, 9.0, 9.0]
    (line,) = plan.lines
    assert (line.jobs, line.images, line.source) == (4, 36, "measured")
    assert line.hours == pytest.approx(40 / 3600)
    assert wall_hours(plan, 2, 0) == pytest.approx(20 / 3600)
    assert wall_hours(plan, 100, 0) == pytest.approx(11 / 3600)  # never less than the longest job


def test_the_jobs_are_those_of_a_dry_run(monkeypatch: pytest.MonkeyPatch) -> None:
    said = []

    def listened(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        said.append(run(*arguments, **options))
        return said[-1]

    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", listened)
    # Neither the raw trees nor the pool of this arm are on this machine.
    arms = {
        "arms": {"mine": {"source": "pool", "path": "/nowhere"}},
        "study": {"arms": ["original", "duplicate", "mine"]},
    }
    planned = Counter(job.rule for job in list_jobs([PAPER], ["results/rsna/summary.csv"], 2, arms))
    # The summary that Snakemake itself prints of the jobs that it would run.
    stats = said[0].stdout.split("Job stats:", 1)[1].split("total", 1)[0]
    assert planned == {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", stats, re.M)}
    # 3 fractions, 2 trials, real, original, duplicate and mine.
    assert planned["train_trials"] == 24 and planned["import_pool"] == 1


def test_an_unknown_target_ends_with_one_line() -> None:
    with pytest.raises(InputError, match="nonsense") as error:
        list_jobs([TINY], ["nonsense"], 2)
    assert "\n" not in str(error.value)


def test_a_large_pool_is_named(tmp_path: Path) -> None:
    config = study(PAPER)
    sizes = read_sizes(config, tmp_path)
    # CheXpert at 100 %: 191,027 films * 25 * 2 trials.
    assert conditions_of(config, Cell("chexpert", "original", "1"), sizes) == {"text": 9_551_350}
    job = Job("sample_pool", {"dataset": "chexpert", "arm": "original", "fraction": "1", "shard": "0"}, (), 1, 0, None)
    plan = make_plan([job], config, sizes, sampling_rates(config))
    assert any("9,551,350 images" in line for line in plan.warnings)


def test_too_little_gpu_memory_is_named(tmp_path: Path) -> None:
    rates = {"machine": {**MACHINE, "gpu": "toy", "gpu_memory_gb": 8}, "rates": {}}
    config = study(PAPER)
    plan = make_plan([Job("train_controlnet", {}, (), 1, 1, None)], config, read_sizes(config, tmp_path), rates)
    # 7.226 GB of the ControlNet and 4.265 GB of the rest.
    assert plan.lines[0].gpu_gb == pytest.approx(11.49, abs=0.01)
    assert any("at least 11.5 GB of GPU memory" in line and "8 GB" in line for line in plan.warnings)


def test_more_synthetic_images_cost_more(tmp_path: Path) -> None:
    config, hours = study(TINY), []
    sizes = read_sizes(config, tmp_path)
    for multiplier in (2, 5, 10):
        config["study"]["multipliers"]["0.5"] = [0, multiplier]
        plan = make_plan([pool_job("siim", 0)], config, sizes, sampling_rates(config))
        hours.append(plan.lines[0].hours)
    assert hours == sorted(hours) and len(set(hours)) == 3


def test_an_unknown_class_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="known classes: .*h200") as error:
        read_rates("mainframe")
    assert "\n" not in str(error.value)


def test_written_rates_join_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    one = {"unit": "step", "per_second": 2.0, "shape": {"side": 64}}
    write_rates(path, MACHINE, {"train_controlnet": {"job_seconds": 1.0, "units": [one]}})
    write_rates(
        path, {}, {"train_controlnet": {"units": [{**one, "shape": {"side": 512}}, {**one, "per_second": 3.0}]}}
    )
    own = read_rates("toy", tmp_path)["rates"]["train_controlnet"]
    assert own["job_seconds"] == 1.0
    assert {entry["shape"]["side"]: entry["per_second"] for entry in own["units"]} == {64: 3.0, 512: 2.0}


def test_the_table_has_columns_and_totals() -> None:
    lines = [
        PlanLine("sample_pool", "original", 2, 1_234_567, hours=1234.5, disk_gb=2.5, rss_mb=812.0),
        PlanLine("collect", "", 1, source="n/a"),
    ]
    head, rule, first, second, _, total = table(Plan(lines, [], [], [])).splitlines()[:6]
    assert first.split() == [
        "sample_pool",
        "original",
        "2",
        "1,234,567",
        "0",
        "1,234",
        "measured",
        "2.50",
        "812",
        "n/a",
    ]
    assert second.split() == ["collect", "1", "0", "0", "n/a", "n/a", "0", "n/a", "n/a"]
    assert total.split() == ["total", "3", "1,234,567", "0", ">=", "1,234", "2.50", "812", "n/a"]
    assert head.index("hours") + len("hours") == first.index("1,234 ") + 5 and set(rule) == {"-"}


def test_jobs_have_one_order_whatever_order_snakemake_lists_them_in() -> None:
    def record(rule: str, made: str, *needed: str) -> dict[str, Any]:
        return {"rule": rule, "wildcards": {"dataset": made}, "input": list(needed), "output": [made]}

    first = [record("draw", "b"), record("draw", "a"), record("read", "raw"), record("sum", "end", "a", "b")]
    other = [first[2], first[1], first[0], first[3]]
    assert in_order(first) == in_order(other) == [first[1], first[0], first[2], first[3]]
