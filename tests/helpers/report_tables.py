"""A small results folder for the report: tables of one dataset, written by hand, and a configuration that fits them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from scripts.lib.reporting.page.comparisons import read_comparisons
from scripts.lib.reporting.page.lines import Facts
from scripts.lib.reporting.page.names import Names
from scripts.lib.reporting.page.tables import Tables
from scripts.lib.study.config import load_study
from tests.conftest import ROOT

DIFFERENCES = (
    *("dataset", "task", "metric", "fraction", "arm", "against", "multiplier", "difference", "low", "high", "family"),
    *("p_bonferroni", "n_trials", "n_patients", "n_films", "note"),
)


@cache
def _study() -> dict[str, Any]:
    return load_study([ROOT / "config.yaml"], {})


def study(**own: Any) -> dict[str, Any]:
    """Return the embedded study's configuration with one dataset, rsna, and other keys of its section `study`."""
    found = dict(_study())
    found["study"] = {**found["study"], "datasets": ["rsna"], **own}
    return found


def facts(results: Path, config: dict[str, Any] | None = None) -> Facts:
    """Return what the lines of a results folder are made from, under `config` or that of `study`."""
    own = config or study()
    tables = Tables(results)
    return Facts(tables, read_comparisons(tables, own), own, Names(own))


def difference(multiplier: int, value: float, low: float, high: float, p: float, /, **own: Any) -> dict[str, Any]:
    """Return a row of differences.csv: F1 of RSNA at 1 %, five trials on 40 films of 30 patients."""
    row = {"dataset": "rsna", "task": "classification", "metric": "f1", "fraction": 0.01, "arm": "original"}
    row |= {
        "against": "real",
        "multiplier": multiplier,
        "difference": value,
        "low": low,
        "high": high,
        "p_bonferroni": p,
    }
    return {**row, "family": "one", "n_trials": 5, "n_patients": 30, "n_films": 40, "note": "", **own}


def write_table(results: Path, file: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """Write rows as a CSV below results/; `columns` where there may be no rows."""
    path = results / file
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(columns or rows[0])
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, names, restval="n/a", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_results(results: Path, rows: Sequence[Mapping[str, Any]], films: Sequence[int] = (3, 4)) -> Path:
    """Write the tables that every study has: differences, means, trials (of so many real films), baselines, and a picture."""
    write_table(results, "tables/differences.csv", rows, DIFFERENCES)
    cells = [
        {
            **{name: row[name] for name in ("dataset", "metric", "fraction", "arm", "multiplier")},
            "mean": 0.5 + row["difference"],
        }
        for row in rows
        if isinstance(row["difference"], float)
    ]
    real = {"dataset": "rsna", "metric": "f1", "fraction": 0.01, "arm": "real", "multiplier": 0, "mean": 0.5}
    write_table(results, "tables/intervals.csv", [real, *cells])
    trials = [{"dataset": "rsna", "fraction": 0.01, "n_real": n} for n in films]
    write_table(results, "tables/trials.csv", trials)
    baseline = {"dataset": "rsna", "metric": "f1", "baseline": "all_positive", "value": 0.37}
    write_table(results, "tables/baselines.csv", [baseline])
    Image.new("RGBA", (60, 40), (20, 30, 200, 255)).save(results / "figure2.png")
    return results
