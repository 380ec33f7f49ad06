"""CheXGenBench's table of generated images, prompt_INFO.csv, written anew as a table that the reader `folder` takes.

The benchmark (github.com/Raman1121/CheXGenBench) asks for two columns: `prompt`, and `img_savename`, the file of the image. Labels
stand beside them, as one column each or in one column that holds a Python dictionary ({'Pneumonia': 1, ...}), as its tables for
the classifiers (`chexpert_labels`) and its data set SynthCheX-75K (`labels_dict`) have them.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from scripts.lib.core.errors import InputError
from scripts.lib.formats.columns import find_column, plain_name
from scripts.lib.formats.tables import Row, Table, is_missing

NAME = "prompt_INFO.csv"
IMAGE, PROMPT = "img_savename", "prompt"
DICTIONARIES = ("chexpert_labels", "labels_dict")


def rewrite(path: Path, labels: Sequence[str], out: Path) -> list[str]:
    """Write `out`, a table for the reader `folder`, and return which of the labels it has; files stay relative to `path`.

    Raises InputError for a table without the two columns, a label that is no number, or a dictionary that is none.
    """
    table = Table(path, (IMAGE, PROMPT))
    held = next((name for name in DICTIONARIES if name in table.columns), None)
    columns = {label: column for label in labels if (column := find_column(table, label)) is not None}
    named = list(labels) if held else list(columns)
    with out.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["image_id", "file", "patient_id", "report", *named])
        for row in table.unique(IMAGE):
            said = _labels(row, held, columns, named)
            # The name without its ending; the folder stays in it, for two folders may hold images of one name.
            identity = str(PurePosixPath(row[IMAGE]).with_suffix("")).replace("/", "-")
            writer.writerow([identity, row[IMAGE], identity, row[PROMPT], *(said.get(label, "") for label in named)])
    return named


def _labels(row: Row, held: str | None, columns: Mapping[str, str], named: Sequence[str]) -> dict[str, str]:
    """Return the label cells of a row, "" where it says nothing."""
    if held is None:
        return {label: row[column] for label, column in columns.items()}
    if is_missing(row[held]):
        return {}
    try:
        labels = ast.literal_eval(re.sub(r"\bnan\b", "None", row[held]))
        said = {plain_name(str(key)): value for key, value in labels.items()}
    except (ValueError, SyntaxError, AttributeError, MemoryError, RecursionError):
        raise InputError(
            f"{row.where} column {held}: {row[held][:60]!r} is no dictionary of labels; expected e.g. {{'Pneumonia': 1}}"
        ) from None
    return {label: "" if said.get(plain_name(label)) is None else str(said[plain_name(label)]) for label in named}
