"""Plot Figure 5: from words to masks, images and boxes, and what these images are worth.

    python -m scripts.plot_figure5 --bars results/tables/figure5.csv --masks aurad=results/chestxdet/masks/aurad/fraction-0.1/masks.csv \\
        --mask-pool results/chestxdet/masks/aurad/fraction-0.1/shard-0 --pool results/chestxdet/pools/aurad/fraction-0.1/shard-0 \\
        --conditions results/chestxdet/conditions/aurad/fraction-0.1.parquet --cohort results/chestxdet/cohort --config figures.json \\
        --out results/figure5.pdf
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.plotting.files import add_figure_files


def main(argv: list[str] | None = None) -> None:
    """Write the figure."""
    parser = make_parser(__doc__)
    parser.add_argument("--bars", type=Path, required=True, help="table of the bars (.csv)")
    parser.add_argument("--masks", nargs="+", required=True, help="ARM=FILE: measures of masks, generated ones first")
    parser.add_argument("--mask-pool", type=Path, nargs="+", required=True, help="shards of the generated masks")
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the images made from them")
    parser.add_argument("--conditions", type=Path, required=True, help="conditions of these images (.parquet)")
    parser.add_argument("--cohort", type=Path, required=True, help="the real films, with their boxes")
    parser.add_argument("--acceptance", type=Path, help="what experts accept (.csv)")
    parser.add_argument("--shares", type=Path, help="what readers said (.csv)")
    add_config(parser, "the section figures")
    add_figure_files(parser)
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.cohort.boxes import read_boxes
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.evidence.table2 import read_shares
    from scripts.lib.evidence.tables import ENDS, FIGURE2, read_table
    from scripts.lib.formats.csv_text import read_columns
    from scripts.lib.plotting.figure5 import draw_figure5
    from scripts.lib.plotting.figure5_examples import choose_examples
    from scripts.lib.plotting.style import save

    masks, films = Cohort.open(args.mask_pool), Cohort.open([args.cohort])
    conditions = pd.read_parquet(args.conditions, columns=["condition_id", "sample", "mask_source"])
    count = args.config["figure5"]["examples"]
    examples = choose_examples(masks, Cohort.open(args.pool), conditions, films, read_boxes(args.cohort), count)
    numbers = ("value", "low", "high", "floor")
    measured = {
        arm: read_columns(Path(path), ["measure", "of", *numbers], numbers, optional=numbers)
        for arm, _, path in (text.partition("=") for text in args.masks)
    }
    said = ("share", "low", "high")
    accepted = read_columns(args.acceptance, ["expert", "by", "value", *said], said, optional=said) if args.acceptance else None  # fmt: skip
    bars = read_table(args.bars, [*FIGURE2, *ENDS], optional=[*FIGURE2, *ENDS])
    shares = read_shares(args.shares) if args.shares else None
    names = args.config["names"]
    figure = draw_figure5(examples, masks.structures, measured, accepted, bars, shares, names, args.config["width_mm"])
    save(figure, args.out, args.config["dpi"])


if __name__ == "__main__":
    run(main)
