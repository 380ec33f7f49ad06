"""Draw the best and the worst films of each label of a scored pool, those that were kept in a white frame.

    python -m scripts.draw_kept --scores results/chexpert/pools/proxy-filtered/fraction-0.01/scores-0.parquet \\
        --pool results/chexpert/pools/proxy-filtered/fraction-0.01/shard-0 \\
        --kept results/chexpert/pools/proxy-filtered/fraction-0.01/kept.parquet \\
        --out results/chexpert/pools/proxy-filtered/fraction-0.01/kept.png
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_name, make_parser, run, set_threads

EACH = 10


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--scores", type=Path, nargs="+", required=True, help="scores of the shards (.parquet)")
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the pool, in order")
    parser.add_argument("--kept", type=Path, required=True, help="kept films (.parquet)")
    add_name(parser)
    parser.add_argument("--out", type=Path, required=True, help="sheet (.png)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import numpy as np

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.filters.kept_view import open_kept
    from scripts.lib.filters.proxy.extremes import is_kept, pick_extremes
    from scripts.lib.filters.proxy.scores import IDENTITY, READ, read_scores
    from scripts.lib.plotting.sheet import draw_sheet, sheet_title

    pool = Cohort.open(args.pool, READ)
    scores = read_scores(args.scores, args.pool)
    chosen = open_kept(args.pool, args.kept, IDENTITY).index
    kept = set(zip(chosen["condition_id"].astype(str), chosen["sample"].astype(int)))
    rows, groups = pick_extremes(scores, kept, EACH)
    # A frame is the outline of a mask that leaves a film's border free.
    frame = np.pad(np.ones((pool.resolution - 2,) * 2, np.uint8), 1)
    frames = np.array([frame * is_kept(scores.iloc[row], kept) for row in rows])
    title = f"{sheet_title(args.name, len(rows), len(pool))}; {len(kept):,} of them all are kept"
    sheet = draw_sheet(pool.images(rows), frames, groups, ["kept"], title, columns=EACH)
    with atomic_file(args.out) as path:
        sheet.save(path, format="PNG", optimize=True)


if __name__ == "__main__":
    run(main)
