"""Plot what models were trained on against what they were tested on.

python -m scripts.plot_transfer --table results/tables/transfer.csv --config figures.json --out results/transfer.png
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.plotting.files import add_figure_files


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--table", type=Path, required=True, help="table of tabulate_transfer (.csv)")
    add_config(parser, "width_mm and dpi of the section figures, and titles of datasets")
    add_figure_files(parser)
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.evidence.transfer import read_transfer
    from scripts.lib.plotting.style import save
    from scripts.lib.plotting.transfer import draw_transfer

    save(draw_transfer(read_transfer(args.table), args.config), args.out, args.config["dpi"])


if __name__ == "__main__":
    run(main)
