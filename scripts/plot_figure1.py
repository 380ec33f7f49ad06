"""Plot Figure 1: the pipeline with films, masks and numbers of the run itself.

    python -m scripts.plot_figure1 --config about.json --cohorts candid=results/candid/cohort ... \\
        --table results/tables/figure2.csv --significance results/tables/significance.csv \\
        --mask-pool results/candid/pools/original/fraction-0.1/shard-0 --mask-cohort results/candid/cohort \\
        --mask-conditions results/candid/conditions/original/fraction-0.1.parquet --out results/figure1.pdf
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.plotting.files import add_figure_files


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_config(parser, "what the boxes say: titles, foundation, base, fractions, multipliers, trials, target, models")
    parser.add_argument("--cohorts", nargs="+", required=True, help="name=folder of each dataset, in order")
    parser.add_argument("--table", type=Path, required=True, help="table of Figure 2 (.csv)")
    parser.add_argument("--significance", type=Path, required=True, help="significance table of the study (.csv)")
    parser.add_argument("--mask-pool", type=Path, nargs="*", default=[], help="shards of a pool made from masks")
    parser.add_argument("--mask-cohort", type=Path, help="cohort that those masks come from")
    parser.add_argument("--mask-conditions", type=Path, help="conditions of that pool (.parquet)")
    parser.add_argument("--text-pool", type=Path, nargs="*", default=[], help="shards of a pool made from words")
    parser.add_argument("--scored-pool", type=Path, nargs="*", default=[], help="shards of a scored pool")
    parser.add_argument("--scores", type=Path, nargs="*", default=[], help="its scores, a table a shard (.parquet)")
    parser.add_argument("--kept", type=Path, help="what was kept of it (.parquet)")
    add_figure_files(parser)
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.evidence.tables import FIGURE2, TESTS, read_table
    from scripts.lib.plotting.figure1 import draw_figure1
    from scripts.lib.plotting.stages import StageMaterial, study_stages
    from scripts.lib.plotting.style import save

    pairs = [entry.split("=", 1) for entry in args.cohorts]
    material = StageMaterial(
        cohorts={name: Cohort.open(folder) for name, folder in pairs},
        figure2=read_table(args.table, FIGURE2, optional=FIGURE2),
        significance=read_table(args.significance, TESTS, optional=TESTS),
        mask_pool=Cohort.open(args.mask_pool) if args.mask_pool else None,
        mask_cohort=Cohort.open(args.mask_cohort) if args.mask_cohort else None,
        mask_conditions=pd.read_parquet(args.mask_conditions) if args.mask_conditions else None,
        text_pool=Cohort.open(args.text_pool) if args.text_pool else None,
        scored_pool=Cohort.open(args.scored_pool) if args.scored_pool else None,
        scores=pd.concat(map(pd.read_parquet, args.scores), ignore_index=True) if args.scores else None,
        kept=pd.read_parquet(args.kept) if args.kept else None,
    )
    figure = draw_figure1(study_stages(material, args.config), args.config["width_mm"])
    save(figure, args.out, args.config["dpi"])


if __name__ == "__main__":
    run(main)
