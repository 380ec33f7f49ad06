"""Say whether the images of a pool show what their label or mask says: the table and its verdict.

    python -m scripts.measure_faithfulness --judged judged.parquet --judge results/judges/mimic-train-labels --shows pneumonia \\
        --config '{"least": 0.5, "percentile": 5}' --dataset rsna --arm original --fraction 0.1 --out faithfulness.csv
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--judged", type=Path, required=True, help="what the judge finds on the images (.parquet)")
    parser.add_argument("--judge", type=Path, required=True, help="folder of the judge")
    parser.add_argument(
        "--shows", nargs="+", required=True, help="labels, or the one structure, that images are asked for"
    )
    parser.add_argument("--dropped", action="store_true", help="trials read what the judge agrees with alone")
    for name in ("dataset", "arm", "fraction"):
        parser.add_argument(f"--{name}", required=True, help=f"{name} of the pool")
    add_config(parser, "section faithfulness")
    parser.add_argument("--out", type=Path, required=True, help="table (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.core.log import log
    from scripts.lib.evidence.tables import write_table
    from scripts.lib.fidelity.faithfulness import read_findings, read_held, table
    from scripts.lib.training.settings import Section

    cell = {"dataset": args.dataset, "arm": args.arm, "fraction": args.fraction, "judge": args.judge.name}
    notes = ["images that the judge denies are dropped before trials"] if args.dropped else []
    settings = Section(args.config, "faithfulness")
    images, masks = read_findings(args.judged, args.shows)
    found = table(images, read_held(args.judge, args.shows, masks), args.shows, masks, settings, cell, notes)
    log(f"{args.dataset} {args.arm} at {args.fraction}: {found['verdict'].iloc[0]}; {found['note'].iloc[0]}")
    with atomic_file(args.out) as path:
        write_table(found, path)


if __name__ == "__main__":
    run(main)
