"""The table of the proxy model's validation as the filter reads it, and its refusal of a label that is not usable."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.formats.csv_text import read_columns

COLUMNS = [
    *["label", "dataset", "split", "ranked_by", "films", "positive", "patients"],
    *["auroc", "ci_low", "ci_high", "usable", "note"],
]


def refuse_unusable(validation: pd.DataFrame, labels: list[str], rank_by: str, allowed: bool, source: Path) -> None:
    """Raise InputError for the first of these labels that the proxy model cannot tell, unless that is `allowed`.

    Also for a table that was made with another `rank_by`: it says nothing about the scores that are to be ranked.
    """
    if allowed:
        return
    rows = validation.set_index("label")
    for label in labels:
        row = rows.loc[label] if label in rows.index else None
        if row is not None and row["ranked_by"] != rank_by:
            raise InputError(f"{source}: made with rank_by {row['ranked_by']}, but {rank_by} is set; validate anew")
        if row is None or not row["usable"]:
            why = "it was not validated" if row is None else str(row["note"])
            if row is not None and pd.notna(row["auroc"]):
                why = f"AUROC {row['auroc']:.3f} (95 % interval {row['ci_low']:.3f} to {row['ci_high']:.3f})"
            raise InputError(
                f"{source}: the proxy model cannot tell {label} on real films: {why}; filtering by it would be chance. "
                f"Use another proxy.model, or set proxy.allow_unvalidated: true"
            )


def read_validation(path: Path) -> pd.DataFrame:
    """Read the table that `validate` returned; raises InputError when it is another one, or was changed by hand."""
    intervals, counts = ("auroc", "ci_low", "ci_high"), ("films", "positive", "patients")
    return read_columns(path, COLUMNS, intervals, counts, {"usable"}, intervals)
