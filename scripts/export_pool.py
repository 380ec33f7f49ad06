"""Export a pool as a folder of PNG files with table, masks, prompts and a data card.

    python -m scripts.export_pool --pool results/rsna/pools/original/fraction-0.1 --out exported

The folder can be imported again (`source: pool`). Each PNG carries its identity, which `trace_image` reads.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--pool", type=Path, required=True, help="folder of the pool")
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    parser.add_argument("--target", help="structure whose mask is the one of the table; not needed where there is one")
    parser.add_argument("--most", type=int, help="only so many images, the first ones")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.pools.exporting import export_pool

    print(f"wrote {export_pool(args.pool, args.out, args.target, args.most)} images to {args.out}")


if __name__ == "__main__":
    run(main)
