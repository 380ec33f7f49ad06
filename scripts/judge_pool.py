"""Let a judge of real films look at the images of a pool: what it finds on each, beside what the image was asked to show.

    python -m scripts.judge_pool --judge results/judges/mimic-train-labels --pool results/rsna/pools/original/fraction-1/shard-0 \\
        --shows pneumonia --most 10000 --config faithfulness.json --out judged.parquet
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--judge", type=Path, required=True, help="folder of the judge")
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the pool")
    parser.add_argument(
        "--shows", nargs="+", required=True, help="labels, or the one structure, that images are asked for"
    )
    parser.add_argument("--most", type=int, default=0, help="most images that are judged (default all)")
    add_config(parser, "section faithfulness")
    parser.add_argument("--out", type=Path, required=True, help="what it finds (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.downstream.judged import judge_pool
        from scripts.lib.downstream.judges import open_judge
        from scripts.lib.training.devices import place
        from scripts.lib.training.settings import Section

        placement = place(Section(args.config, "faithfulness"))
        table = judge_pool(open_judge(args.judge, placement), args.pool, args.shows, args.most, placement)
    with atomic_file(args.out) as path:
        table.to_parquet(path, index=False)


if __name__ == "__main__":
    run(main)
