"""Stop the trials of a pool that does not show what it was asked to show (faithfulness.action = refuse): fails with one line.

python -m scripts.refuse_unfaithful --table results/rsna/pools/original/fraction-0.1/faithfulness.csv --out faithful.txt
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import make_parser, run

ADVICE = "look at judged.png beside it, train the generator longer or guide it more, or set faithfulness.action: drop"


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--table", type=Path, required=True, help="faithfulness of the pool (.csv)")
    parser.add_argument("--out", type=Path, required=True, help="what was found (.txt)")
    args = parser.parse_args(argv)

    from scripts.lib.fidelity.verdicts import clear_pool

    clear_pool(args.table, args.out, ADVICE)


if __name__ == "__main__":
    run(main)
