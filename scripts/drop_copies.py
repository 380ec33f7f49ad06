"""Keep the images of a pool that are no near-copies of the films that taught their generator.

    python -m scripts.drop_copies --pool results/rsna/pools/mine/fraction-0.1/shard-0 \\
        --nearest results/rsna/pools/mine/fraction-0.1/nearest-0.parquet \\
        --floor results/generators/floors/controlnet.parquet --config '{"percentile": 99}' \\
        --out results/rsna/pools/mine/fraction-0.1/distinct.parquet
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the pool, in order")
    parser.add_argument("--nearest", type=Path, nargs="+", required=True, help="nearest films of the shards (.parquet)")
    parser.add_argument(
        "--floor", type=Path, required=True, help="likeness of held-out films and planted copies (.parquet)"
    )
    add_config(parser, "section memorisation")
    parser.add_argument("--out", type=Path, required=True, help="kept images (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import numpy as np

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.core.log import log
    from scripts.lib.fidelity.memorisation import CopyGate
    from scripts.lib.fidelity.sources import likeness_of, read_floor, read_nearest
    from scripts.lib.filters.dropping import COPIES, keep_rest
    from scripts.lib.filters.proxy.scores import IDENTITY
    from scripts.lib.training.settings import Section

    gate = CopyGate.of(read_floor(args.floor), Section(args.config, "memorisation")["percentile"])
    if np.isnan(gate.threshold):
        raise InputError(f"{args.floor}: no held-out film, so nothing says what a near-copy is; set films aside")
    pool = Cohort.open(args.pool)
    similarity = likeness_of(read_nearest(args.nearest), pool.index["image_id"], args.nearest[0])
    index = pool.index[["image_id", *IDENTITY, "trial", "position", *pool.labels]]
    kept = keep_rest(index, pool.labels, gate.copies(similarity), 1 - similarity, COPIES)
    log(f"{len(pool) - len(kept)} of {len(pool)} images are near-copies of training films and were dropped")
    with atomic_file(args.out) as path:
        kept.to_parquet(path, index=False)


if __name__ == "__main__":
    run(main)
