"""What a run says of its tables: what each is about, and what every column means; and whose films it has drawn itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from scripts.lib.reporting.codebook import COLUMNS
from scripts.lib.reporting.codebook import TABLES as OF_TABLE

CODEBOOK = ["table", "column", "meaning", "unit", "range"]
UNDESCRIBED = ("not described", "", "")
# What the tables are about, in the order in which one reads them.
TABLES = {
    "significance": "one row per comparison: gain, interval, corrected P value, and why one could not be made",
    "differences": "each difference with an interval that counts trials and test patients, and the chance of harm",
    "power": "how small a difference this design can find, and what a given one needs",
    "trend": "whether more synthetic images help more",
    "intervals": "the mean of each cell with its interval",
    "trials": "every metric of every training, with all digits",
    "baselines": "what a model reaches that says the same of every film",
    "leakage": "whether test films taught a model",
    "transfer": "what models were trained on against what they were tested on: own films, other cohorts, images",
    "equivalence": "how many real films alone would give the score of each training with images",
    "subgroups": "scores by sex, age band and view, with and without images",
    "calibration": "whether the models' probabilities are right, by label",
    "reliability": "of films with a certain probability, the share that has the finding",
    "failures": "the test films that got worse with images, worst first",
    "memorisation": "how near images come to training films, with planted copies",
    "fidelity": "distances between images and real films, beside those between real films",
    "replication": "each difference over several seeds",
    "replication_seeds": "each difference under each seed",
    "replication_coverage": "how often the stated intervals hold the mean of the seeds",
    "faithfulness": "whether images show what they were asked to show",
    "shortcut": "whether a model may learn what is an image instead of the label",
    "table1": "the films of each dataset, beside those of the paper",
    "table2": "the score of each arm, beside what AURAD reports",
    "codebook": "what every column of these tables means",
    "figure2": "what Figure 2 draws",
    "figure3": "what Figure 3 draws",
    "figure4": "what Figure 4 draws",
}


def plain(name: str) -> str:
    """Return a name of the study as one writes it in a text: without underscores."""
    return name.replace("_", " ")


def listed(words: Sequence[str]) -> str:
    """Return "a", "a and b", or "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def codebook(tables: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return one row for each column of these tables, with meaning, unit and range; `tables` is {name: its columns}."""
    rows = []
    for table, columns in tables.items():
        described = {**COLUMNS, **OF_TABLE.get(table, {})}
        rows += [[table, column, *described.get(column, UNDESCRIBED)] for column in columns]
    return pd.DataFrame(rows, columns=CODEBOOK)


def tables_page(book: pd.DataFrame, config: Mapping[str, Any]) -> str:
    """Return README.md of results/tables: the tables and, below, the meaning of every column."""
    names = [*(name for name in TABLES if name in set(book["table"])), *sorted(set(book["table"]) - set(TABLES))]
    parts = [
        f"# Tables of the study {config['study']['name']}",
        *(["", phantom_line(config)] if phantom_datasets(config) else []),
        "",
        "Numbers have four significant digits; `trials.csv`, `baselines.csv`, `intervals.csv` and `transfer.csv` have all. `n/a` is a",
        "number that could not be had, and the column `note` says why. The table below is also in `codebook.csv`.",
        "",
        *(f"* `{name}.csv`: {TABLES.get(name, 'see docs/results.md')}" for name in names),
    ]
    for name in names:
        parts += ["", f"## {name}.csv", "", "| column | meaning | unit | range |", "|---|---|---|---|"]
        rows = book[book["table"] == name].fillna("")
        parts += [f"| `{row.column}` | {row.meaning} | {row.unit} | {row.range} |" for row in rows.itertuples()]
    return "\n".join(parts) + "\n"


def phantom_datasets(config: Mapping[str, Any]) -> list[str]:
    """Return the datasets of the study whose films the workflow has drawn itself."""
    study = config["study"]
    # Else nothing learns from the others.
    made = any({"generator", "cohort"} & set(config["arms"][name]) for name in study["arms"])
    used = dict.fromkeys([*study["datasets"], *([*study["foundation"], study["generator_dataset"]] if made else [])])
    return [name for name in used if config["datasets"][name]["root"] == "phantom"]


def phantom_line(config: Mapping[str, Any]) -> str:
    """Return the sentence that no reader may miss."""
    names = listed([str(config["datasets"][name].get("title", name)) for name in phantom_datasets(config)])
    return f"**PHANTOM.** The films of {names} are drawn by a program. Nothing here is evidence about patients."
