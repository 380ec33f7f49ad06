"""Plan against run: every stage of either side has its line, and a run's faulty files end with one line."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from scripts.compare_cost import main
from scripts.lib.core.csv_files import write_csv
from scripts.lib.core.errors import InputError
from scripts.lib.planning.cost import COLUMNS, cost_rows
from scripts.lib.planning.estimate import Plan, make_plan
from scripts.lib.planning.jobs import Job
from scripts.lib.planning.pricing import Price
from scripts.lib.planning.records import Measured, read_benchmark
from scripts.lib.planning.sizes import read_sizes
from scripts.lib.planning.table import cost_table
from scripts.lib.planning.work import Work
from tests.conftest import ROOT
from tests.helpers.forked_snakemake import snakemake
from tests.planning.test_plan import TINY, pool_job, sampling_rates, study

HEAD = "s\th:m:s\tmax_rss\tcpu_time\n"


def benchmark(root: Path, name: str, text: str) -> Path:
    path = root / "results" / "benchmarks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_cost_against_plan(tmp_path: Path) -> None:
    config = study(TINY)
    jobs = [pool_job("siim", shard, f"results/benchmarks/sample_pool/{shard}.tsv") for shard in (0, 1)]
    plan = make_plan(jobs, config, read_sizes(config, tmp_path), sampling_rates(config))
    benchmark(tmp_path, "sample_pool/0.tsv", f"{HEAD}22.0\t0:00:22\t812.5\t18.5\n")
    row, total = cost_rows(plan, tmp_path)
    # Planned 11 s, measured 22 s; the second job has no file, so neither its plan nor its time counts.
    assert [row[key] for key in COLUMNS[1:8]] == [2, 1, 1, 11.0, 22.0, 2.0, "measured"]
    assert (row["cpu_seconds_at_least"], row["peak_rss_mb"]) == (18.5, 812.5)
    assert row["note"] == "1 of 2 jobs were not made in this run"
    assert (total["stage"], total["measured_over_planned"]) == ("total", 2.0)


@pytest.mark.parametrize(("cpu", "busy"), [(100.0, False), (20.0, True)])
def test_a_run_beside_other_work_says_so(tmp_path: Path, cpu: float, busy: bool) -> None:
    plan = Plan(
        [],
        [Job("train_base", {}, (), 2, 0, "results/benchmarks/train_base/x.tsv")],
        [Work()],
        [Price(100.0, "measured")],
    )
    benchmark(tmp_path, "train_base/x.tsv", f"{HEAD}100.0\t0:01:40\t5\t{cpu}\n")
    note = cost_rows(plan, tmp_path)[-1]["note"]
    # 2 threads for 100 s: 100 s of a processor and at most 30 s more on each are 80 %; 20 s and 30 s on each are 40 %.
    assert ("at most 40% of their processors" in note) is busy


def test_the_rule_gives_the_overlays_of_the_run(tmp_path: Path) -> None:
    words = ["--dry-run", "--printshellcmds", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
    done = snakemake([*words, "--configfile", str(TINY), "--", "cost"], ROOT)
    assert f"--configfile {TINY} --results results" in done.stdout, done.stdout + done.stderr


def test_every_stage_of_either_side_has_its_line(tmp_path: Path) -> None:
    jobs = [
        Job(rule, {}, (), 1, 0, f"results/benchmarks/{rule}/x.tsv")
        for rule in ("train_base", "train_dpo", "pretrain_mgca")
    ]
    prices = [Price(10.0, "measured"), Price(20.0, "scaled"), Price(None, "n/a")]
    plan = Plan([], [*jobs, Job("figures", {}, (), 1, 0, None, ())], [Work()] * 4, [*prices, Price(None, "n/a")])
    benchmark(tmp_path, "train_base/x.tsv", f"{HEAD}15.0\t0:00:15\tNA\tNA\n")
    benchmark(tmp_path, "pretrain_mgca/x.tsv", f"{HEAD}7.0\t0:00:07\t90\t6\n")
    benchmark(tmp_path, "sample_pool/old.tsv", f"{HEAD}3.0\t0:00:03\t50\t2\n")
    rows = {row["stage"]: row for row in cost_rows(plan, tmp_path)}
    assert list(rows) == ["train_base", "train_dpo", "pretrain_mgca", "sample_pool (not planned)", "total"]
    assert rows["train_base"]["measured_over_planned"] == 1.5 and rows["train_base"]["note"] == ""
    assert rows["train_dpo"]["planned_wall_seconds"] == 20.0 and rows["train_dpo"]["measured_wall_seconds"] is None
    assert rows["train_dpo"]["note"] == "planned, not measured: not made in this run"
    assert rows["pretrain_mgca"]["note"] == "measured, but the class has no rate"
    assert rows["sample_pool (not planned)"]["note"].startswith("measured, not planned: ")
    # Sums are of what has both sides.
    assert (rows["total"]["planned_wall_seconds"], rows["total"]["measured_wall_seconds"]) == (10.0, 15.0)
    write_csv(tmp_path / "cost.csv", list(rows.values()), COLUMNS)
    with (tmp_path / "cost.csv").open(newline="") as stream:
        assert [row["stage"] for row in csv.DictReader(stream)] == list(rows)
    lines = cost_table(list(rows.values())).splitlines()
    assert lines[2].split() == ["train_base", "1", "of", "1", "10.00", "15.00", "1.50", "measured"]
    assert lines[3].split() == ["train_dpo", "0", "of", "1", "20.00", "n/a", "n/a", "scaled"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEAD,
        f"{HEAD}20.0\t0:00",
        f"{HEAD}\t\t\t\n",
        f"{HEAD}-1\t0:00:01\t5\t5\n",
        "s\tmax_r",
        f"{HEAD}nan\t0\t5\t5\n",
    ],
)
def test_a_benchmark_file_that_is_cut_off_ends_with_one_line(tmp_path: Path, text: str) -> None:
    path = benchmark(tmp_path, "sample_pool/0.tsv", text)
    with pytest.raises(InputError, match="not a whole benchmark file") as error:
        read_benchmark(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_short_job_has_no_memory(tmp_path: Path) -> None:
    found = read_benchmark(benchmark(tmp_path, "a/b.tsv", f"{HEAD}0.2\t0:00:00\tNA\tNA\n"))
    assert isinstance(found, Measured) and found.seconds == 0.2 and math.isnan(found.rss_mb)
    assert read_benchmark(tmp_path / "none.tsv") is None


def test_a_run_without_benchmark_files_ends_with_one_line(tmp_path: Path) -> None:
    out = [
        "--results",
        str(tmp_path / "results"),
        "--out-csv",
        str(tmp_path / "cost.csv"),
        "--out",
        str(tmp_path / "cost.png"),
    ]
    with pytest.raises(InputError, match="no benchmark file") as error:
        main(out)
    assert "\n" not in str(error.value) and not (tmp_path / "cost.csv").exists()


def test_the_plot_names_ratio_and_what_is_missing() -> None:
    from scripts.lib.plotting.cost import draw_cost

    def row(stage: str, planned: float | None, measured: float | None, jobs: int = 1) -> dict[str, object]:
        both = planned is not None and measured is not None
        counts = {"jobs_planned": jobs, "jobs_measured": int(measured is not None), "jobs_compared": int(both)}
        sides = {"planned_wall_seconds": planned, "measured_wall_seconds": measured}
        return {"stage": stage, **counts, **sides, "measured_over_planned": measured / planned if both else None}

    rows = [row("train_base", 100.0, 90.0), row("sample_pool", 200.0, 500.0), row("score_trials", 1.0, 1.5)]
    rows += [row("draw_subsets", 1.0, 0.5), row("train_dpo", 50.0, None), row("old (not planned)", None, 9.0, 0)]
    rows.append(row("total", 302.0, 592.0))
    (axes,) = draw_cost(rows, "toy").axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [
        "sample pool (1 job)",
        "train base (1 job)",
        "2 short stages (2 jobs)",
        "total (1 job)",
        "train dpo (1 job)",
        "old (not planned) (1 job)",
    ]
    said = [text.get_text() for text in axes.texts]
    assert said[:6] == ["2.50", "0.90", "1.00", "1.96", "not made", "not planned"]
    assert "wall seconds" in axes.get_xlabel() and axes.get_xscale() == "log"
