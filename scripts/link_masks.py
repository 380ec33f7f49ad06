"""Make the conditions table of an arm whose images are made from a pool of masks: one image a mask.

python -m scripts.link_masks --pool results/chestxdet/masks/aurad/fraction-0.1/shard-0 --out fraction-0.1.parquet
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    """Write the table."""
    parser = make_parser(__doc__)
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the mask pool, in order")
    parser.add_argument("--words", action="store_true", help="each mask is told in words, too: all that it shows")
    parser.add_argument("--out", type=Path, required=True, help="conditions table (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.conditions.mask_link import conditions_of

    table = conditions_of(Cohort.open(args.pool), args.words)
    with atomic_file(args.out) as path:
        table.to_parquet(path, index=False)


if __name__ == "__main__":
    run(main)
