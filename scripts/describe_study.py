"""Write what a run says of itself: results/methods.md, and README.md and codebook.csv beside its tables.

python -m scripts.describe_study --config study.json --cohorts results/table1.csv --figure2 results/tables/figure2.csv \
    --tables results/tables/trials.csv results/tables/power.csv --methods methods.md --out README.md --codebook codebook.csv
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads

PACKAGES = ("torch", "diffusers", "transformers", "scikit-learn", "numpy")


def main(argv: list[str] | None = None) -> None:
    """Write the three files."""
    parser = make_parser(__doc__)
    add_config(parser, "the whole study")
    parser.add_argument("--cohorts", type=Path, required=True, help="table of the cohorts (.csv)")
    parser.add_argument("--figure2", type=Path, required=True, help="what Figure 2 draws (.csv)")
    parser.add_argument("--tables", type=Path, nargs="+", required=True, help="tables of the study (.csv)")
    parser.add_argument("--methods", type=Path, required=True, help="methods and captions (.md)")
    parser.add_argument("--codebook", type=Path, required=True, help="every column of the tables (.csv)")
    parser.add_argument("--out", type=Path, required=True, help="page beside the tables (.md)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from importlib.metadata import version

    from scripts.lib.evidence.tables import FIGURE2, read_table, write_table
    from scripts.lib.formats.csv_text import read_text
    from scripts.lib.reporting.methods_page import methods_page
    from scripts.lib.reporting.study_pages import codebook, tables_page

    book = codebook({path.stem: list(read_text(path).columns) for path in sorted(args.tables)})
    figure2 = read_table(args.figure2, FIGURE2, optional=FIGURE2)
    pages = {
        args.out: tables_page(book, args.config),
        args.methods: methods_page(
            args.config, read_text(args.cohorts), figure2, {name: version(name) for name in PACKAGES}
        ),
    }
    for path, text in pages.items():
        with atomic_file(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    with atomic_file(args.codebook) as unfinished:
        write_table(book, unfinished)


if __name__ == "__main__":
    run(main)
