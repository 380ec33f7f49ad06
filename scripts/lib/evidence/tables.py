"""The tables between trials and figures: read and checked, collected, summarized, and made tidy for Figure 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.core.phantom import COLUMN, WORD, films_of, phantoms
from scripts.lib.evidence.statistics import check_trials
from scripts.lib.formats.csv_text import MISSING, read_columns, read_text

SIGNIFICANCE = ["dataset", "metric", "fraction", "arm", "multiplier", "p_bonferroni", "significant", "note"]
TESTS = ["dataset", "fraction", "multiplier", "difference", "ci_low", "ci_high", "p_bonferroni"]
NUMBERS = {"fraction", "multiplier", "trial", "seed", "n_real", "n_synthetic", "value", "difference", "p_bonferroni"}
NUMBERS |= {"ci_low", "ci_high", "low", "high"}
WHOLE = {"multiplier", "trial", "seed", "n_labels"}  # never rounded to be shown
OPTIONAL = ("value", "n_labels", "p_bonferroni")  # numbers that may be "n/a"
MEASURED = {
    "value",
    "seed",
    "n_real",
    "n_synthetic",
    "n_labels",
    "note",
    *("low", "high", "n", "dimensions", "floor", "floor_low", "floor_high", "verdict"),
}  # what a row reports, as against what it is about
SETTING = ["dataset", "metric", "fraction"]
CELL = [*SETTING, "arm", "multiplier"]
FIGURE2 = [
    *["dataset", "title", "task", "metric", "kind", "fraction", "arm", "multiplier", "trial", "baseline"],
    *["n_real", "n_synthetic", "n_labels", "value", "difference", "p_bonferroni", "significant", "note"],
]
ENDS = ["low", "high"]  # of the interval of a mean, in intervals.csv and in Figure 2


def read_table(path: Path, columns: Sequence[str], optional: Sequence[str] = OPTIONAL) -> pd.DataFrame:
    """Read these columns of a CSV: NUMBERS as numbers (NaN where an `optional` one says n/a), the rest as text.

    Raises InputError for a file that is no table, a missing column, or text where a number or a truth belongs.
    """
    return read_columns(path, columns, NUMBERS - WHOLE, WHOLE, {"significant"}, optional)


def with_films(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy with the column `origin` last, where the study has phantom films; rows without a dataset are about all."""
    known = phantoms()
    if not known:
        return table.copy()
    words = films_of(table["dataset"], known) if "dataset" in table else [WORD] * len(table)
    return table.drop(columns=COLUMN, errors="ignore").assign(**{COLUMN: words})


def write_table(table: pd.DataFrame, path: Path, digits: int | None = None) -> None:
    """Write a CSV of stable bytes; what could not be had is written as n/a, never left to guess.

    In a study with phantom films a column `origin` says which rows are about them.

    digits  of a table that people read: significant digits of numbers that are not whole, whole ones are written whole, and
            labels without underscores; None: as it is, for tables from which something is computed
    """
    table = with_films(table)
    if digits is not None and "label" in table:
        table["label"] = table["label"].str.replace("_", " ")
    for name in table:
        if digits is not None and pd.api.types.is_float_dtype(table[name]):
            short = [shortened(float(value), digits) for value in table[name]]
            table[name] = pd.Series(short, index=table.index, dtype=object)
    for name in ("trial", "multiplier", "n_real", "n_synthetic", "n_tested", "n_labels"):
        if name in table and pd.api.types.is_float_dtype(table[name]) and (table[name].dropna() % 1 == 0).all():
            table[name] = table[name].astype("Int64")
    table.to_csv(path, index=False, lineterminator="\n", na_rep=MISSING)


def shortened(value: float, digits: int) -> float | int:
    """Return a number with so many significant digits; a whole one as a whole number, with all its digits.

    >>> [shortened(value, 4) for value in (0.123456, 58.0, 123456.0, 1234.56)]
    [0.1235, 58, 123456, 1235]
    """
    if not np.isfinite(value):
        return value
    short = value if value == round(value) else float(f"{value:.{digits}g}")
    return int(short) if short == round(short) and abs(short) < 1e15 else short


