"""Keep the films of a pool that the proxy model scores best, label by label (paper: the top 10 %).

    python -m scripts.filter_pool --scores results/chexpert/pools/proxy-filtered/fraction-0.01/scores-0.parquet \\
        --validation results/proxy/validation.csv --pool results/chexpert/pools/proxy-filtered/fraction-0.01/shard-0 \\
        --config proxy.json --seed 1 --out results/chexpert/pools/proxy-filtered/fraction-0.01/kept.parquet \\
        --table results/chexpert/pools/proxy-filtered/fraction-0.01/kept.csv
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--scores", type=Path, nargs="+", required=True, help="scores of the shards (.parquet)")
    parser.add_argument("--validation", type=Path, required=True, help="validation of the proxy model (.csv)")
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the pool, in order")
    add_config(parser, "filtering (section proxy)")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study: films whose diversity is compared")
    parser.add_argument("--out", type=Path, required=True, help="kept films (.parquet)")
    parser.add_argument("--table", type=Path, required=True, help="what was kept, and how diverse it is (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.filters.proxy.keeping import keep_best
    from scripts.lib.filters.proxy.kept_table import kept_table
    from scripts.lib.filters.proxy.scores import READ, read_scores
    from scripts.lib.filters.proxy.usable import read_validation, refuse_unusable
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "proxy")
    rank_by = settings.one_of("rank_by", "cosine", "margin")
    pool = Cohort.open(args.pool, READ)
    scores = read_scores(args.scores, args.pool)
    labels = sorted(scores["label"].unique())
    refuse_unusable(read_validation(args.validation), labels, rank_by, settings["allow_unvalidated"], args.validation)
    kept = keep_best(scores, settings["percentile"], rank_by)
    table = kept_table(pool, scores, kept, settings, args.seed)
    with atomic_file(args.table) as path:
        table.to_csv(path, index=False, lineterminator="\n")
    with atomic_file(args.out) as path:
        kept.to_parquet(path, index=False)


if __name__ == "__main__":
    run(main)
