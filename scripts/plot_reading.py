"""Plot what readers said of synthetic images beside real films.

python -m scripts.plot_reading --shares results/chestxdet/reading/shares.csv --agreement results/chestxdet/reading/agreement.csv \\
    --config figures.json --out results/reading.png
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.plotting.files import add_figure_files


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--shares", type=Path, required=True, help="shares of tabulate_answers (.csv)")
    parser.add_argument("--agreement", type=Path, required=True, help="agreement of tabulate_answers (.csv)")
    add_config(parser, "width_mm and dpi of the section figures")
    add_figure_files(parser)
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.plotting.reading import draw_reading
    from scripts.lib.plotting.style import save

    shares, agreement = pd.read_csv(args.shares), pd.read_csv(args.agreement)
    save(draw_reading(shares, agreement, args.config), args.out, args.config["dpi"])


if __name__ == "__main__":
    run(main)
