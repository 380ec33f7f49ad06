"""Plot the learning curve of the real films with every synthetic cell on it, in every format that the output names ask for.

    python -m scripts.plot_equivalence --equivalence results/tables/equivalence.csv --config figures.json \\
        --out results/equivalence.pdf results/equivalence.png results/equivalence.svg
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.plotting.files import add_figure_files


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--equivalence", type=Path, required=True, help="table of measure_equivalence (.csv)")
    add_config(parser, "the section figures, with the study's datasets")
    add_figure_files(parser)
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.evidence.equivalence import read_equivalence
    from scripts.lib.plotting.equivalence import draw_equivalence
    from scripts.lib.plotting.style import save

    save(draw_equivalence(read_equivalence(args.equivalence), args.config), args.out, args.config["dpi"])


if __name__ == "__main__":
    run(main)
