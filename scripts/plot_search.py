"""Plot the history of a search and the importance of its keys.

    python -m scripts.plot_search --history results/search/history.csv --importance results/search/importance.csv \\
        --config figures.json --out results/search/search.png
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.plotting.files import add_figure_files


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--history", type=Path, required=True, help="table of all proposals (.csv)")
    parser.add_argument("--importance", type=Path, required=True, help="table of the keys (.csv)")
    add_config(parser, "width_mm and dpi of the section figures")
    add_figure_files(parser)
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.formats.csv_text import read_columns
    from scripts.lib.plotting.search import draw_search
    from scripts.lib.plotting.style import save

    scores, keys = ("score", "best"), ["key", "importance", "note"]
    history = read_columns(args.history, ["number", "round", *scores], scores, ("number", "round"), optional=scores)
    importance = read_columns(args.importance, keys, ["importance"], optional=["importance"])
    figure = draw_search(history, importance, args.config)
    save(figure, args.out, args.config["dpi"])


if __name__ == "__main__":
    run(main)
