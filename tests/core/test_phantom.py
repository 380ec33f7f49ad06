"""The word PHANTOM stands on every table, figure, sheet and page of a study whose films the workflow draws, and on no other."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.layout_engine import ConstrainedLayoutEngine

from scripts.lib.cohort.table1 import COLUMNS, markdown
from scripts.lib.core.phantom import (
    LINE,
    VARIABLE,
    mark,
    origin_line,
    origin_of,
    phantoms,
    say_phantoms,
    say_phantoms_of,
    with_origin,
)
from scripts.lib.evidence.tables import write_table
from scripts.lib.plotting.sheet import sheet_title
from scripts.lib.plotting.style import MM, STRIP, journal_style, save


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "siim,rsna")


def test_the_configuration_says_which_datasets_are_phantoms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "stale")
    say_phantoms(
        {"datasets": {"a": {"root": "phantom"}, "b": {"root": "/films"}, "c": {"root": "phantom"}}}, ["a", "b"]
    )
    assert phantoms() == ["a"] and mark() == "PHANTOM: "
    say_phantoms({"datasets": {"b": {"root": "/films"}}}, ["b"])
    assert phantoms() == [] and mark() == ""


def test_rows_of_tables_say_whose_films_they_are_about(tmp_path: Path, drawn: None) -> None:
    write_table(pd.DataFrame({"dataset": ["siim", "mine"], "value": [1, 2]}), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "dataset,value,origin\nsiim,1,PHANTOM\nmine,2,real\n"
    write_table(pd.read_csv(tmp_path / "a.csv"), tmp_path / "b.csv")  # a table of tables says it once
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
    write_table(pd.DataFrame({"value": [1]}), tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_text() == "value,origin\n1,PHANTOM\n"


def test_a_row_about_all_datasets_is_of_phantoms_where_any_of_them_is(tmp_path: Path, drawn: None) -> None:
    write_table(pd.DataFrame({"dataset": ["siim", "mine", "all"]}), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines()[-1] == "all,PHANTOM"
    write_table(pd.DataFrame({"dataset": ["mine", "all"]}), tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_text().splitlines()[-1] == "all,real"


def test_tables_of_real_films_are_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    write_table(pd.DataFrame({"dataset": ["mine"], "value": [1]}), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "dataset,value\nmine,1\n"


def test_sets_and_forms_to_judge_say_it_of_the_whole_study(drawn: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The column is the same in all rows, a caption's and a film's, so that it tells no rater which is which."""
    sets = pd.DataFrame({"set_id": ["a", "b"], "dataset": [None, "siim"]})
    assert with_origin(sets)["origin"].tolist() == ["PHANTOM", "PHANTOM"]
    assert origin_of(with_origin(sets)) == origin_line() == LINE
    monkeypatch.setenv(VARIABLE, "")
    assert list(with_origin(sets)) == ["set_id", "dataset"] and origin_of(sets) == origin_line() == ""


def test_finished_results_are_of_phantoms_where_configuration_and_raw_films_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default configuration is the phantom's: without their overlay, results of real films must not be called phantoms."""
    monkeypatch.setenv(VARIABLE, "stale")
    config = {"datasets": {"a": {"root": "phantom"}, "b": {"root": "/films"}}}
    say_phantoms_of(config, ["a", "b"], tmp_path)
    assert phantoms() == []
    (tmp_path / "phantom").mkdir()
    for name in ("a", "b"):
        (tmp_path / "phantom" / f"{name}.json").touch()
    say_phantoms_of(config, ["a", "b"], tmp_path)
    assert phantoms() == ["a"]


@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
def test_figures_have_a_strip_that_says_it(tmp_path: Path, drawn: None, layout: str | None) -> None:
    figure, axes = plt.subplots(figsize=(3, 2), layout=layout)
    axes.plot([0, 1])
    before = axes.get_position().bounds
    save(figure, [tmp_path / "a.svg"])
    assert figure.texts[-1].get_text().startswith("PHANTOM")
    assert figure.get_size_inches().tolist() == pytest.approx([3, 2.13])
    low = axes.get_position().y0 * 2.13
    assert low > 0.13, "the strip lies below all axes"
    if layout is None:  # the axes keep their size in inches: their height of 2 x before is now a share of 2.13
        assert axes.get_position().height * 2.13 == pytest.approx(before[3] * 2)


def test_sheets_and_table_1_say_it(drawn: None) -> None:
    assert sheet_title("siim", 2, 3) == "PHANTOM: siim: 2 of 3 synthetic images"
    row = dict.fromkeys(COLUMNS, "")
    assert markdown([{**row, "dataset": "siim"}, {**row, "dataset": "mine"}]).startswith(
        "PHANTOM: films drawn by the workflow, no evidence about patients (siim)."
    )
    assert "PHANTOM" not in markdown([{**row, "dataset": "mine"}])


@pytest.mark.parametrize("reserved", [True, False])
def test_the_strip_leaves_a_legend_its_room(reserved: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """20 of 40 mm belong to the legend; they are 20 mm still when the strip is there, and nothing lies over anything."""
    monkeypatch.setenv(VARIABLE, "siim")
    with journal_style():
        figure, axis = plt.subplots(figsize=(4, 40 * MM), layout="constrained")
        axis.plot([0, 1], [0, 1], label="a line")
        axis.set_xlabel("below the axis")
        foot = 0.5 if reserved else 0.0
        figure.set_layout_engine(ConstrainedLayoutEngine(rect=(0, foot, 1, 1 - foot)))
        if reserved:
            figure.legend(loc="upper center", bbox_to_anchor=(0.5, 0.5))
        save(figure, [tmp_path / "figure.png"])
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        height = figure.get_figheight() * figure.dpi
        drawn = axis.get_tightbbox(renderer)
        strip = STRIP * figure.dpi
        assert drawn is not None
        assert drawn.y0 >= strip + foot * 40 * MM * figure.dpi - 1 and drawn.y1 <= height
        for legend in figure.legends:
            assert strip <= legend.get_window_extent(renderer).y1 <= strip + 20 * MM * figure.dpi + 1 < drawn.y0 + 2
