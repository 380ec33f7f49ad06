"""Renew the pictures of docs/ and the captions of README and docs from a run of the embedded study, or check that they are.

python -m scripts.renew_docs --results results
python -m scripts.renew_docs --check
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import make_parser, run, set_threads

ROOT = Path(__file__).resolve().parents[1]


def main(argv: list[str] | None = None) -> None:
    """Renew, or check; the check fails when a picture or caption was changed by hand."""
    parser = make_parser(__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="results of the embedded study")
    parser.add_argument("--check", action="store_true", help="change nothing, say what differs")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.reporting.docs_pictures import differences, outdated, renew

    if not args.check:
        print("renewed " + ", ".join(renew(ROOT, args.results)))
        return
    if found := list(differences(ROOT)):
        raise InputError("; ".join(found))
    if outdated(ROOT):
        print(
            "note: code or config.yaml have changed since docs/ was renewed; `make figure2 figure3 figures docs-figures`"
        )


if __name__ == "__main__":
    run(main)
