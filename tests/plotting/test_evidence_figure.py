"""evidence.png: every difference with its interval on the right side, marks that differ, harm shaded, the same bytes twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest

from scripts import plot_evidence as command
from scripts.lib.evidence.differences import DIFFERENCES
from scripts.lib.evidence.tables import write_table
from scripts.lib.plotting.evidence import HARM, draw_evidence
from scripts.lib.plotting.panels import COLOURS, MARKERS

SETTINGS: dict[str, Any] = {
    "datasets": [
        {"name": "siim", "title": "SIIM-ACR", "task": "segmentation"},
        {"name": "rsna", "title": "RSNA Pneumonia", "task": "classification"},
    ],
    "metrics": {"classification": "f1", "multilabel": "f1", "segmentation": "dice"},
    "width_mm": 183,
    "dpi": 100,
}
PAIRS = (("original", "real"), ("duplicate", "real"), ("original", "duplicate"))


def make_table(pairs: tuple[tuple[str, str], ...] = PAIRS) -> pd.DataFrame:
    rows = []
    for dataset, metric in (("siim", "dice"), ("rsna", "f1"), ("rsna", "auroc")):
        for fraction, multiplier in ((0.1, 2), (0.1, 5), (1.0, 2)):
            for place, (arm, against) in enumerate(pairs):
                value = 0.02 * multiplier - 0.05 * place
                rows.append(
                    {"dataset": dataset, "metric": metric, "fraction": fraction, "arm": arm, "against": against}
                    | {"multiplier": multiplier, "difference": value, "low": value - 0.03, "high": value + 0.04}
                )
    return pd.DataFrame(rows).reindex(columns=DIFFERENCES)


def marks(axis: Any) -> list[Any]:
    return [line for line in axis.lines if line.get_marker() in MARKERS and len(line.get_xdata()) == 1]


def test_every_difference_of_the_chosen_metric_is_drawn_with_its_interval() -> None:
    table = make_table()
    figure = draw_evidence(table, SETTINGS)
    panels = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title(loc="left") for axis in panels] == ["A   SIIM-ACR", "B   RSNA Pneumonia"]
    own = table[(table["dataset"] == "rsna") & (table["metric"] == "f1")]
    drawn = sorted(float(mark.get_xdata()[0]) for mark in marks(panels[1]))
    assert drawn == pytest.approx(sorted(own["difference"]))
    spans = sorted(tuple(line.get_xdata()) for line in panels[1].lines if len(line.get_xdata()) == 2)
    wanted = sorted(zip(own["low"], own["high"]))
    lines = [span for span in spans if span[0] != span[1] and span != (0, 1)]
    assert np.array(lines) == pytest.approx(np.array(wanted))
    assert [label.get_text() for label in panels[1].get_yticklabels()] == ["10 %, 2×", "10 %, 5×", "100 %, 2×"]


def test_a_setting_is_as_high_as_its_marks_which_stand_around_its_name() -> None:
    table = make_table()
    alone = (
        (table["dataset"] == "siim") & (table["multiplier"] == 5) & (table["arm"] + table["against"] != "originalreal")
    )
    axis = draw_evidence(table[~alone], SETTINGS).axes[0]
    # Three marks need 5 + 2 * 2.6 = 10.2 mm, one needs 5: the middles are at 5.1, 10.2 + 2.5 and 15.2 + 5.1.
    assert list(axis.get_yticks()) == pytest.approx([5.1, 12.7, 20.3])
    places = sorted(float(mark.get_ydata()[0]) for mark in marks(axis))
    assert places == pytest.approx([2.5, 5.1, 7.7, 12.7, 17.7, 20.3, 22.9])


def test_series_differ_in_shape_and_colour_and_a_full_mark_leaves_out_zero() -> None:
    axis = draw_evidence(make_table(), SETTINGS).axes[0]
    looks = {(mark.get_marker(), mark.get_markeredgecolor()) for mark in marks(axis)}
    assert len(looks) == 3 == len({look[0] for look in looks}) == len({look[1] for look in looks})
    for mark in marks(axis):
        value = float(mark.get_xdata()[0])
        decided = value - 0.03 > 0 or value + 0.04 < 0
        assert (mark.get_markerfacecolor() != "white") == decided
    assert len(set(COLOURS)) == len(COLOURS) == len(set(MARKERS))


@pytest.mark.parametrize(("metric", "side"), [("f1", -1), ("false_positive_share", 1)])
def test_the_harm_side_is_shaded(metric: str, side: int) -> None:
    table = make_table().replace({"metric": {"f1": metric}})
    chosen = SETTINGS | {"metrics": SETTINGS["metrics"] | {"classification": metric}}
    axis = draw_evidence(table[table["dataset"] == "rsna"], chosen).axes[0]
    shade = next(patch for patch in axis.patches if patch.get_facecolor() == matplotlib.colors.to_rgba(HARM))
    middle = shade.get_x() + shade.get_width() / 2
    assert np.sign(middle) == side and shade.get_width() > 0.05
    first, _, last = axis.get_xlabel().split("     ")
    assert ("harms" in first) == (side < 0) and ("harms" in last) == (side > 0)


def test_a_wide_interval_goes_on_and_a_missing_one_is_a_hollow_mark() -> None:
    table = make_table()
    table.loc[0, ["low", "high"]] = [-1.0, 1.0]
    table.loc[1, ["low", "high"]] = np.nan
    table.loc[2, "difference"] = np.nan
    axis = draw_evidence(table, SETTINGS).axes[0]
    arrows = [line.get_marker() for line in axis.lines if line.get_marker() in "<>"]
    assert sorted(arrows) == ["<", ">"] and len(marks(axis)) == 9 - 1
    hollow = next(mark for mark in marks(axis) if mark.get_xdata()[0] == table.loc[1, "difference"])
    assert hollow.get_markerfacecolor() == "white"
    assert axis.get_xlim()[1] < 0.5
    empty = draw_evidence(table.assign(difference=np.nan), SETTINGS)
    assert not empty.axes and "differences.csv says why" in empty.texts[0].get_text()


def test_the_command_writes_the_same_bytes_twice(tmp_path: Path) -> None:
    write_table(make_table().assign(n_trials=2, n_patients=9, n_films=9), tmp_path / "differences.csv")
    files = []
    for run in ("a", "b"):
        outputs = [tmp_path / run / f"evidence{suffix}" for suffix in (".pdf", ".png", ".svg")]
        options = ["--config", json.dumps(SETTINGS), "--out", *map(str, outputs)]
        command.main(["--differences", str(tmp_path / "differences.csv"), *options])
        files.append([path.read_bytes() for path in outputs])
    assert files[0] == files[1] and files[0][0].startswith(b"%PDF")
