"""Tables: collected without loss, summarized by hand, tidy for Figure 2; and the commands that write them."""

import json

import numpy as np
import pandas as pd
import pytest

from scripts import collect_tables, summarize_dataset, tabulate_figure2
from scripts import compare_arms as significance_command
from scripts import measure_trend as trend_command
from scripts.lib.core.errors import InputError
from scripts.lib.evidence.statistics import significance
from scripts.lib.evidence.tables import (
    CELL,
    ENDS,
    FIGURE2,
    SIGNIFICANCE,
    collect,
    figure2,
    read_table,
    summarize,
    write_table,
)
from scripts.lib.study.tables import BASELINES, TRIALS

FIGURES = {
    "arm": "original",
    "metrics": {"classification": "f1", "multilabel": "f1", "segmentation": "dice"},
    "datasets": [
        {"name": "siim", "title": "SIIM", "task": "segmentation"},
        {"name": "rsna", "title": "RSNA Pneumonia", "task": "classification"},
    ],
}


def row(dataset, task, metric, fraction, multiplier, trial, value, arm="original"):
    arm = arm if multiplier else "real"
    return dict(
        zip(TRIALS, [dataset, task, metric, fraction, arm, multiplier, trial, 7 + trial, 40, 40 * multiplier, value])
    )