def collect(paths: Sequence[Path]) -> pd.DataFrame:
    """Return the rows of all tables as text, unchanged, in a fixed order: real films first, then by what rows are about.

    Raises InputError for tables with other columns, without rows, or with two rows about the same thing.
    """
    parts: list[pd.DataFrame] = []
    for path in paths:
        part = read_text(path)
        if parts and list(part.columns) != list(parts[0].columns):
            raise InputError(f"{path}: columns {list(part.columns)} differ from {list(parts[0].columns)} of {paths[0]}")
        parts.append(part)
    return in_order([part.assign(_source=str(path)) for part, path in zip(parts, paths)])


def text_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], source: Path) -> pd.DataFrame:
    """Return rows as the text that a CSV of them would hold, nothing for None; `_source` says where they are from."""
    text = [["" if row[name] is None else str(row[name]) for name in columns] for row in rows]
    return pd.DataFrame(text, columns=list(columns), dtype=str).assign(_source=str(source))


def in_order(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return rows of text in the order of `collect`; `_source`, the file of each row, is for the error and not returned."""
    table = pd.concat(parts, ignore_index=True)
    about = [name for name in table.columns if name not in {*MEASURED, "_source"}]
    twice = table[table.duplicated(about, keep=False)]
    if len(twice):
        row = twice.iloc[0]
        others = sorted(set(twice.loc[(twice[about] == row[about]).all(axis=1), "_source"]))
        what = ", ".join(f"{name} {row[name]}" for name in about)
        raise InputError(f"{', '.join(others)}: more than one row for {what}; keep one")
    keys = table[about].copy()
    for name in NUMBERS & set(about):
        keys[name] = pd.to_numeric(keys[name], errors="coerce")
    if "arm" in keys:
        keys["arm"] = np.where(keys["arm"] == "real", "", keys["arm"])  # before every other arm
    return table.loc[keys.sort_values(about, kind="stable").index].drop(columns="_source")


def summarize(trials: pd.DataFrame, baselines: pd.DataFrame, tests: pd.DataFrame) -> pd.DataFrame:
    """Return one row a cell and metric: mean, spread and extremes of the trials, the trivial baselines, the test.

    `difference` is to the real-only mean at the same fraction. Metrics that are not tested have no P value. `n_labels`: the
    labels that each value is the mean of; a label that is left out is in the note.
    """
    check_trials(trials)
    trials = trials.assign(**{name: trials.get(name, none) for name, none in (("n_labels", np.nan), ("note", ""))})
    grouped = trials.groupby(["dataset", "task", *CELL[1:]], sort=False)
    table = grouped.agg(
        trials=("value", "count"),
        mean=("value", "mean"),
        sd=("value", "std"),
        min=("value", "min"),
        max=("value", "max"),
        n_real=("n_real", "mean"),
        n_synthetic=("n_synthetic", "mean"),
        n_labels=("n_labels", "min"),
        about=("note", lambda notes: "; ".join(dict.fromkeys(filter(None, notes)))),
    ).reset_index()
    wide = baselines.pivot(index=["dataset", "metric"], columns="baseline", values="value").reset_index()
    table = table.merge(wide, on=["dataset", "metric"], how="left", validate="many_to_one")
    real = table.loc[table["arm"] == "real", [*SETTING, "mean"]].rename(columns={"mean": "mean_real"})
    table = table.merge(real, on=SETTING, how="left", validate="many_to_one")
    table["difference"] = (table["mean"] - table["mean_real"]).where(table["arm"] != "real")
    table = table.drop(columns="mean_real").merge(tests[SIGNIFICANCE], on=CELL, how="left", validate="one_to_one")
    notes = [
        about + "; " * bool(about and note) + note for about, note in zip(table["about"], table["note"].fillna(""))
    ]
    return table.assign(note=notes).drop(columns="about")


def figure2(
    trials: pd.DataFrame,
    baselines: pd.DataFrame,
    tests: pd.DataFrame,
    intervals: pd.DataFrame,
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """Return Figure 2 as a tidy table (FIGURE2, ENDS): rows of kind trial, mean and baseline, by panel.

    `settings`: `datasets` = panels in order, {name, title, task} each; `metrics` = the metric of each task; `arm` =
    the synthetic arm shown beside the real films; `beside` = {arm: name in print} of further ones, if any. `intervals`: intervals.csv, whose ends the means get. Raises InputError for a panel without any trial.
    """
    ends = intervals[[*CELL, *ENDS]]
    cells = summarize(trials, baselines, tests).merge(ends, on=CELL, how="left", validate="one_to_one")
    panels, arms = list[pd.DataFrame](), [settings["arm"], *settings.get("beside", {})]
    for dataset in settings["datasets"]:
        metric = settings["metrics"][dataset["task"]]
        fixed = {"dataset": dataset["name"], "title": dataset["title"], "task": dataset["task"], "metric": metric}
        points, means, lines = (_of_panel(table, fixed, arms) for table in (trials, cells, baselines))
        if points.empty:
            raise InputError(
                f"trials: no row of {dataset['name']} with metric {metric} and arm real or {settings['arm']}; "
                "correct figures.metrics or figures.arm, or run these trials"
            )
        means = means.rename(columns={"mean": "value"}).drop(columns="trials")
        kinds = {"trial": points.drop(columns="seed"), "mean": means, "baseline": lines}
        panels.extend(part.assign(kind=kind, **fixed) for kind, part in kinds.items())
    table = pd.concat(panels, ignore_index=True).reindex(columns=[*FIGURE2, *ENDS])
    return table.assign(note=table["note"].fillna(""))


def _of_panel(table: pd.DataFrame, fixed: Mapping[str, Any], arms: Sequence[str]) -> pd.DataFrame:
    rows = table[(table["dataset"] == fixed["dataset"]) & (table["metric"] == fixed["metric"])]
    if "arm" not in rows:
        return rows
    rows = rows[rows["arm"].isin(["real", *arms])]
    places = {arm: place for place, arm in enumerate(["real", *arms])}
    order = [name for name in ("fraction", "arm", "multiplier", "trial") if name in rows]
    return rows.sort_values(
        order, kind="stable", key=lambda column: column.map(places) if column.name == "arm" else column
    )


def arms_of_cell(
    trials: pd.DataFrame, baselines: pd.DataFrame, tests: pd.DataFrame, settings: Mapping[str, Any], figure: str
) -> pd.DataFrame:
    """Return the bars of Figure 3 or 4 as a tidy table (FIGURE2): one dataset, fraction and multiplier, arms in order.

    `settings`: the entry `figure` = {dataset, fraction, multiplier, arms}, and `datasets` and `metrics` as for Figure 2.
    Raises InputError for an arm without trials.
    """
    chosen = settings[figure]
    dataset = next(entry for entry in settings["datasets"] if entry["name"] == chosen["dataset"])
    fixed = {
        "dataset": dataset["name"],
        "title": dataset["title"],
        "task": dataset["task"],
        "metric": settings["metrics"][dataset["task"]],
    }
    cells = summarize(trials, baselines, tests).rename(columns={"mean": "value"}).drop(columns="trials")
    parts = []
    for arm in ["real", *chosen["arms"]]:
        cell = fixed | {"arm": arm, "fraction": chosen["fraction"], "multiplier": chosen["multiplier"]}
        cell["multiplier"] *= arm != "real"
        del cell["title"]
        points = _where(trials, cell).sort_values("trial", kind="stable")
        if points.empty:
            raise InputError(
                f"trials: no row of {fixed['dataset']}, arm {arm}, fraction {chosen['fraction']:g}, multiplier "
                f"{cell['multiplier']}; correct figures.{figure} or run these trials"
            )
        parts += [points.drop(columns="seed").assign(kind="trial"), _where(cells, cell).assign(kind="mean")]
    lines = _where(baselines, {"dataset": fixed["dataset"], "metric": fixed["metric"]})
    table = pd.concat([*parts, lines.assign(kind="baseline")], ignore_index=True).assign(**fixed)
    return table.reindex(columns=FIGURE2).assign(note=table["note"].fillna(""))


def _where(table: pd.DataFrame, equal: Mapping[str, Any]) -> pd.DataFrame:
    return table[np.logical_and.reduce([table[name] == value for name, value in equal.items()])]
