"""Figure 5: which examples are shown, and that each panel shows its table, or says why it is empty."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.evidence.tables import ENDS, FIGURE2
from scripts.lib.plotting.figure5 import draw_figure5
from scripts.lib.plotting.figure5_examples import Example, ShownFilm, choose_examples

STRUCTURES = ["lungs", "heart", "pleural_effusion", "cardiomegaly"]
RIGHT, LARGE = {"pleural_effusion": "right"}, {"cardiomegaly": ""}
BOXES = pd.DataFrame(
    {"row": [1], "structure": ["pleural_effusion"], "x0": [2.5], "y0": [11.0], "x1": [7.0], "y1": [14.0]}
)


def chest(ask: dict[str, str]) -> np.ndarray:
    field = np.zeros((16, 16), np.uint8)
    field[2:14, 2:7] |= 1
    field[2:14, 9:14] |= 1
    field[8:13, 6:11] |= 2 | 8 * ("cardiomegaly" in ask)
    field[11:14, 2:7] |= 4 * ("pleural_effusion" in ask)
    return field


def store(folder: Path, rows: list[dict], shade: int = 0) -> Cohort:
    """A store with an image of each row; `show` is what its mask shows, `asked` what was asked for."""
    with CohortWriter(folder, 16, STRUCTURES, [], {"dataset": "d"}, with_masks=True) as writer:
        for number, row in enumerate(rows):
            plain = {"image_id": f"m{number}", "patient_id": f"p{number}", "split": "test", "synthetic": False}
            told = {key: value for key, value in row.items() if key != "show"}
            writer.add(np.full((16, 16), shade + number, np.uint8), chest(row["show"]), plain | told)
    return Cohort.open(folder)


def asked(ask: dict[str, str], words: str, shown: dict[str, str] | None = None, faults: str = "") -> dict:
    show = ask if shown is None else shown
    return {"show": show, "ask": json.dumps(ask), "shown": json.dumps(show), "prompt": words, "faults": faults}


def world(tmp_path: Path, rows: list[dict]) -> tuple[Cohort, Cohort, pd.DataFrame, Cohort]:
    """Masks, the images made of them in another order, the table that links them, and three real films."""
    masks = store(tmp_path / "masks", rows)
    order = list(range(len(rows)))[::-1]
    images = store(tmp_path / "images", [rows[k] | {"condition_id": f"c{k}", "sample": 0} for k in order], 100)
    conditions = pd.DataFrame(
        {"condition_id": [f"c{k}" for k in order], "sample": 0, "mask_source": [f"m{k}" for k in order]}
    )
    films = store(tmp_path / "films", [{"show": {}}, {"show": RIGHT}, {"show": {}}], 200)
    return masks, images, conditions, films


def test_examples_show_what_was_asked_for_and_real_films_of_the_same_words_come_first(tmp_path: Path) -> None:
    rows = [
        asked({}, "no finding"),
        asked(RIGHT, "right pleural effusion", faults="lung area"),
        asked(RIGHT, "right pleural effusion", shown={}),
        asked(LARGE, "cardiomegaly"),
        asked(LARGE | RIGHT, "cardiomegaly and right pleural effusion"),
        asked(RIGHT, "right pleural effusion"),
        asked(RIGHT, "right pleural effusion"),
    ]
    masks, images, conditions, films = world(tmp_path, rows)
    found = choose_examples(masks, images, conditions, films, BOXES, 3)
    # One of a single finding whose words a real film has, one of two findings, then the other single one.
    assert [one.words for one in found] == [
        "right pleural effusion",
        "cardiomegaly and right pleural effusion",
        "cardiomegaly",
    ]
    first = found[0]
    # Row 5 of seven masks is image 1 of the reversed pool.
    assert first.made.image[0, 0] == 101 and np.array_equal(first.made.field, chest(RIGHT))
    assert first.made.boxes == [("pleural_effusion", (2.0, 11.0, 7.0, 14.0))]
    assert first.real is not None and first.real.image[0, 0] == 201
    assert first.real.boxes == [("pleural_effusion", (2.5, 11.0, 7.0, 14.0))]
    assert found[2].real is None


def test_a_pool_without_any_example_is_one_line(tmp_path: Path) -> None:
    masks, images, conditions, films = world(tmp_path, [asked({}, "no finding"), asked(RIGHT, "x", shown={})])
    with pytest.raises(InputError, match="no valid mask shows what it was asked for"):
        choose_examples(masks, images, conditions, films, BOXES, 3)


def bars() -> pd.DataFrame:
    rows = []
    for dataset, task, metric in (("a", "segmentation", "dice"), ("b", "detection", "ap50")):
        about = {"dataset": dataset, "title": dataset, "task": task, "metric": metric, "fraction": 0.1, "n_real": 60}
        rows.append(about | {"kind": "baseline", "baseline": "mean_box", "value": 0.1})
        for arm, times, values in (("real", 0, (0.2, 0.3)), ("aurad", 2, (0.4, 0.5)), ("shuffled", 2, (0.3, 0.3))):
            cell = about | {"arm": arm, "multiplier": times}
            rows += [cell | {"kind": "trial", "trial": k, "value": value} for k, value in enumerate(values)]
            mean = float(np.mean(values))
            rows.append(
                cell
                | {"kind": "mean", "value": mean, "low": mean - 0.1, "high": mean + 0.1, "significant": arm == "aurad"}
            )
    table = pd.DataFrame(rows).reindex(columns=[*FIGURE2, *ENDS])
    return table.assign(significant=table["significant"].fillna(False).astype(bool))


MASKS = pd.DataFrame(
    {
        "measure": ["shown_if_asked", "validity"],
        "of": "all",
        "value": [0.9, 0.8],
        "low": [0.85, 0.7],
        "high": [0.95, 0.9],
        "floor": [np.nan, 0.97],
    }
)
ACCEPTED = pd.DataFrame(
    [("copy", "all", "all", 0.9, 0.8, 1.0), ("copy", "findings", "1", 0.95, 0.9, 1.0), ("proxy", "all", "all", np.nan, np.nan, np.nan), ("kept", "all", "all", 0.7, 0.6, 0.8)],
    columns=["expert", "by", "value", "share", "low", "high"],
)  # fmt: skip


def axes_of(figure: Figure) -> list[Axes]:
    return [axis for upper in figure.subfigs for axis in upper.axes]


def bars_of(axis: Axes) -> list[Rectangle]:
    return [patch for patch in axis.patches if isinstance(patch, Rectangle)]


def titled(figure: Figure, start: str) -> Axes:
    return next(axis for axis in axes_of(figure) if axis.get_title(loc="left").startswith(start))


def test_every_panel_shows_its_table() -> None:
    made = ShownFilm(np.zeros((16, 16), np.uint8), chest(RIGHT), [("pleural_effusion", (2.0, 11.0, 7.0, 14.0))])
    examples = [Example("right pleural effusion", made, None)]
    shares = pd.DataFrame(
        {
            "question": ["authentic", "authentic"],
            "source": ["real", "synthetic"],
            "share": [0.9, 0.6],
            "low": [0.8, 0.5],
            "high": [1.0, 0.7],
            "simulated": True,
        }
    )
    masks = {"aurad": MASKS, "shuffled": MASKS}
    figure = draw_figure5(examples, STRUCTURES, masks, ACCEPTED, bars(), shares, {"aurad": "generated masks"})
    row = figure.subfigs[0].axes
    assert len(row) == 6 and len(row[3].patches) == 1 and not row[2].patches, "boxes lie on the fourth picture alone"
    assert "no real test film" in row[4].texts[0].get_text()
    measured = titled(figure, "B")
    assert "generated masks" in [str(one.get_label()) for one in measured.get_lines()]
    assert [bar.get_width() for bar in bars_of(titled(figure, "C"))] == [0.9, 0.7]
    assert [text.get_text() for text in titled(figure, "C").texts] == ["no vote"]
    for letter in ("D   Segmentation", "E   Detection"):
        panel = titled(figure, letter)
        assert [round(bar.get_height(), 6) for bar in bars_of(panel)] == [0.25, 0.45, 0.3]
        assert sum(text.get_text() == "★" for text in panel.texts) == 1
    assert [bar.get_height() for bar in bars_of(titled(figure, "F"))] == [0.9, 0.6]


def test_what_is_not_there_is_said_and_nothing_to_show_is_refused() -> None:
    examples = [Example("x", ShownFilm(np.zeros((16, 16), np.uint8), chest(RIGHT), []), None)]
    figure = draw_figure5(examples, STRUCTURES, {"aurad": MASKS}, None, bars(), None, {})
    said = [text.get_text() for letter in ("C", "F") for text in titled(figure, letter).texts]
    assert said == ["no arm of this study asks experts", "nobody has\nread these\nimages yet"]
    with pytest.raises(InputError, match="an example and the trials"):
        draw_figure5([], STRUCTURES, {"aurad": MASKS}, None, bars(), None, {})
