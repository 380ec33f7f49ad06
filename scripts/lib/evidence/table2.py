"""Table 2 and the bars of Figure 5: what each arm of masks is worth for each task, beside what AURAD reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.evidence.tables import ENDS, FIGURE2, figure2
from scripts.lib.formats.csv_text import read_columns

SHOWN = {  # metrics of a task, the first one is plotted and the others stand beside it
    "detection": ("ap50", "map", "froc"),
    "segmentation": ("dice",),
    "classification": ("auroc", "f1"),
    "multilabel": ("auroc", "f1"),
}
NAMES = {"ap50": "AP50", "map": "mAP", "froc": "FROC", "dice": "Dice", "auroc": "AUROC", "f1": "F1"}
TABLE2 = ["kind", "dataset", "task", "metric", "fraction", "arm", "multiplier", "trials", "value", *ENDS]
TABLE2 += ["difference", "difference_low", "difference_high", "p_bonferroni", "significant", "note"]
SUMMARY = ["dataset", "task", "metric", "fraction", "arm", "multiplier", "trials", "mean", "difference"]
SUMMARY += ["p_bonferroni", "significant", "note"]
SHARES = ["question", "source", "share", "low", "high", "n", "simulated"]
QUESTIONS = {"authentic": "authentic", "overlay": "useful"}  # of the reading study, and the claim that each is about
ARM, TRIVIAL, REPORTED, READ = "arm", "trivial", "reported", "read"
# AURAD's abstract (arXiv 2509.04819) has two numbers, and neither the share for real films nor an interval.
CLAIMS = {
    "authentic": (0.78, "share of its images that board-certified radiologists judged authentic; that of real films is not given"),
    "useful": (0.40, "share of its overlays judged clinically useful: more than this; that of real films is not given"),
}  # fmt: skip


def read_summary(path: Path) -> pd.DataFrame:
    """Read summary.csv of a dataset (SUMMARY); a number that could not be had is NaN."""
    numbers = ("fraction", "trials", "mean", "difference", "p_bonferroni")
    return read_columns(path, SUMMARY, numbers, ("multiplier",), ("significant",), (*numbers, "significant"))


def read_shares(path: Path) -> pd.DataFrame:
    """Read shares.csv of the reading study (docs/raters.md): of each claim and source, real or synthetic, the share of yes (SHARES).

    All raters together. `simulated`: whether no person has seen these films.
    """
    numbers = ("n", "share", "low", "high", "n_real", "share_real", "low_real", "high_real")
    table = read_columns(path, ["question", "answer", "rater", *numbers, "note"], numbers, optional=numbers)
    answers = table[(table["answer"] == "yes") & (table["rater"] == "all") & table["question"].isin(list(QUESTIONS))]
    if answers.empty:
        raise InputError(f"{path}: no row of yes and all raters for {', '.join(QUESTIONS)}; read the answers again")
    rows = [
        {"question": QUESTIONS[row["question"]], "source": source, "simulated": "simulated answers" in str(row["note"])}
        | {name: row[f"{name}{end}"] for name in ("share", "low", "high", "n")}
        for row in answers.to_dict("records")
        for source, end in (("synthetic", ""), ("real", "_real"))
    ]
    return pd.DataFrame(rows, columns=SHARES)


def arm_bars(
    trials: pd.DataFrame, baselines: pd.DataFrame, tests: pd.DataFrame, intervals: pd.DataFrame, settings: Mapping[str, Any]
) -> pd.DataFrame:  # fmt: skip
    """Return the bars of all arms as a tidy table (FIGURE2 and ENDS), the real films once; `settings`: as for Figure 2, and `arms`.

    Raises InputError where an arm has no trial in any dataset.
    """
    parts = []
    for arm in settings["arms"]:
        runs = set(trials.loc[trials["arm"] == arm, "dataset"])
        panels = [one for one in settings["datasets"] if one["name"] in runs]
        if not panels:
            raise InputError(f"trials: no row of arm {arm}; run its trials, or take it out of study.arms")
        parts.append(figure2(trials, baselines, tests, intervals, {**settings, "arm": arm, "datasets": panels}))
    table = pd.concat(parts, ignore_index=True)
    about = ["dataset", "metric", "kind", "fraction", "arm", "multiplier", "trial", "baseline"]
    return table.drop_duplicates(about, ignore_index=True)[[*FIGURE2, *ENDS]]


def table2(
    summary: pd.DataFrame, intervals: pd.DataFrame, differences: pd.DataFrame, baselines: pd.DataFrame,
    shares: pd.DataFrame | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return TABLE2: a row for each task, metric, fraction, arm and multiplier, the trivial baselines, and AURAD's own numbers.

    differences  bootstrap differences; those against `real` are shown
    shares       what readers said (SHARES), where any read
    """
    cell = ["dataset", "metric", "fraction", "arm", "multiplier"]
    kept = summary[[metric in SHOWN.get(task, ()) for task, metric in zip(summary["task"], summary["metric"])]]
    if kept.empty:
        raise InputError(f"table 2: no row of a metric of {', '.join(SHOWN)}; score the trials first")
    rows = kept.rename(columns={"mean": "value"}).drop(columns="difference")
    rows = rows.merge(intervals[[*cell, *ENDS]], on=cell, how="left", validate="one_to_one")
    against = differences[differences["against"] == "real"].rename(
        columns={"low": "difference_low", "high": "difference_high"}
    )
    chosen = [*cell, "difference", "difference_low", "difference_high"]
    rows = rows.merge(against[chosen], on=cell, how="left", validate="one_to_one").assign(kind=ARM)
    parts = [rows, _trivial(baselines, kept), _reported()]
    if shares is not None:
        parts.append(_read(shares))
    table = pd.concat([part.reindex(columns=TABLE2) for part in parts], ignore_index=True)
    return table.assign(note=table["note"].fillna(""))


