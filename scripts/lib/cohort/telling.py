"""One line a dataset for the person who runs the study: films taken, quarantined and noted, and where to look.

The Snakefile imports this module: standard library only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO


def cohort_line(meta: Mapping[str, Any], folder: str | Path) -> str:
    """Return the line of one cohort from its cohort.json; its warnings follow, each on a line of its own."""
    counts = f"{meta['n_images']} films taken, {meta['n_quarantined']} quarantined, {meta['n_noted']} noted"
    if meta["n_unlisted"]:
        counts += f", {meta['n_unlisted']} files in no table"
    tables = f"{folder}/quarantine.tsv and notes.csv" if meta["n_quarantined"] else f"{folder}/notes.csv"
    lines = [f"{meta['dataset']}: {counts}; see {tables}"]
    return "\n".join(lines + [f"  warning: {words}" for words in meta["warnings"]])


def tell_cohorts(folders: Iterable[str | Path], stream: TextIO | None = None) -> None:
    """Print the lines of those cohorts that are there; a cohort of older code, or a broken one, says nothing."""
    for folder in folders:
        try:
            line = cohort_line(json.loads(Path(folder, "cohort.json").read_text(encoding="utf-8")), folder)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        print(line, file=stream or sys.stderr)