@pytest.fixture
def trials():
    rows = [
        row(*about, fraction, multiplier, trial, fraction / 10 + multiplier / 100 + trial / 50)
        for about in (("siim", "segmentation", "dice"), ("rsna", "classification", "f1"))
        for fraction in (0.1, 1.0)
        for multiplier in (0, 2, 10)
        for trial in (0, 1)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def baselines():
    rows = [
        ("siim", "segmentation", "dice", "all_positive", 0.11),
        ("siim", "segmentation", "dice", "all_negative", 0.0),
    ]
    return pd.DataFrame([*rows, ("rsna", "classification", "f1", "all_positive", 0.368)], columns=BASELINES)


def write(table, path):
    table.to_csv(path, index=False)
    return path


def test_collect_sorts_numbers_as_numbers_keeps_texts_and_puts_real_first(tmp_path, trials):
    trials["value"] = trials["value"].map(lambda value: f"{value:.3e}")
    trials.loc[0, "value"] = ""
    shuffled = trials.sample(frac=1, random_state=1)
    parts = [write(shuffled.iloc[k::4], tmp_path / f"{k}.csv") for k in range(4)]
    table = collect(parts)
    assert table["multiplier"].tolist()[:6] == ["0", "0", "2", "2", "10", "10"], "10 comes after 2"
    assert table["dataset"].tolist()[0] == "rsna" and table["arm"].iloc[:2].tolist() == ["real", "real"]
    assert sorted(table["value"]) == sorted(trials["value"]), "no text is reformatted"
    assert collect(parts[::-1]).reset_index(drop=True).equals(table.reset_index(drop=True))


def test_collect_refuses_what_does_not_belong_together(tmp_path, trials):
    first = write(trials, tmp_path / "a.csv")
    other = write(trials.drop(columns="seed"), tmp_path / "b.csv")
    with pytest.raises(InputError, match="b.csv: columns .* differ from"):
        collect([first, other])
    again = write(trials.head(1).assign(value=0.5, seed=99), tmp_path / "c.csv")
    with pytest.raises(InputError, match="a.csv, .*c.csv: more than one row for dataset siim, task segmentation"):
        collect([first, again])
    with pytest.raises(InputError, match="no rows"):
        collect([write(trials.head(0), tmp_path / "d.csv")])
    (tmp_path / "e.csv").write_text("")
    with pytest.raises(InputError, match="e.csv: not a CSV table"):
        collect([tmp_path / "e.csv"])
    with pytest.raises(InputError, match="no such table"):
        collect([tmp_path / "f.csv"])


def test_read_table_names_the_line_of_what_is_no_number(tmp_path, trials):
    trials = trials.astype({"value": object})
    trials.loc[1, "value"] = "n/a"
    trials.loc[2, "value"] = ""
    assert np.isnan(read_table(write(trials, tmp_path / "a.csv"), TRIALS)["value"].iloc[[1, 2]]).all()
    trials.loc[3, "value"] = "high"
    with pytest.raises(InputError, match="line 5: value = 'high'; expected a number"):
        read_table(write(trials, tmp_path / "a.csv"), TRIALS)
    with pytest.raises(InputError, match="line 3: trial = ''"):
        read_table(write(trials.head(2).assign(value=0, trial=["0", ""]), tmp_path / "a.csv"), TRIALS)
    with pytest.raises(InputError, match=r"columns \['seed'\] are missing"):
        read_table(write(trials.drop(columns="seed"), tmp_path / "a.csv"), TRIALS)


def test_tables_survive_the_way_through_a_file(tmp_path, trials):
    tests = significance(trials)
    write_table(tests, tmp_path / "s.csv")
    back = read_table(tmp_path / "s.csv", SIGNIFICANCE)
    pd.testing.assert_frame_equal(back, tests[SIGNIFICANCE], check_dtype=False)
    assert back["significant"].dtype == bool
    assert "\r" not in (tmp_path / "s.csv").read_text()


def test_summary_by_hand(trials, baselines):
    table = summarize(trials, baselines, significance(trials))
    siim = table[(table["dataset"] == "siim") & (table["fraction"] == 0.1)].set_index("multiplier")
    # Trials of 10x: 0.01 + 0.1 + 0 and + 0.02 -> mean 0.12, sd 0.02 / sqrt(2); real: 0.01 and 0.03 -> 0.02.
    assert siim.loc[10, "mean"] == pytest.approx(0.12) and siim.loc[10, "sd"] == pytest.approx(0.02 / 2**0.5)
    assert (siim.loc[10, "min"], siim.loc[10, "max"]) == pytest.approx((0.11, 0.13))
    assert siim.loc[10, "difference"] == pytest.approx(0.1) and np.isnan(siim.loc[0, "difference"])
    assert siim["all_positive"].eq(0.11).all() and siim["all_negative"].eq(0).all()
    assert siim["n_synthetic"].tolist() == [0, 80, 400] and siim["trials"].tolist() == [2, 2, 2]
    assert len(table) == 12, "one row a cell"
    assert np.isnan(table.loc[table["dataset"] == "rsna", "all_negative"]).all()


def test_summary_counts_only_trials_that_have_a_value(trials, baselines):
    trials.loc[(trials["multiplier"] == 2) & (trials["trial"] == 1), "value"] = np.nan
    table = summarize(trials, baselines, significance(trials))
    short = table[table["multiplier"] == 2]
    assert short["trials"].eq(1).all() and short["sd"].isna().all() and short["p_bonferroni"].isna().all()
    assert short["note"].str.contains("no value of trial 1").all()


def ends(trials):
    """Intervals of every mean: .01 below and .02 above it."""
    found = trials.groupby(CELL)["value"].mean().reset_index(name="mean")
    return found.assign(low=found["mean"] - 0.01, high=found["mean"] + 0.02)


def test_a_label_that_a_mean_leaves_out_is_told_in_every_table(trials, baselines):
    told = "without edema: its test films are all of one class; mean of 4 of 5 labels"
    about = trials.assign(n_labels=np.where(trials["dataset"] == "rsna", 4, np.nan), note="")
    about.loc[about["dataset"] == "rsna", "note"] = told
    about.loc[(about["dataset"] == "rsna") & (about["trial"] == 1) & (about["multiplier"] == 2), "value"] = np.nan
    cells = summarize(about, baselines, significance(about)).set_index(["dataset", "fraction", "multiplier"])
    assert cells.loc[("rsna", 0.1, 10), ["n_labels", "note"]].tolist() == [4, told]
    note = cells.loc[("rsna", 0.1, 2), "note"]
    assert note.startswith(told + "; ") and "no value of trial 1" in note
    assert cells.loc[("siim", 0.1, 10), "note"] == "" and np.isnan(cells.loc[("siim", 0.1, 10), "n_labels"])
    rows = figure2(about, baselines, significance(about), ends(about), FIGURES).query(
        "dataset == 'rsna' and kind != 'baseline'"
    )
    assert rows["n_labels"].eq(4).all() and rows["note"].str.startswith(told).all()


def test_figure2_has_every_trial_every_mean_and_the_baselines(trials, baselines):
    trials = pd.concat([trials, trials.assign(metric="iou"), trials[trials["multiplier"] == 2].assign(arm="dpo")])
    table = figure2(trials, baselines, significance(trials), ends(trials), FIGURES)
    assert list(table.columns) == [*FIGURE2, *ENDS] and list(dict.fromkeys(table["dataset"])) == ["siim", "rsna"]
    assert set(table["metric"]) == {"dice", "f1"} and set(table["arm"].dropna()) == {"real", "original"}
    counts = table.groupby(["dataset", "kind"]).size().to_dict()
    assert counts == {
        ("siim", "trial"): 12, ("siim", "mean"): 6, ("siim", "baseline"): 2,
        ("rsna", "trial"): 12, ("rsna", "mean"): 6, ("rsna", "baseline"): 1,
    }  # fmt: skip
    means = table[table["kind"] == "mean"]
    assert (means["high"] - means["value"]).to_numpy() == pytest.approx(0.02) and means["low"].notna().all()
    assert table.loc[table["kind"] != "mean", ENDS].isna().all(axis=None)
    means = means[means["multiplier"] > 0]
    assert means["p_bonferroni"].notna().all() and means["significant"].isin([True, False]).all()


def test_figure2_names_a_panel_without_trials(trials, baselines):
    with pytest.raises(InputError, match="no row of rsna with metric auroc and arm real or original"):
        chosen = FIGURES | {"metrics": FIGURES["metrics"] | {"classification": "auroc"}}
        figure2(trials, baselines, significance(trials), ends(trials), chosen)


def test_commands_from_trials_to_figure_table(tmp_path, trials, baselines):
    trials = trials.assign(n_labels=1, note="")
    halves = [write(trials.iloc[::2], tmp_path / "1.csv"), write(trials.iloc[1::2], tmp_path / "2.csv")]
    names = {name: str(tmp_path / f"{name}.csv") for name in ("trials", "base", "tests", "summary", "figure2", "trend")}
    write(baselines, names["base"])
    write(ends(trials), tmp_path / "intervals.csv")
    own = ["--intervals", str(tmp_path / "intervals.csv"), "--config", json.dumps(FIGURES)]
    both = ["--trials", names["trials"], "--baselines", names["base"], "--significance", names["tests"]]

    def run_all():
        collect_tables.main(["--tables", *map(str, halves), "--out", names["trials"]])
        options = ["--test", "welch", "--family", "study", "--alpha", "0.05", "--metrics", "f1", "dice"]
        significance_command.main(["--trials", names["trials"], *options, "--out", names["tests"]])
        trend_command.main(["--trials", names["trials"], "--out", names["trend"]])
        summarize_dataset.main([*both, "--out", names["summary"]])
        tabulate_figure2.main([*both, *own, "--out", names["figure2"]])
        return {name: (tmp_path / f"{name}.csv").read_bytes() for name in names}

    first = run_all()
    assert first == run_all()
    assert b",2,0,n/a,40,80,1," in first["figure2"], "whole numbers stay whole"
    with pytest.raises(SystemExit):
        significance_command.main(["--trials", names["trials"], "--alpha", "5", "--out", names["tests"]])
