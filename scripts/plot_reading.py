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

    from scripts.lib.formats.csv_text import read_columns
    from scripts.lib.plotting.reading import draw_reading
    from scripts.lib.plotting.style import save

    ends = ("value", "low", "high")
    said = tuple(f"{name}{end}" for end in ("", "_real") for name in ("share", "low", "high"))
    words = ["question", "answer", "rater", "note"]
    shares = read_columns(args.shares, [*words, *said], said, optional=said, empty=True)
    agreement = read_columns(args.agreement, ["measure", "rater", *ends], ends, optional=ends, empty=True)
    save(draw_reading(shares, agreement, args.config), args.out, args.config["dpi"])


if __name__ == "__main__":
    run(main)
