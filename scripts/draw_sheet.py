"""Draw a contact sheet of a pool: films grouped by prompt or label, with the outlines of their masks.

    python -m scripts.draw_sheet --pool results/rsna/pools/original/fraction-0.1/shard-0 \\
        --out results/rsna/pools/original/fraction-0.1/sheet.png
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_name, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the pool, in order")
    add_name(parser)
    parser.add_argument("--out", type=Path, required=True, help="sheet (.png)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import numpy as np

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.core.errors import InputError
    from scripts.lib.plotting.sheet import captions, draw_sheet, leading_films, pick_films, sheet_columns, sheet_title

    labels = Cohort.open(args.pool[0], ["image_id"]).labels
    leading = dict(zip(args.pool, leading_films(args.pool, labels)))
    pool = Cohort.open(args.pool, sheet_columns(labels), leading.__getitem__)
    if not len(pool):
        raise InputError(f"{args.pool[0]}: the pool holds no film, so there is nothing to draw")
    groups = pick_films(pool.index)
    rows = np.concatenate([rows for _, rows in groups])
    masks = pool.masks(rows) if pool.has_masks and pool.structures else None
    named = [(heading, captions(pool.index, rows)) for heading, rows in groups]
    sheet = draw_sheet(pool.images(rows), masks, named, pool.structures, sheet_title(args.name, len(rows), pool.stored))
    with atomic_file(args.out) as path:
        sheet.save(path, format="PNG", optimize=True)


if __name__ == "__main__":
    run(main)
