"""Say where an image comes from: its condition, its generator, what taught it, the nearest real film, verdicts.

    python -m scripts.trace_image exported/images/099db74163d6a571-0.png
    python -m scripts.trace_image 099db74163d6a571-0 --results runs/mine/results

IMAGE is a file (an exported PNG, or any picture with the same pixels), or the name of an image of a pool.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("image", help="a picture, or the image_id of a pool")
    parser.add_argument("--results", type=Path, default=Path("results"), help="results folder with the pools")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.pools.tracing import trace

    print("\n".join(trace(args.image, args.results)))


if __name__ == "__main__":
    run(main)
