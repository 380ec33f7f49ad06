"""Table 1: films a side, structures and positive labels of every cohort, with the paper's counts beside them.

    python -m scripts.tabulate_cohorts --cohorts results/rsna/cohort results/siim/cohort --out-csv results/table1.csv \\
        --out-md results/table1.md
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from scripts.lib.cohort.table1 import COLUMNS, markdown, table_row
from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import make_parser, run
from scripts.lib.formats.spreadsheet import inert


def main(argv: list[str] | None = None) -> None:
    """Write the table as CSV and as Markdown, one row a cohort in the order given."""
    parser = make_parser(__doc__)
    parser.add_argument("--cohorts", type=Path, nargs="+", required=True, help="cohort folders")
    parser.add_argument("--out-csv", type=Path, required=True, help="the table as CSV")
    parser.add_argument("--out-md", type=Path, required=True, help="the table as Markdown")
    options = parser.parse_args(argv)
    rows = [table_row(_read_meta(folder)) for folder in options.cohorts]
    with atomic_file(options.out_csv) as path, path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({column: inert(cell) for column, cell in row.items()} for row in rows)
    with atomic_file(options.out_md) as path:
        path.write_text(markdown(rows), encoding="utf-8")


def _read_meta(folder: Path) -> dict[str, Any]:
    path = folder / "cohort.json"
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); expected a prepared cohort") from None
    if "splits" in meta and "n_noted" not in meta:
        raise InputError(f"{path}: made by older code; prepare this cohort again")
    if "splits" not in meta:
        raise InputError(f"{path}: no key splits; this is a pool of synthetic images, expected a prepared cohort")
    return meta


if __name__ == "__main__":
    run(main)
