"""Plot the reliability curves of the study's models, in every format that the output names ask for.

    python -m scripts.plot_calibration --curve results/tables/reliability.csv --config figures.json \\
        --out results/calibration.pdf results/calibration.png results/calibration.svg
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.plotting.files import add_figure_files


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--curve", type=Path, required=True, help="table of the curves by measure_calibration (.csv)")
    add_config(parser, "the section figures, with the study's datasets")
    add_figure_files(parser)
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.evidence.calibration import read_curve
    from scripts.lib.plotting.calibration import draw_calibration
    from scripts.lib.plotting.style import save

    save(draw_calibration(read_curve(args.curve), args.config), args.out, args.config["dpi"])


if __name__ == "__main__":
    run(main)
