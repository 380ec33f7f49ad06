"""Keep the images of a pool that show what they were asked to show, as a judge of real films sees it.

    python -m scripts.keep_faithful --pool results/rsna/pools/mine/fraction-0.1/shard-0 --judged judged.parquet \\
        --judge results/judges/mimic-train-labels --shows pneumonia --config '{"percentile": 5}' --out faithful.parquet
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the pool, in order")
    parser.add_argument("--judged", type=Path, required=True, help="what the judge finds on all its images (.parquet)")
    parser.add_argument("--judge", type=Path, required=True, help="folder of the judge")
    parser.add_argument(
        "--shows", nargs="+", required=True, help="labels, or the one structure, that images are asked for"
    )
    add_config(parser, "section faithfulness")
    parser.add_argument("--out", type=Path, required=True, help="kept images (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.core.log import log
    from scripts.lib.fidelity.agreement import agreement
    from scripts.lib.fidelity.faithfulness import of_images, read_findings, read_held
    from scripts.lib.filters.dropping import DENIED, keep_rest
    from scripts.lib.filters.proxy.scores import IDENTITY
    from scripts.lib.training.settings import Section

    pool = Cohort.open(args.pool)
    found, masks = read_findings(args.judged, args.shows)
    found = of_images(found, pool.index["image_id"], args.judged)
    usual = agreement(found, read_held(args.judge, args.shows, masks), [] if masks else args.shows)
    denied = usual < Section(args.config, "faithfulness")["percentile"] / 100
    index = pool.index[["image_id", *IDENTITY, "trial", "position", *pool.labels]]
    kept = keep_rest(index, pool.labels, denied, usual, DENIED)
    log(f"{len(pool) - len(kept)} of {len(pool)} images do not show what they were asked to show and were dropped")
    with atomic_file(args.out) as path:
        kept.to_parquet(path, index=False)


if __name__ == "__main__":
    run(main)
