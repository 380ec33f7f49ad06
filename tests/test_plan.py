"""The planner: its counts are those of the workflow, its hours those of the rates, and what it cannot know it says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.lib.config import load_study
from scripts.lib.errors import InputError
from scripts.lib.planning.cost import cost_rows
from scripts.lib.planning.estimate import Line, Plan, make_plan, price_of, wall_hours
from scripts.lib.planning.jobs import Job, list_jobs, write_stand_ins
from scripts.lib.planning.rates import read_rates, write_rates
from scripts.lib.planning.shapes import shape_of
from scripts.lib.planning.sizes import read_sizes
from scripts.lib.planning.table import table
from scripts.lib.planning.work import Work, conditions_of
from scripts.plan_study import main
from tests.conftest import ROOT

MACHINE = {"name": "toy", "cores": 2, "memory_gb": 1, "date": "2026-01-01"}
TINY = ROOT / "studies" / "tiny.yaml"
PAPER = ROOT / "studies" / "paper.yaml"


def study(*overlays: Path) -> dict[str, Any]:
    return load_study([ROOT / "config.yaml", *overlays])


def sampling_rates(config: dict[str, Any], job_seconds: float = 5.0, rss: float = 100.0) -> dict[str, Any]:
    shape = shape_of(config, "sample_pool", "siim", False)
    units = [{"unit": f"{kind} image", "per_second": 2.0, "shape": shape} for kind in ("text", "mask")]
    own = {"sample_pool": {"job_seconds": job_seconds, "rss_mb": rss, "units": units}}
    return {"machine": MACHINE, "rates": own}


def pool_job(dataset: str, shard: int, benchmark: str | None = None) -> Job:
    cell = {"dataset": dataset, "arm": "original", "fraction": "0.5", "shard": str(shard)}
    return Job("sample_pool", cell, (), 1, 0, benchmark)


def test_the_tiny_study_by_hand(tmp_path: Path) -> None:
    config = study(TINY)
    sizes = read_sizes(config, tmp_path)
    # siim trains on 10 films: 0.5 of them, times 2, from each trial's own masks: 5 * 2 * 2 trials = 20, in 2 shards.
    assert conditions_of(config, "siim", "original", "0.5", sizes["siim"]) == {"mask": 20}
    # rsna trains on 9: round(4.5) = 4, and text serves both trials: 4 * 2 = 8.
    assert conditions_of(config, "rsna", "original", "0.5", sizes["rsna"]) == {"text": 8}
    jobs = [pool_job("siim", 0), pool_job("siim", 1), pool_job("rsna", 0), pool_job("rsna", 1)]
    plan = make_plan(jobs, config, sizes, sampling_rates(config))
    # 5 s a job and 2 images a second: 5 + 10 / 2 = 10 s twice, 5 + 4 / 2 = 7 s twice, 34 s in all.
    assert [price.seconds for price in plan.prices] == [10.0, 10.0, 7.0, 7.0]
    (line,) = plan.lines
    assert (line.jobs, line.images, line.source) == (4, 28, "measured")
    assert line.hours == pytest.approx(34 / 3600)
    assert wall_hours(plan, 2, 0) == pytest.approx(17 / 3600)
    assert wall_hours(plan, 100, 0) == pytest.approx(10 / 3600)  # never less than the longest job


def dry_run_counts(config: dict[str, Any], overlay: Path, tmp_path: Path) -> Counter[str]:
    """Return jobs by rule from the summary that Snakemake prints."""
    (tmp_path / "run").mkdir()
    stand_ins = tmp_path / "stand-ins.yaml"
    stand_ins.write_text(yaml.safe_dump(write_stand_ins(config, tmp_path / "data", tmp_path / "run")))
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "2", "--directory", str(tmp_path / "run")]
    command += ["--configfile", str(overlay), str(stand_ins)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    stats = done.stdout.split("Job stats:", 1)[1].split("total", 1)[0]
    return Counter({rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", stats, re.M)})


def test_the_jobs_are_those_of_a_dry_run(tmp_path: Path) -> None:
    config = study(PAPER)
    planned = Counter(job.rule for job in list_jobs(config, [PAPER], [], 2))
    assert planned == dry_run_counts(config, PAPER, tmp_path)
    # 4 datasets, 3 fractions, 2 trials, real and original.
    assert planned["train_trials"] == 48


def test_an_unknown_target_ends_with_one_line() -> None:
    with pytest.raises(InputError, match="nonsense") as error:
        list_jobs(study(TINY), [TINY], ["nonsense"], 2)
    assert "\n" not in str(error.value)


def test_a_large_pool_and_too_little_memory_are_named(tmp_path: Path) -> None:
    config = study(PAPER)
    sizes = read_sizes(config, tmp_path)
    # CheXpert at 100 %: 191,027 films * 25, text for both trials alike.
    assert conditions_of(config, "chexpert", "original", "1", sizes["chexpert"]) == {"text": 4_775_675}
    job = Job("sample_pool", {"dataset": "chexpert", "arm": "original", "fraction": "1", "shard": "0"}, (), 1, 0, None)
    plan = make_plan([job], config, sizes, sampling_rates(config, rss=2000.0))
    assert any("4,775,675 images" in line for line in plan.warnings)
    assert any("more than the 1 GB" in line for line in plan.warnings)


def test_a_rate_of_another_shape_is_scaled_by_operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = study(TINY), study(PAPER)
    large["sampling"]["precision"] = small["sampling"]["precision"]
    job = Job("sample_pool", {"dataset": "rsna", "arm": "original", "fraction": "1", "shard": "0"}, (), 1, 0, None)
    sizes, rates = read_sizes(large, tmp_path), sampling_rates(small)
    shape = shape_of(large, "sample_pool", "rsna", False)
    counted = {shape["resolution"]: 600.0, small["study"]["resolution"]: 50.0}
    monkeypatch.setattr(
        "scripts.lib.planning.estimate.operations_of", lambda rule, unit, own: counted[own["resolution"]]
    )
    (price,) = make_plan([job], large, sizes, rates).prices
    # 21,884 films * 25 / 64 shards = 8,548.4, one more in the first; 5 s + 8,549 * (600 / 50) / 2 a second = 51,299 s.
    assert (price.seconds, price.source) == (51_299.0, "scaled")
    monkeypatch.setattr("scripts.lib.planning.estimate.operations_of", lambda rule, unit, own: None)
    plan = make_plan([job], large, sizes, rates)
    assert plan.prices[0].seconds is None and plan.lines[0].source == "n/a"


def test_a_floor_is_operations_over_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.lib.planning.estimate.operations_of", lambda rule, unit, own: 3e12)
    rates = {"machine": {**MACHINE, "gpu": "toy", "peak_tflops": 2}, "rates": {}}
    job = Job("train_controlnet", {}, (), 1, 1, None)
    config = study(PAPER)
    # 3e12 / 2e12 = 1.5 s a step, 10,000 steps.
    assert price_of(job, Work({"step": 10_000}), config, rates).seconds == 15_000.0
    assert price_of(job, Work({"step": 10_000}), config, {**rates, "machine": MACHINE}).seconds is None


def test_too_little_gpu_memory_is_named(tmp_path: Path) -> None:
    rates = {"machine": {**MACHINE, "gpu": "toy", "gpu_memory_gb": 8}, "rates": {}}
    config = study(PAPER)
    plan = make_plan([Job("train_controlnet", {}, (), 1, 1, None)], config, read_sizes(config, tmp_path), rates)
    # 7.226 GB of the ControlNet and 4.265 GB of the rest.
    assert plan.lines[0].gpu_gb == pytest.approx(11.49, abs=0.01)
    assert any("at least 11.5 GB of GPU memory" in line and "8 GB" in line for line in plan.warnings)


def test_more_synthetic_images_cost_more(tmp_path: Path) -> None:
    hours = []
    for multiplier in (2, 5, 10):
        config = study(TINY)
        config["study"]["multipliers"]["0.5"] = [0, multiplier]
        plan = make_plan([pool_job("siim", 0)], config, read_sizes(config, tmp_path), sampling_rates(config))
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


def test_cost_against_plan(tmp_path: Path) -> None:
    config = study(TINY)
    jobs = [pool_job("siim", shard, f"results/benchmarks/sample_pool/{shard}.tsv") for shard in (0, 1)]
    plan = make_plan(jobs, config, read_sizes(config, tmp_path), sampling_rates(config))
    file = tmp_path / "results" / "benchmarks" / "sample_pool" / "0.tsv"
    file.parent.mkdir(parents=True)
    file.write_text("s\th:m:s\tmax_rss\tcpu_time\n20.0\t0:00:20\t812.5\t18.5\n")
    (row,) = cost_rows(plan, tmp_path)
    # Planned 10 s, measured 20 s; the second job has no file, so neither its plan nor its time counts.
    assert (row["jobs"], row["compared"], row["missing"]) == (2, 1, 1)
    assert (row["planned_seconds"], row["measured_seconds"], row["ratio"]) == (10.0, 20.0, 2.0)
    assert (row["cpu_seconds"], row["peak_rss_mb"]) == (18.5, 812.5)


def test_the_table_has_columns_and_totals() -> None:
    lines = [
        Line("sample_pool", "original", 2, 1_234_567, 0, 1234.5, 0, "measured", 2.5, 812.0),
        Line("collect", "", 1, source="n/a"),
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


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--configfile", "none.yaml"], "none.yaml"), (["--machine", "mainframe"], "known classes: ")],
)
def test_a_plan_of_nothing_known_ends_with_one_line(arguments: list[str], named: str) -> None:
    with pytest.raises(InputError) as error:
        main(arguments)
    assert named in str(error.value) and "\n" not in str(error.value)
