"""Tables that a spreadsheet program has saved, given to the commands that draw them: read right, or refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import plot_edits, plot_reading, plot_search, plot_sweep, plot_transfer
from scripts.lib.core.errors import InputError

SWEEP = (
    "dataset,guidance,steps,features,dimensions,measure,n,value,low,high,floor,floor_low,floor_high,note\n"
    "toy,1.5,10,random,64,kid,20,0.5,0.4,0.6,0.1,0.05,0.2,\ntoy,3.0,10,random,64,kid,20,0.7,0.6,0.8,0.1,0.05,0.2,few films\n"
)
HISTORY = "number,round,score,best\n0,0,0.5,0.5\n1,1,,0.5\n2,1,0.25,0.25\n"
IMPORTANCE = "key,importance,note\nclass_ldm.steps,0.75,\nclass_ldm.rate,0.25,\n"
EDITS = "method,to,measure,value\nddpm,any,flip_rate,0.5\n"
SHARES = (
    "question,answer,rater,share,low,high,share_real,low_real,high_real,note\n"
    "authentic,yes,all,0.5,0.4,0.6,0.75,0.6,0.9,\nauthentic,yes,ann,0.5,0.4,0.6,,,,\n"
)
TRANSFER = (
    "dataset,task,metric,fraction,arm,multiplier,trained_on,tested_on,mean,low,high,min,max,baseline,n_trials,n_tested,n_real,n_synthetic,note\n"
    "toy,classification,f1,0.5,real,0,real films,own films,0.75,0.7,0.8,0.7,0.8,0.6,2,9,5,0,\n"
    "toy,classification,f1,0.5,made,2,images,own films,n/a,n/a,n/a,n/a,n/a,0.6,2,9,5,10,one class\n"
)
AGREEMENT = "measure,rater,value,low,high\nauc,all,0.75,0.6,0.9\n"
Draw = Callable[[Path, str], None]
FIGURE = ["--config", '{"width_mm": 120, "dpi": 40}', "--out"]


def sweep(folder: Path, table: str) -> None:
    (folder / "t.csv").write_text(table, newline="")
    plot_sweep.main(["--table", str(folder / "t.csv"), *FIGURE, str(folder / "f.png")])


def search(folder: Path, table: str) -> None:
    (folder / "t.csv").write_text(table, newline="")
    (folder / "i.csv").write_text(IMPORTANCE)
    plot_search.main(
        ["--history", str(folder / "t.csv"), "--importance", str(folder / "i.csv"), *FIGURE, str(folder / "f.png")]
    )


def transfer(folder: Path, table: str) -> None:
    (folder / "t.csv").write_text(table, newline="")
    look = FIGURE[1].replace("}", ', "titles": {"toy": "Toy"}}')
    plot_transfer.main(["--table", str(folder / "t.csv"), "--config", look, "--out", str(folder / "f.png")])


def edits(folder: Path, table: str) -> None:
    (folder / "t.csv").write_text(table, newline="")
    names = ["--cohort", str(folder), "--edits", str(folder), "--films", str(folder / "f.parquet")]
    plot_edits.main([*names, "--table", str(folder / "t.csv"), *FIGURE, str(folder / "f.png")])


def reading(folder: Path, table: str) -> None:
    (folder / "t.csv").write_text(table, newline="")
    (folder / "a.csv").write_text(AGREEMENT)
    plot_reading.main(
        ["--shares", str(folder / "t.csv"), "--agreement", str(folder / "a.csv"), *FIGURE, str(folder / "f.png")]
    )


@pytest.mark.parametrize(
    ("draw", "table"),
    [(sweep, SWEEP), (search, HISTORY), (reading, SHARES), (transfer, TRANSFER)],
    ids=["sweep", "search", "reading", "transfer"],
)
def test_a_byte_order_mark_and_other_line_ends_are_read(tmp_path: Path, draw: Draw, table: str) -> None:
    draw(tmp_path, table)
    whole = (tmp_path / "f.png").read_bytes()
    draw(tmp_path, "\ufeff" + table.replace("\n", "\r\n"))
    assert (tmp_path / "f.png").read_bytes() == whole


@pytest.mark.parametrize(
    ("draw", "table"),
    [(sweep, SWEEP), (search, HISTORY), (edits, EDITS), (reading, SHARES), (transfer, TRANSFER)],
    ids=["sweep", "search", "edits", "reading", "transfer"],
)
def test_what_a_spreadsheet_made_of_it_is_refused(tmp_path: Path, draw: Draw, table: str) -> None:
    wrong = {
        table.replace(",", ";"): "fields are separated by ';'",
        table.replace("0.5", '"0,5"', 1): "expected a number",
        table.replace("0.5", "TRUE", 1): "'TRUE'; expected a number",
        table.split("\n")[0].replace("value", "worth").replace("share,", "part,").replace("score", "points")
        + "\n1\n": "line 2",
        "": "it is empty",
    }
    for text, message in wrong.items():
        with pytest.raises(InputError, match=message) as caught:
            draw(tmp_path, text)
        assert "\n" not in str(caught.value) and not (tmp_path / "f.png").exists()


def test_tables_of_a_reading_without_rows_say_so(tmp_path: Path) -> None:
    reading(tmp_path, SHARES.split("\n")[0] + "\n")
    assert (tmp_path / "f.png").stat().st_size > 500
