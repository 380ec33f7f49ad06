"""Plot the differences of a study with their intervals, in every format that the output names ask for.

    python -m scripts.plot_evidence --differences results/tables/differences.csv --config figures.json \\
        --out results/evidence.pdf results/evidence.png results/evidence.svg
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.plotting.files import add_figure_files


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--differences", type=Path, required=True, help="differences of the study (.csv)")
    add_config(parser, "the section figures, with the study's datasets")
    add_figure_files(parser)
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.evidence.differences import read_intervals
    from scripts.lib.plotting.evidence import draw_evidence
    from scripts.lib.plotting.style import save

    figure = draw_evidence(read_intervals(args.differences), args.config)
    save(figure, args.out, args.config["dpi"])


if __name__ == "__main__":
    run(main)
