"""Table 2: the rows of each task, trivial answers, the claims of AURAD, and what readers said here."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.evidence.table2 import (
    ARM,
    CLAIMS,
    READ,
    REPORTED,
    TABLE2,
    TRIVIAL,
    arm_bars,
    as_markdown,
    read_shares,
    table2,
)

CELL = {"dataset": "d", "task": "detection", "fraction": 0.1}


def rows(values: dict[tuple[str, int], float], metric: str = "ap50") -> pd.DataFrame:
    kept = [
        CELL | {"metric": metric, "arm": arm, "multiplier": times, "mean": value}
        for (arm, times), value in values.items()
    ]
    return pd.DataFrame(kept).assign(
        trials=2, difference=0.5, p_bonferroni=0.01, significant=[arm == "aurad" for arm, _ in values], note=""
    )


@pytest.fixture
def parts() -> dict[str, pd.DataFrame]:
    summary = rows({("real", 0): 0.2, ("aurad", 2): 0.3, ("shuffled", 2): 0.25})
    about = ["dataset", "metric", "fraction", "arm", "multiplier"]
    differences = summary.iloc[1:][about].assign(
        against="real", difference=[0.1, 0.05], low=[0.04, -0.01], high=[0.16, 0.11]
    )
    other = differences.iloc[:1].assign(against="shuffled", difference=0.05)
    return {
        "summary": pd.concat([summary, rows({("aurad", 2): 0.9}, "recall")]),
        "intervals": summary[about].assign(low=summary["mean"] - 0.1, high=summary["mean"] + 0.1),
        "differences": pd.concat([differences, other]),
        "baselines": pd.DataFrame(
            {
                "dataset": "d",
                "task": "detection",
                "metric": "ap50",
                "baseline": ["mean_box", "none"],
                "value": [0.07, 0.0],
            }
        ),
    }


def test_each_arm_has_its_value_and_its_difference_to_real_films(parts: dict[str, pd.DataFrame]) -> None:
    table = table2(**parts)
    assert list(table) == TABLE2 and table["kind"].tolist() == [ARM] * 3 + [TRIVIAL] + [REPORTED] * 2
    own = table[table["kind"] == ARM].set_index("arm")
    assert set(own["metric"]) == {"ap50"}, "a metric that is not shown has no row"
    assert own["difference"].fillna(-9).tolist() == [-9, 0.1, 0.05], "against real films, not against another arm"
    ends = [own[name]["aurad"] for name in ("low", "high", "difference_low", "difference_high")]
    assert ends == pytest.approx([0.2, 0.4, 0.04, 0.16])
    trivial = table[table["kind"] == TRIVIAL].iloc[0]
    assert (trivial["arm"], trivial["value"]) == ("mean_box", 0.07)
    assert dict(zip(table["metric"], table["value"]))["authentic"] == CLAIMS["authentic"][0] == 0.78


def test_the_table_for_reading_has_a_line_an_arm_and_says_that_nobody_read(parts: dict[str, pd.DataFrame]) -> None:
    text = as_markdown(table2(**parts), {"d": "Films, detection"}, {"aurad": "generated masks"})
    lines = text.splitlines()
    assert lines[0] == "| real films | arm | images | Films, detection: AP50 |"
    assert "| 10 % | real | none | 0.200 |" in lines
    assert "| 10 % | generated masks | 2x | 0.300 (+0.100, +0.040 to +0.160) * |" in lines
    assert "| 10 % | shuffled | 2x | 0.250 (+0.050, -0.010 to +0.110) |" in lines
    assert "| | trivial: one answer for all films | | 0.070 (mean box) |" in lines
    assert sum("nobody has read these images" in line for line in lines) == 2


def test_what_readers_said_stands_beside_the_claim(parts: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    path = tmp_path / "shares.csv"
    head = "question,answer,rater,n,share,low,high,n_real,share_real,low_real,high_real,note\n"
    rows = "authentic,yes,all,40,0.5,0.35,0.65,38,0.9,0.8,0.95,simulated answers: no person has seen these forms\n"
    others = (
        "authentic,yes,ana,20,1,1,1,20,1,1,1,\nauthentic,3,all,40,1,1,1,20,1,1,1,\nsex,yes,all,40,1,1,1,20,1,1,1,\n"
    )
    path.write_text(head + rows + others)
    table = table2(**parts, shares=read_shares(path))
    read = table[table["kind"] == READ]
    assert read["arm"].tolist() == ["synthetic", "real"] and read["value"].tolist() == [0.5, 0.9]
    line = next(line for line in as_markdown(table, {}, {}).splitlines() if line.startswith("| authentic"))
    assert (
        "synthetic: 0.50 (0.35 to 0.65, 40 simulated answers); real: 0.90 (0.80 to 0.95, 38 simulated answers)" in line
    )
    path.write_text(head + others)
    with pytest.raises(InputError, match="no row of yes and all raters for authentic, overlay"):
        read_shares(path)


def test_trials_without_a_metric_that_is_shown_are_one_line(parts: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(InputError, match="no row of a metric"):
        table2(**{**parts, "summary": rows({("aurad", 2): 0.9}, "recall")})


def test_bars_hold_every_arm_and_the_real_films_once() -> None:
    about = {**CELL, "metric": "ap50", "n_real": 6.0, "n_labels": 1}
    cells = [("real", 0, 0.2), ("aurad", 2, 0.3), ("shuffled", 2, 0.25)]
    trials = pd.DataFrame(
        [
            about | {"arm": a, "multiplier": m, "trial": t, "seed": t, "value": v, "n_synthetic": 0.0, "note": ""}
            for a, m, v in cells
            for t in (0, 1)
        ]
    )
    tests = pd.DataFrame(
        [
            {k: about[k] for k in ("dataset", "metric", "fraction")}
            | {"arm": a, "multiplier": m, "p_bonferroni": 0.5, "significant": False, "note": ""}
            for a, m, _ in cells[1:]
        ]
    )
    baselines = pd.DataFrame(
        {"dataset": ["d"], "task": ["detection"], "metric": ["ap50"], "baseline": ["mean_box"], "value": [0.05]}
    )
    intervals = pd.DataFrame(
        [
            {k: about[k] for k in ("dataset", "metric", "fraction")}
            | {"arm": a, "multiplier": m, "low": v - 0.1, "high": v + 0.1}
            for a, m, v in cells
        ]
    )
    settings = {
        "datasets": [{"name": "d", "title": "D", "task": "detection"}],
        "metrics": {"detection": "ap50"},
        "arms": ["aurad", "shuffled"],
    }
    table = arm_bars(trials, baselines, tests, intervals, settings)
    means = table[table["kind"] == "mean"]
    assert means["arm"].tolist() == ["real", "aurad", "shuffled"] and means["value"].tolist() == pytest.approx(
        [0.2, 0.3, 0.25]
    )
    assert (table["kind"] == "trial").sum() == 6 and (table["kind"] == "baseline").sum() == 1
    with pytest.raises(InputError, match="no row of arm other"):
        arm_bars(trials, baselines, tests, intervals, {**settings, "arms": ["other"]})
