"""Say of every difference what holds under several seeds, and how often a single run's interval holds the mean of all seeds.

    python -m scripts.measure_replication --differences 1=results/tables/differences.csv 2=results/seeds/seed-2.csv \\
        --config statistics.yaml --out replication.csv --seeds replication_seeds.csv --coverage replication_coverage.csv
"""

from __future__ import annotations

import argparse
from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument(
        "--differences", type=_seed, nargs="+", required=True, help="differences of each seed: SEED=PATH (.csv)"
    )
    add_config(parser, "the section statistics")
    parser.add_argument("--out", type=Path, required=True, help="table of the differences over seeds (.csv)")
    parser.add_argument("--seeds", type=Path, required=True, help="table of each seed's differences (.csv)")
    parser.add_argument("--coverage", type=Path, required=True, help="table of what stated intervals hold (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.evidence.differences import read_intervals
    from scripts.lib.evidence.replication import SEEDS, count_coverage, gather_seeds, replicate, told
    from scripts.lib.evidence.tables import write_table

    rows = gather_seeds({seed: read_intervals(path) for seed, path in args.differences})
    table, coverage = replicate(rows), count_coverage(rows)
    with atomic_file(args.out) as one, atomic_file(args.seeds) as two, atomic_file(args.coverage) as three:
        write_table(table, one)
        write_table(rows[SEEDS], two)
        write_table(coverage, three)
    for line in told(coverage, args.config["metrics"]):
        print(line)


def _seed(text: str) -> tuple[int, Path]:
    seed, equals, path = text.partition("=")
    if not (equals and seed.isdecimal() and path):
        raise argparse.ArgumentTypeError(f"{text}: expected SEED=PATH, for example 2=results/seeds/seed-2.csv")
    return int(seed), Path(path)


if __name__ == "__main__":
    run(main)
