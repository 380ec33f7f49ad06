"""Plot how near images lie to real films over guidance and solver steps.

python -m scripts.plot_sweep --table results/generators/sweep.csv --config figures.json --out results/sweep.png
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.plotting.files import add_figure_files


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--table", type=Path, required=True, help="table of sweep_sampling (.csv)")
    add_config(parser, "width_mm and dpi of the section figures")
    add_figure_files(parser)
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.formats.csv_text import read_columns
    from scripts.lib.plotting.style import save
    from scripts.lib.plotting.sweep import draw_sweep

    numbers = ("value", "low", "high", "floor_low", "floor_high")
    columns = ["dataset", "features", "measure", "note", "guidance", "steps", "n", *numbers]
    table = read_columns(args.table, columns, ("guidance", *numbers), ("steps", "n"), optional=(*numbers, "n"))
    save(draw_sweep(table, args.config), args.out, args.config["dpi"])


if __name__ == "__main__":
    run(main)
