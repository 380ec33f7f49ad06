"""The tables of means and differences: values of trials.csv, pairs, families, and notes on what cannot be said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts import bootstrap_differences, collect_differences, estimate_power
from scripts.lib.downstream.metrics import label_scores
from scripts.lib.evidence.covered import coverage_note
from scripts.lib.evidence.differences import (
    DIFFERENCES,
    INTERVALS,
    differences,
    means,
    read_intervals,
    with_families,
)
from scripts.lib.evidence.predicted import gather_predictions
from scripts.lib.evidence.resampling import resample
from scripts.lib.evidence.tables import write_table
from tests.helpers.predicted_trials import label_table, mask_table, write_file

TRUTH = (np.arange(60) % 3 == 0).astype(float)[:, None]
CELLS = (("real", 0, 0.6), ("original", 2, 1.4), ("original", 5, 1.4), ("filtered", 2, 0.2))


def tables(
    cells: Sequence[tuple[str, int, float]] = CELLS, trials: int = 3, dataset: str = "rsna"
) -> Iterator[pd.DataFrame]:
    """Yield the trainings of a dataset; a cell is arm, multiplier and how far it tells the classes apart."""
    for trial in range(trials):
        for place, (arm, multiplier, skill) in enumerate(cells):
            noise = np.random.default_rng([trial, place]).normal(size=TRUTH.shape)
            scores = 1 / (1 + np.exp(-(skill * (2 * TRUTH - 1) + noise)))
            yield label_table(TRUTH, scores, dataset=dataset, arm=arm, multiplier=multiplier, trial=trial)


def both_tables(
    made: Sequence[pd.DataFrame], pairs: Sequence[tuple[str, str]] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    predicted = gather_predictions(made)
    drawn = resample(predicted, 600, np.random.default_rng(3), ["f1", "auroc"])
    return means(predicted, drawn, 1), differences(predicted, drawn, pairs, 1)


def test_values_are_those_of_the_trials_and_pairs_follow_the_real_films() -> None:
    made = list(tables())
    own, table = both_tables(made, [("filtered", "original"), ("original", "nothing")])
    assert list(own.columns) == INTERVALS and len(own) == 4 * 2 and len(table) == 4 * 2
    by_cell: dict[tuple[str, int], list[float]] = {}
    for part in made:
        score = label_scores(TRUTH, part["score"].to_numpy(float)[:, None], [None])["auroc"]
        assert score is not None
        by_cell.setdefault((part["arm"].iloc[0], part["multiplier"].iloc[0]), []).append(score)
    mean = {cell: float(np.mean(values)) for cell, values in by_cell.items()}
    for row in own[own["metric"] == "auroc"].itertuples():
        assert row.mean == pytest.approx(mean[(row.arm, row.multiplier)], abs=1e-12)
        assert 0 <= row.low < row.mean < row.high <= 1
    found = table[table["metric"] == "auroc"]
    compared = list(zip(found["arm"], found["against"], found["multiplier"]))
    assert compared == [
        ("filtered", "real", 2),
        ("original", "real", 2),
        ("original", "real", 5),
        ("filtered", "original", 2),  # at the multiplier that both have
    ]
    for row in found.itertuples():
        base = mean[(row.against, 0 if row.against == "real" else row.multiplier)]
        assert row.difference == pytest.approx(mean[(row.arm, row.multiplier)] - base, abs=1e-12)
        assert row.low < row.difference < row.high and row.n_trials == 3
        assert (row.n_films, row.n_patients) == (60, 60)
    against_real = found[found["against"] == "real"].set_index(["arm", "multiplier"])
    assert against_real.loc[("filtered", 2), "p_harm"] > 0.5 > against_real.loc[("original", 2), "p_harm"]


def test_the_same_arm_twice_does_not_differ() -> None:
    # The same predictions in both arms: paired draws have no difference at all.
    made = [label_table(TRUTH, np.linspace(0, 1, 60)[:, None], trial=t) for t in range(2)]
    twins = [part.assign(arm="original", multiplier=2) for part in made]
    _, table = both_tables([*made, *twins])
    assert (table["difference"] == 0).all() and table["low"].isna().all()
    assert table["note"].str.contains("neither another film nor another trial changes").all()


def test_trials_of_one_arm_alone_are_named_and_not_compared() -> None:
    made = [part for part in tables() if not (part["arm"].iloc[0] == "real" and part["trial"].iloc[0] == 1)]
    _, table = both_tables(made)
    row = table[(table["metric"] == "f1") & (table["multiplier"] == 5)].iloc[0]
    assert row["n_trials"] == 2 and "not compared: trial 1 of original alone" in row["note"]
    _, single = both_tables(list(tables(trials=1)))
    assert single["note"].str.contains("one trial: the interval counts test films alone").all()


@pytest.mark.parametrize(
    ("trials", "films", "words"),
    [(2, 300, ["fewer than 5 trials"]), (4, 30, ["fewer than 5 trials"]), (5, 30, []), (1, 300, [])]
    + [(10, 29, ["fewer than 30 test films"]), (2, 20, ["fewer than 5 trials", "fewer than 30 test films"])],
)
def test_a_design_whose_intervals_are_off_says_so(trials: int, films: int, words: list[str]) -> None:
    note = coverage_note(trials, films)
    assert [part.split(":")[0] for part in note.split("; ") if part] == words
    if trials < 5:
        _, table = both_tables(list(tables(trials=trials)))
        assert table["note"].str.contains("fewer than 5 trials").all() == (trials > 1)


def test_more_false_alarms_are_harm() -> None:
    silent = mask_table([5, 5, 0, 0, 0, 0], [9, 9, 0, 0, 0, 0], [9, 9, 0, 0, 0, 0])
    loud = mask_table([5, 5, 0, 0, 0, 0], [9, 9, 3, 3, 3, 0], [9, 9, 0, 0, 0, 0], arm="original", multiplier=2)
    predicted = gather_predictions([silent, loud])
    drawn = resample(predicted, 500, np.random.default_rng(3), ["false_positive_share"])
    row = differences(predicted, drawn, [], 1).iloc[0]
    assert row["difference"] == pytest.approx(0.75)  # 3 of 4 films without the structure, before none
    assert row["p_harm"] > 0.9 and "draws have films of one class only" in row["note"]


def test_families_of_tests_against_real_and_of_each_pair_of_arms() -> None:
    _, table = both_tables(list(tables()), [("filtered", "original")])
    found = with_families(table, "setting", ["f1"], 0.05)
    assert list(found.columns) == DIFFERENCES
    assert (found.loc[found["metric"] == "auroc", "family_size"] == 0).all()
    tested = found[found["metric"] == "f1"]
    assert dict(zip(zip(tested["arm"], tested["against"], tested["multiplier"]), tested["family_size"])) == {
        ("filtered", "real", 2): 1,
        ("original", "real", 2): 2,  # 2x and 5x of one setting
        ("original", "real", 5): 2,
        ("filtered", "original", 2): 1,
    }
    two = tested[(tested["arm"] == "original")]
    assert two["p_bonferroni"].to_numpy() == pytest.approx(np.minimum(1, 2 * two["p_two_sided"].to_numpy()))
    whole = with_families(table, "dataset", ["f1"], 0.05)
    assert set(whole.loc[whole["metric"] == "f1", "family"]) == {
        "dataset rsna against real",
        "dataset rsna: filtered against original",
    }
    assert whole.loc[whole["against"] == "real", "family_size"].max() == 3
    again = with_families(found, "dataset", ["f1"], 0.05)  # families are made anew, whatever stood there
    pd.testing.assert_frame_equal(again, whole)


def test_the_command_reads_the_files_of_trials_and_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    made = list(tables(trials=2))
    groups: dict[tuple[str, int], list[pd.DataFrame]] = {}
    for part in made:
        groups.setdefault((part["arm"].iloc[0], part["trial"].iloc[0]), []).append(part)
    files = [write_file(tmp_path / "results", pd.concat(parts, ignore_index=True)) for parts in groups.values()]
    patterns = sorted({str(path.with_name("trial-{}.parquet")) for path in files})
    settings = {"bootstrap": {"draws": 400, "metrics": ["auroc"]}, "metrics": ["auroc"], "alpha": 0.05}
    found = []
    for run, given in (("a", [*patterns, "--trials", "2"]), ("b", [*map(str, files[::-1]), "--threads", "2"])):
        outs = [tmp_path / run / "differences.csv", tmp_path / run / "intervals.csv"]
        options = ["--config", json.dumps(settings), "--pairs", "filtered:original", "--family", "dataset"]
        written = ["--out", str(outs[0]), "--means", str(outs[1])]
        bootstrap_differences.main(["--predictions", *given, *options, *written])
        found.append([path.read_bytes() for path in outs])
    assert found[0] == found[1]  # whatever the order of the files and the number of threads
    table = read_intervals(tmp_path / "a" / "differences.csv")
    assert table["against"].tolist() == ["real"] * 3 + ["original"] and table["family_size"].tolist() == [3, 3, 3, 1]
    _, expected = both_tables(made)
    expected = expected[expected["metric"] == "auroc"]
    assert table["difference"][:3].to_numpy() == pytest.approx(
        expected["difference"].to_numpy(), abs=1e-6
    )  # float32 files
    with pytest.raises(SystemExit):
        bootstrap_differences.main(
            ["--predictions", "x", "--config", "{}", "--pairs", "original", "--out", "o", "--means", "m"]
        )


def test_the_commands_collect_and_estimate(tmp_path: Path) -> None:
    settings = {"metrics": ["f1"], "alpha": 0.05, "power": {"power": 0.8, "difference": 0.05}}
    paths = []
    for name in ("rsna", "chexpert"):
        _, table = both_tables(list(tables(dataset=name)))
        paths.append(tmp_path / f"{name}.csv")
        write_table(with_families(table, "setting", ["f1"], 0.05), paths[-1])
    out, power = tmp_path / "differences.csv", tmp_path / "power.csv"
    options = ["--config", json.dumps(settings), "--family", "study", "--out", str(out)]
    collect_differences.main(["--tables", *map(str, paths), *options])
    found = read_intervals(out)
    tested = found[found["metric"] == "f1"]
    assert (tested["family_size"] == 6).all() and set(tested["family"]) == {"study against real"}
    assert tested["p_bonferroni"].to_numpy() == pytest.approx(
        np.minimum(1, 6 * tested["p_two_sided"].to_numpy()), rel=1e-3
    )  # four digits are written
    first = out.read_bytes()
    collect_differences.main(["--tables", *map(str, paths), *options])
    assert out.read_bytes() == first
    estimate_power.main(["--differences", str(out), "--config", json.dumps(settings), "--out", str(power)])
    assert len(pd.read_csv(power)) == 6
