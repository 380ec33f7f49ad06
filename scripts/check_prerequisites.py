"""Check that the films of a study bring what its arms need, before anything trains: all that is missing, one line each.

    python -m scripts.check_prerequisites --cohorts mine=results/mine/cohort --config needs.json \\
        --out results/prerequisites.csv

What is worth knowing and stops nothing is in the table.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--dataset", required=True, help="name of the dataset in the study")
    parser.add_argument("--cohort", type=Path, required=True, help="its prepared cohort")
    add_config(parser, "what films have to bring: study, arms, base, datasets, subsets, conditions, trials")
    parser.add_argument("--out", type=Path, required=True, help="table of what was noticed (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.reporting.check_needs import check_needs, cohort_films, write_findings

    films = {args.dataset: cohort_films(Cohort.open(args.cohort))}
    write_findings(args.out, check_needs(args.config, films))


if __name__ == "__main__":
    run(main)
