"""Plot what the seeds of a replicated study show, in every format that the output names ask for.

    python -m scripts.plot_replication --table results/tables/replication.csv --seeds results/tables/replication_seeds.csv \\
        --config figures.json --out results/replication.pdf results/replication.png results/replication.svg
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.plotting.files import add_figure_files


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--table", type=Path, required=True, help="the differences over seeds (.csv)")
    parser.add_argument("--seeds", type=Path, required=True, help="each seed's differences (.csv)")
    add_config(parser, "the section figures, with the study's datasets")
    add_figure_files(parser)
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.evidence.replication import read_replication, read_seeds
    from scripts.lib.plotting.replication import draw_replication
    from scripts.lib.plotting.style import save

    figure = draw_replication(read_replication(args.table), read_seeds(args.seeds), args.config)
    save(figure, args.out, args.config["dpi"])


if __name__ == "__main__":
    run(main)
