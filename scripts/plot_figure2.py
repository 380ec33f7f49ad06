"""Plot Figure 2 from its tidy table, in every format that the output names ask for.

    python -m scripts.plot_figure2 --table results/tables/figure2.csv --config figures.json \\
        --out results/figure2.pdf results/figure2.png results/figure2.svg
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.plotting.files import add_figure_files


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--table", type=Path, required=True, help="table of Figure 2 (.csv)")
    add_config(parser, "the section figures")
    add_figure_files(parser)
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.evidence.tables import ENDS, FIGURE2, read_table
    from scripts.lib.plotting.figure2 import draw_figure2
    from scripts.lib.plotting.style import save

    table = read_table(args.table, [*FIGURE2, *ENDS], optional=[*FIGURE2, *ENDS])
    figure = draw_figure2(table, args.config["width_mm"], args.config.get("beside"))
    save(figure, args.out, args.config["dpi"])


if __name__ == "__main__":
    run(main)
