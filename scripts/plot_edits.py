"""Plot edits of real films beside these films: typical ones, and the worst.

python -m scripts.plot_edits --cohort results/children/cohort --edits results/children/edits/ddpm/shard-0 \\
    --films films.parquet --table edits.csv --config figures.json --out results/ldm_edits.png
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.plotting.files import add_figure_files


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--cohort", type=Path, required=True, help="cohort of the films")
    parser.add_argument("--edits", type=Path, nargs="+", required=True, help="shards of one method's edits")
    parser.add_argument("--films", type=Path, required=True, help="what was found on each edit (.parquet)")
    parser.add_argument("--table", type=Path, required=True, help="table of measure_edits (.csv)")
    add_config(parser, "width_mm and dpi of the section figures")
    add_figure_files(parser)
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.formats.csv_text import read_columns
    from scripts.lib.plotting.edits import Drawn, draw_edits, pick
    from scripts.lib.plotting.style import save

    table = read_columns(args.table, ["method", "to", "measure", "value"], ["value"], optional=["value"])
    cohort, store = Cohort.open(args.cohort, ["image_id"]), Cohort.open(args.edits)
    method = str(store.meta["method"])
    found = pd.read_parquet(args.films)
    found = found[found["method"] == method].reset_index(drop=True)
    places = {str(name): row for row, name in enumerate(cohort.index["image_id"])}
    films = cohort.images([places[str(name)] for name in store.index["source"]])
    edited = store.images(slice(None))
    panels = [
        Drawn(title, films[chosen], edited[chosen], found.iloc[chosen])
        for title, chosen in zip(("Typical edits", "The worst edits"), pick(found))
    ]
    own = table[(table["method"] == method) & (table["to"] == "any")].set_index("measure")["value"]
    about = (
        f"{store.meta['dataset']}: {method}, strength {store.meta['strength']:g}, guidance {store.meta['guidance']:g}; "
        f"{len(found)} edits of split test, the judge follows {own.get('flip_rate', float('nan')):.0%}, "
        f"{own['identity_pixels']:.0%} look most like their own film"
    )
    save(draw_edits(panels, about, args.config), args.out, args.config["dpi"])


if __name__ == "__main__":
    run(main)
