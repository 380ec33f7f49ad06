"""Put two studies beside each other: which answers changed, and what differed in configuration and code.

    python -m scripts.compare_reports runs/a runs/b --out comparison.html

A study is named by its folder, its results folder, or its report.json; `make report` must have run there.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("runs", type=Path, nargs=2, help="two studies")
    parser.add_argument("--out", type=Path, required=True, help="the page (.html)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.reporting.page.comparing import compare_page, read_record

    left, right = (read_record(run) for run in args.runs)
    with atomic_file(args.out) as page:
        page.write_text(compare_page(left, right, [str(run) for run in args.runs]), encoding="utf-8")
    print(f"wrote {args.out}")


if __name__ == "__main__":
    run(main)