def _trivial(baselines: pd.DataFrame, kept: pd.DataFrame) -> pd.DataFrame:
    """Return the best trivial baseline of each dataset and metric that is shown."""
    shown = set(zip(kept["dataset"], kept["metric"]))
    here = baselines[[pair in shown for pair in zip(baselines["dataset"], baselines["metric"])]].dropna(subset="value")
    best = here.loc[here.groupby(["dataset", "metric"], sort=False)["value"].idxmax()]
    return best.assign(kind=TRIVIAL, arm=best["baseline"])


def _reported() -> pd.DataFrame:
    rows = [
        {"kind": REPORTED, "metric": name, "arm": "AURAD", "value": value, "note": note}
        for name, (value, note) in CLAIMS.items()
    ]
    return pd.DataFrame(rows)


def _read(shares: pd.DataFrame) -> pd.DataFrame:
    notes = [
        f"{count:g} {'simulated ' * bool(simulated)}answers"
        for count, simulated in zip(shares["n"], shares["simulated"])
    ]
    return shares.rename(columns={"question": "metric", "source": "arm", "share": "value"}).assign(
        kind=READ, note=notes
    )


def as_markdown(table: pd.DataFrame, titles: Mapping[str, str], names: Mapping[str, str]) -> str:
    """Return Table 2 for reading: an arm a line, a task's metric a column, the difference to real films with its interval below.

    titles, names  how datasets and arms are called
    """
    arms = table[table["kind"] == ARM]
    columns = list(dict.fromkeys(zip(arms["dataset"], arms["metric"])))
    heads = [f"{titles.get(dataset, dataset)}: {NAMES.get(metric, metric)}" for dataset, metric in columns]
    lines = [f"| real films | arm | images | {' | '.join(heads)} |", f"|---|---|---|{'---|' * len(columns)}"]
    for _, rows in arms.groupby(["fraction", "arm", "multiplier"], sort=False):
        cells = [_cell(rows[(rows["dataset"] == dataset) & (rows["metric"] == metric)]) for dataset, metric in columns]
        first = rows.iloc[0]
        images = f"{first['multiplier']:g}x" if first["multiplier"] else "none"
        lines.append(
            f"| {first['fraction'] * 100:g} % | {names.get(first['arm'], first['arm'])} | {images} | {' | '.join(cells)} |"
        )
    trivial = table[table["kind"] == TRIVIAL].set_index(["dataset", "metric"])
    said = [
        f"{trivial['value'][pair]:.3f} ({trivial['arm'][pair].replace('_', ' ')})" if pair in trivial.index else ""
        for pair in columns
    ]
    lines.append(f"| | trivial: one answer for all films | | {' | '.join(said)} |")
    return "\n".join([*lines, "", *_claims(table)]) + "\n"


def _cell(row: pd.DataFrame) -> str:
    if row.empty or np.isnan(row["value"].iloc[0]):
        return "n/a"
    one = row.iloc[0]
    text = f"{one['value']:.3f}"
    if not np.isnan(one["difference"]):
        star = " *" if bool(one["significant"]) else ""
        text += f" ({one['difference']:+.3f}, {one['difference_low']:+.3f} to {one['difference_high']:+.3f}){star}"
    return text


def _claims(table: pd.DataFrame) -> Sequence[str]:
    lines = ["| read by people | AURAD reports | here |", "|---|---|---|"]
    own = table[table["kind"] == READ]
    for name, (value, note) in CLAIMS.items():
        here = own[own["metric"] == name]
        shares = "; ".join(
            f"{row['arm']}: {row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f}, {row['note']})"
            for _, row in here.iterrows()
        )
        lines.append(f"| {name} | {value:.2f}: {note} | {shares or 'nobody has read these images'} |")
    return lines
