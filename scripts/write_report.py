"""Write the page that answers: what synthetic images did in a study, and what speaks for and against it.

    python -m scripts.write_report --results results --config config.json --out results/report.html \\
        --record results/report.json --guidelines results/guidelines.md

The page is one file that asks no network. It reads the tables and pictures of the results folder; what is not there is "not
measured". The record holds the same as JSON, by which `compare_reports` puts studies beside each other.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--results", type=Path, required=True, help="folder of the results")
    add_config(parser, "the whole study, resolved")
    parser.add_argument("--out", type=Path, required=True, help="the page (.html)")
    parser.add_argument("--record", type=Path, required=True, help="what it says, for compare_reports (.json)")
    parser.add_argument(
        "--guidelines", type=Path, required=True, help="checklists of reporting, as far as the run knows them (.md)"
    )
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.reporting.page.guidelines import as_markdown
    from scripts.lib.reporting.page.page import make_report, record, render

    report = make_report(args.results, args.config)
    with atomic_file(args.out) as page, atomic_file(args.record) as told, atomic_file(args.guidelines) as claim:
        page.write_text(render(report), encoding="utf-8")
        told.write_text(record(report), encoding="utf-8")
        claim.write_text(as_markdown(report.guidelines), encoding="utf-8")


if __name__ == "__main__":
    run(main)
