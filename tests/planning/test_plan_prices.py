"""What a job costs and how that is known: scaled rates, floors, shares of a peak, another class's processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.lib.planning.estimate import Plan, PlanLine, make_plan
from scripts.lib.planning.jobs import Job
from scripts.lib.planning.pricing import Price, price_of, seconds_of
from scripts.lib.planning.sizes import read_sizes
from scripts.lib.planning.stages import shape_of
from scripts.lib.planning.table import known_lines, peak_lines, table, wall_line
from scripts.lib.planning.work import Work
from tests.planning.test_plan import MACHINE, PAPER, TINY, pool_job, sampling_rates, study


def test_a_rate_of_another_shape_is_scaled_by_operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = study(TINY), study(PAPER)
    large["sampling"]["precision"] = small["sampling"]["precision"]
    job = Job("sample_pool", {"dataset": "rsna", "arm": "original", "fraction": "1", "shard": "0"}, (), 1, 0, None)
    sizes, rates = read_sizes(large, tmp_path), sampling_rates(small)
    shape = shape_of(large, "sample_pool", "rsna", False)
    counted = {shape["resolution"]: 600.0, small["study"]["resolution"]: 50.0}
    monkeypatch.setattr(
        "scripts.lib.planning.pricing.operations_of", lambda rule, unit, own: counted[own["resolution"]]
    )
    (price,) = make_plan([job], large, sizes, rates).prices
    # 2 trials * 21,884 films * 25 / 64 shards = 17,096.9, one more in the first: 267 batches of 64 and 9 images, which take one
    # micro-batch of 16, so 17,104 are computed; 5 s + 17,104 * (600 / 50) / 2 a second = 102,629 s.
    assert (price.seconds, price.source) == (102_629.0, "scaled")
    monkeypatch.setattr("scripts.lib.planning.pricing.operations_of", lambda rule, unit, own: None)
    plan = make_plan([job], large, sizes, rates)
    assert plan.prices[0].seconds is None and plan.lines[0].source == "n/a"


def test_a_floor_is_operations_over_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.lib.planning.pricing.operations_of", lambda rule, unit, own: 3e12)
    rates = {"machine": {**MACHINE, "gpu": "toy", "peak_tflops": 2}, "rates": {}}
    job = Job("train_controlnet", {}, (), 1, 1, None)
    config, work = study(PAPER), Work({"step": 10_000})
    # 3e12 / 2e12 = 1.5 s a step, 10,000 steps.
    assert price_of(job, work, config, rates).seconds == 15_000.0
    assert price_of(job, work, config, {**rates, "machine": MACHINE}).seconds is None
    rates["machine"]["peak_tflops"] = {"bf16": 2, "fp32": 1}  # this training computes in fp32
    price = price_of(job, work, config, rates)
    assert (price.seconds, price.at_peak, price.source) == (30_000.0, 30_000.0, "floor")


def test_a_floor_says_that_it_is_one_and_what_a_share_of_the_peak_gives() -> None:
    lines = [PlanLine("sample_pool", "original", 1, hours=10, gpu_hours=10, peak_hours=8, source="floor")]
    prices = [Price(36_000.0, "floor", at_peak=28_800.0)]
    plan = Plan(lines, [Job("sample_pool", {}, (), 1, 1, None)], [Work()], prices)
    machine = {"peak_source": "by hand"}
    # 2 hours are known; 8 at the peak are 16 at half of it and 32 at a quarter.
    least, share = peak_lines(plan, machine, (0.25, 0.5), "toy")
    assert "at least 10.00" in least and "8.00 are operations over the published peak (by hand)" in least
    assert "25% to 50% of that peak: 18.00 to 34.00. Assumed, not measured here: toy" in share
    assert "18.00..34.00" in table(plan, (0.25, 0.5))
    assert wall_line(plan, 2, 1, (0.25, 0.5)).endswith(
        "at least 10.00 hours; 18.00 to 34.00 hours at the assumed shares"
    )
    assert any(line.startswith("  floor, 10.00 hours: least time") for line in known_lines(plan, machine))
    lines[0].peak_hours = 0
    assert peak_lines(plan, machine, (0.25, 0.5), "toy") == []


def test_jobs_without_gpu_borrow_a_processor(tmp_path: Path) -> None:
    config = study(PAPER)
    shape = {"format": "chexpert", "film": 64, "resolution": 64}
    rates = {
        "prepare_cohort": {"job_seconds": 1.0, "units": [{"unit": "film", "per_second": 100.0, "shape": shape}]},
        "draw_subsets": {"job_seconds": 2.0},
    }
    gpu = {"machine": {**MACHINE, "gpu": "toy"}, "rates": {}, "borrowed": {"machine": MACHINE, "rates": rates}}
    job = Job("prepare_cohort", {"dataset": "chexpert"}, (), 1, 0, None)
    # 191,027 + 202 films of the phantom's size would take 1 s and 1,912.29 s; these are larger.
    price = price_of(job, Work({"film": 191_229}), config, gpu)
    assert price.seconds == pytest.approx(1913.29) and price.source == "floor"
    # Work that does not depend on any size here was timed on small tables.
    assert price_of(Job("draw_subsets", {"dataset": "chexpert"}, (), 1, 0, None), Work(), config, gpu).source == "floor"
    tiny = study(TINY)
    assert price_of(Job("draw_subsets", {"dataset": "rsna"}, (), 1, 0, None), Work(), tiny, gpu) == Price(
        2.0, "elsewhere"
    )
    # A job with a GPU does not.
    assert price_of(Job("draw_subsets", {"dataset": "rsna"}, (), 1, 1, None), Work(), tiny, gpu).source == "n/a"


def test_a_twentieth_of_a_job_does_not_decide_how_the_whole_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.lib.planning.pricing.operations_of", lambda rule, unit, own: 1e9)
    config = study(PAPER)
    unit = {"unit": "step", "per_second": 1.0, "shape": shape_of(config, "train_controlnet", None, True)}
    machine = {**MACHINE, "gpu": "toy", "peak_tflops": 1}
    rates = {"machine": machine, "rates": {"train_controlnet": {"units": [unit]}}}
    job = Job("train_controlnet", {}, (), 1, 1, None)
    # 100 s are known; a film takes 1e9 / 1e12 = 1 ms, so 4,000 of them 4 s and 40,000 of them 40 s.
    for films, source in ((4_000, "measured"), (40_000, "floor")):
        price = price_of(job, Work({"step": 100, "film": films}), config, rates)
        assert price.seconds == pytest.approx(100 + films / 1000) and price.source == source
        assert price.at_peak == pytest.approx(films / 1000)


def test_of_equal_operations_the_nearest_batch_is_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.lib.planning.pricing.operations_of", lambda rule, unit, own: 10.0 * own["steps"])
    config = study(TINY)
    shape = shape_of(config, "sample_pool", None, True)
    units = [
        {
            "unit": "text image",
            "per_second": rate,
            "shape": {**shape, "micro_batch": batch, "steps": 2 * shape["steps"]},
        }
        for batch, rate in ((1, 1.0), (8, 4.0), (64, 5.0))
    ]
    rates = {"machine": {**MACHINE, "gpu": "toy"}, "rates": {"sample_pool": {"units": units}}}
    # The study's micro-batch is 4: 8 is nearer than 1. Half the steps take half of 1 / 4 s.
    assert shape["micro_batch"] == 4
    assert seconds_of("sample_pool", "text image", shape, rates, gpu=True) == (0.125, "scaled")


def test_a_kind_of_image_that_was_not_timed_is_scaled_from_another(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = {"text image": 2.0, "mask image": 1.0, "both image": 3.0}
    monkeypatch.setattr("scripts.lib.planning.pricing.operations_of", lambda rule, unit, own: counted[unit])
    config = study(TINY)
    # Text images take 0.5 s each; of the two kinds that were timed theirs has the nearest operations: 0.5 * 3 / 2.
    price = price_of(pool_job("rsna", 0), Work({"both image": 10}), config, sampling_rates(config))
    assert (price.seconds, price.source) == (5.0 + 10 * 0.75, "scaled")
