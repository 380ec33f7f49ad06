"""Write a results folder's provenance as an RO-Crate: files with hashes, commit, versions, configuration, seconds of each rule.

    python -m scripts.write_provenance --results results

The report must have been written before. The crate is the results folder itself: results/ro-crate-metadata.json.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="results folder")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.reporting.provenance import METADATA, write_provenance

    print(f"wrote {args.results / METADATA}: {write_provenance(args.results)} files")


if __name__ == "__main__":
    run(main)
