"""Renew what is written by program: pictures and captions from a run of the embedded study, and the reference of keys.

python -m scripts.renew_docs --results results
python -m scripts.renew_docs --configuration
python -m scripts.renew_docs --check
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import make_parser, run, set_threads

ROOT = Path(__file__).resolve().parents[1]


def main(argv: list[str] | None = None) -> None:
    """Renew, or check; the check fails when a picture, caption or key is not what it was written from."""
    parser = make_parser(__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="results of the embedded study")
    parser.add_argument(
        "--configuration", action="store_true", help="renew docs/configuration.md alone; needs no results"
    )
    parser.add_argument("--check", action="store_true", help="change nothing, say what differs")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.reporting.key_reference import page_differs, write_page

    if args.configuration and not args.check:
        print(f"renewed {write_page(ROOT)}")
        return

    from scripts.lib.reporting.docs_pictures import differences, outdated, renew

    if not args.check:
        print("renewed " + ", ".join([*renew(ROOT, args.results), write_page(ROOT)]))
        return
    if found := [*([] if args.configuration else differences(ROOT)), *page_differs(ROOT)]:
        raise InputError.of(found)
    if not args.configuration and outdated(ROOT):
        print(
            "note: code or config.yaml have changed since docs/ was renewed; `make figure2 figure3 figures docs-figures`"
        )


if __name__ == "__main__":
    run(main)
