"""Stop the trials of a pool that is made of copies (memorisation.action = refuse): fails with one line, else writes that it may go on.

python -m scripts.refuse_copies --table results/rsna/pools/original/fraction-0.1/memorisation.csv --out cleared.txt
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import make_parser, run


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--table", type=Path, required=True, help="memorisation of the pool (.csv)")
    parser.add_argument("--out", type=Path, required=True, help="what was found (.txt)")
    args = parser.parse_args(argv)

    from scripts.lib.fidelity.memorisation import FAILS
    from scripts.lib.formats.csv_text import read_columns

    row = read_columns(args.table, ["measure", "verdict", "note"]).iloc[0]
    if row["verdict"] == FAILS:
        raise InputError(
            f"{args.table}: {row['note']}; look at nearest.png beside it, train the generator shorter or on more films, or set "
            f"memorisation.action: drop"
        )
    with atomic_file(args.out) as path:
        path.write_text(f"{row['verdict']}: {row['note']}\n")


if __name__ == "__main__":
    run(main)
