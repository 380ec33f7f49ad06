"""Draw the images of a pool that agree least with what they were asked to show, worst first.

    python -m scripts.draw_judged --pool results/siim/pools/original/fraction-0.1/shard-0 --judged judged.parquet \\
        --judge results/judges/candid-generator-pneumothorax --shows pneumothorax \\
        --config '{"percentile": 5, "device": "cpu", "precision": "fp32"}' --out judged.png
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, add_name, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the pool")
    parser.add_argument("--judged", type=Path, required=True, help="what the judge finds on the images (.parquet)")
    parser.add_argument("--judge", type=Path, required=True, help="folder of the judge")
    parser.add_argument(
        "--shows", nargs="+", required=True, help="labels, or the one structure, that images are asked for"
    )
    add_name(parser)
    add_config(parser, "section faithfulness")
    parser.add_argument("--out", type=Path, required=True, help="picture (.png)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.downstream.judges import open_judge
        from scripts.lib.downstream.worst import worst_images
        from scripts.lib.fidelity.faithfulness import read_findings, read_held
        from scripts.lib.plotting.judged import MOST, draw_judged
        from scripts.lib.training.devices import place
        from scripts.lib.training.settings import Section

        settings = Section(args.config, "faithfulness")
        placement = place(settings)
        found, masks = read_findings(args.judged, args.shows)
        real = read_held(args.judge, args.shows, masks)
        judge = open_judge(args.judge, placement)
        worst = worst_images(judge, args.pool, found, real, args.shows, MOST, placement)
        picture = draw_judged(worst.tiles, worst.captions(settings["percentile"] / 100), args.name, worst.about)
    with atomic_file(args.out) as path:
        picture.save(path, format="PNG", optimize=True)


if __name__ == "__main__":
    run(main)
