"""Let an expert from elsewhere look at real films, so that it may be validated before it votes.

    python -m scripts.judge_films --judge weights/xrv --cohort results/chestxdet/cohort --split generator \\
        --shows pneumothorax pleural_effusion --config '{"device": "auto", "precision": "fp32"}' --out films-xrv.parquet
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    """Write what it finds."""
    parser = make_parser(__doc__)
    parser.add_argument("--judge", type=Path, required=True, help="folder of the expert")
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort")
    parser.add_argument("--split", required=True, help="split whose films it looks at; never test")
    parser.add_argument("--shows", nargs="+", required=True, help="labels, or the one structure, that it is asked for")
    add_config(parser, "device and precision of the section faithfulness")
    parser.add_argument("--out", type=Path, required=True, help="what it finds (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.cohort.store import Cohort
        from scripts.lib.downstream.judged import findings
        from scripts.lib.downstream.judges import judge_rows, open_judge
        from scripts.lib.training.devices import place
        from scripts.lib.training.settings import Section

        cohort, placement = Cohort.open(args.cohort), place(Section(args.config, "faithfulness"))
        judge = open_judge(args.judge, placement)
        rows = judge_rows(cohort, args.split, "masks" if judge.masks else "labels", len(cohort))
        table = findings(judge, cohort, rows, args.shows, placement, "patient_id")
    with atomic_file(args.out) as path:
        table.to_parquet(path, index=False)


if __name__ == "__main__":
    run(main)
