"""Plot Figure 3: films of a scored pool, the kept ones marked, beside the bars of its table.

    python -m scripts.plot_figure3 --table results/tables/figure3.csv --pool results/chexpert/pools/.../shard-0 \\
        --scores results/chexpert/pools/.../scores-0.parquet --kept results/chexpert/pools/.../kept.parquet \\
        --config figures.json --out results/figure3.pdf results/figure3.png results/figure3.svg
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.plotting.files import add_figure_files


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--table", type=Path, required=True, help="table of Figure 3 (.csv)")
    parser.add_argument(
        "--pool", type=Path, nargs="+", required=True, help="shard folders of the scored pool, in order"
    )
    parser.add_argument("--scores", type=Path, nargs="+", required=True, help="its scores, a table a shard (.parquet)")
    parser.add_argument("--kept", type=Path, required=True, help="what was kept of it (.parquet)")
    add_config(parser, "the section figures")
    add_figure_files(parser)
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.evidence.tables import FIGURE2, read_table
    from scripts.lib.plotting.figure3 import ScoredImage, choose_samples, draw_figure3
    from scripts.lib.plotting.style import save

    table = read_table(args.table, FIGURE2, optional=FIGURE2)
    scores = pd.concat([pd.read_parquet(path) for path in args.scores], ignore_index=True)
    chosen = args.config["figure3"]
    labels = chosen["labels"] or list(dict.fromkeys(scores["label"]))
    rows = choose_samples(scores, pd.read_parquet(args.kept), labels, chosen["samples"])
    # The rows of the scores are those of the pool's shards, in order.
    images = Cohort.open(args.pool).images(rows.index.to_numpy())
    samples = [ScoredImage(*line) for line in zip(images, rows["label"], rows["score"], rows["kept"])]
    figure = draw_figure3(table, samples, chosen["names"], args.config["width_mm"])
    save(figure, args.out, args.config["dpi"])


if __name__ == "__main__":
    run(main)
