"""Table 1: how many films each dataset gives to which side, with the paper's own counts beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.lib.core.markdown import markdown_row
from scripts.lib.core.phantom import LINE, phantoms

COLUMNS = (
    "dataset",
    "format",
    "patients",
    "generator",
    "train",
    "validate",
    "test",
    "structures",
    "positives",
    "taken",
    "quarantined",
    "noted",
    "paper_train",
    "paper_test",
    "warnings",
    "note",
)
# Table 1 of the paper: (train, test), and how the counts come about.
PAPER: dict[str, tuple[int, int, str]] = {
    "chexpert": (
        191_229,
        235,
        "191,229 = 191,027 frontal films of train.csv + 202 of valid.csv; 235 = the 234 rows of valid.csv and its header "
        "line, 202 of them frontal",
    ),
    "candid": (
        17_237,
        2_000,
        "17,237 films train the generator; the other 2,000 are split 80/20 into 1,600 for training and 400 for testing",
    ),
    "siim": (1_903, 476, "the 2,379 films of stage 1 with a pneumothorax, split 80/20"),
    "rsna": (21_885, 4_801, "26,684 films = 21,884 + 4,800: both counts of the paper include the header line"),
}


def table_row(meta: Mapping[str, Any]) -> dict[str, str]:
    """Return the row of one cohort from its cohort.json, all cells as text; positives read train / test."""
    splits = meta["splits"]
    paper = PAPER.get(meta["format"])
    row = {
        split: str(splits[split]["images"]) if split in splits else ""
        for split in ("generator", "train", "validate", "test")
    }
    row |= {
        "dataset": meta["dataset"],
        "format": meta["format"],
        "patients": str(sum(counts["patients"] for counts in splits.values())),
        "structures": ", ".join(meta["structures"]),
        "positives": "; ".join(_positives(label, splits) for label in meta["labels"]),
        "taken": str(sum(counts["images"] for counts in splits.values())),
        "quarantined": str(meta["n_quarantined"]),
        "noted": str(meta["n_noted"]),
        "warnings": "; ".join(meta["warnings"]),
        "paper_train": str(paper[0]) if paper else "",
        "paper_test": str(paper[1]) if paper else "",
        "note": paper[2] if paper else "",
    }
    return row


def _positives(label: str, splits: Mapping[str, Any]) -> str:
    counts = [splits[split]["labels"][label]["positive"] for split in ("train", "test") if split in splits]
    return f"{label} {' / '.join(str(count) for count in counts)}"


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """Return the rows as a Markdown table; warnings and notes follow it, one a line."""
    below = ("warnings", "note")
    columns = [column for column in COLUMNS if column not in below and any(row[column] for row in rows)]
    lines = [markdown_row(columns), "|" + "---|" * len(columns)]
    lines += [markdown_row(row[column] for column in columns) for row in rows]
    head = (
        "Images a side; positives are train / test. Quarantined films are in quarantine.tsv of a cohort; noted ones, which\n"
        "somebody should look at, in its notes.csv.\n"
    )
    titles = {"warnings": "Warnings:", "note": "What the paper's counts are made of:"}
    for column, title in titles.items():
        notes = [f"- {row['dataset']}: {row[column]}" for row in rows if row[column]]
        lines += ["", title, "", *notes] if notes else []
    drawn = [row["dataset"] for row in rows if row["dataset"] in phantoms()]
    return "\n".join([*([f"{LINE} ({', '.join(drawn)}).\n"] if drawn else []), head, *lines]) + "\n"
