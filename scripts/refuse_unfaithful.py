"""Stop the trials of a pool that does not show what it was asked to show (faithfulness.action = refuse): fails with one line.

python -m scripts.refuse_unfaithful --table results/rsna/pools/original/fraction-0.1/faithfulness.csv --out faithful.txt
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import make_parser, run


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--table", type=Path, required=True, help="faithfulness of the pool (.csv)")
    parser.add_argument("--out", type=Path, required=True, help="what was found (.txt)")
    args = parser.parse_args(argv)

    from scripts.lib.fidelity.faithfulness import FAILS
    from scripts.lib.formats.csv_text import read_columns

    row = read_columns(args.table, ["measure", "verdict", "note"]).iloc[0]
    if row["verdict"] == FAILS:
        raise InputError(
            f"{args.table}: {row['note']}; look at judged.png beside it, train the generator longer or guide it more, or set "
            f"faithfulness.action: drop"
        )
    with atomic_file(args.out) as path:
        path.write_text(f"{row['verdict']}: {row['note']}\n")


if __name__ == "__main__":
    run(main)
