"""Stop the trials of a pool that is made of copies (memorisation.action = refuse): fails with one line, else writes that it may go on.

python -m scripts.refuse_copies --table results/rsna/pools/original/fraction-0.1/memorisation.csv --out cleared.txt
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import make_parser, run

ADVICE = "look at nearest.png beside it, train the generator shorter or on more films, or set memorisation.action: drop"


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--table", type=Path, required=True, help="memorisation of the pool (.csv)")
    parser.add_argument("--out", type=Path, required=True, help="what was found (.txt)")
    args = parser.parse_args(argv)

    from scripts.lib.fidelity.verdicts import clear_pool

    clear_pool(args.table, args.out, ADVICE)


if __name__ == "__main__":
    run(main)
