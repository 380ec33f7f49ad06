"""What a study cost beside what its plan said, stage by stage: a table and a plot.

python -m scripts.compare_cost --machine cpu-2core --results results --out-csv results/cost.csv --out results/cost.png
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from scripts.lib.atomic import atomic_file
from scripts.lib.cli import make_parser, run, set_threads
from scripts.lib.config import load_study
from scripts.lib.errors import InputError
from scripts.lib.planning.cost import COLUMNS, cost_rows
from scripts.lib.planning.estimate import make_plan
from scripts.lib.planning.jobs import ROOT, list_jobs
from scripts.lib.planning.rates import read_rates
from scripts.lib.planning.sizes import read_sizes
from scripts.lib.plotting.files import add_figure_files


def main(argv: list[str] | None = None) -> None:
    """Write the table and the plot; jobs without a benchmark file are named on stderr."""
    parser = make_parser(__doc__)
    parser.add_argument("--configfile", type=Path, nargs="*", default=[], help="overlays that the run had")
    parser.add_argument("--machine", default="cpu-2core", help="machine class of the plan (default cpu-2core)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="results of the run")
    parser.add_argument("--targets", nargs="*", default=["all", "figures", "figure3"], help="what was made")
    parser.add_argument("--out-csv", type=Path, required=True, help="the table")
    add_figure_files(parser)
    options = parser.parse_args(argv)
    set_threads(options.threads)
    overlays = [path.resolve() for path in options.configfile]
    config, rates = load_study([ROOT / "config.yaml", *overlays]), read_rates(options.machine)
    jobs = list_jobs(config, overlays, options.targets, rates["machine"]["cores"])
    plan = make_plan(jobs, config, read_sizes(config, options.results), rates)
    root = options.results.absolute().parent
    rows = [row for row in cost_rows(plan, root) if row["missing"] < row["jobs"]]
    if not rows:
        raise InputError(f"{options.results}/benchmarks: no benchmark file of this study; run it first")
    missing = [job.benchmark for job in jobs if job.benchmark and not (root / job.benchmark).is_file()]
    if missing:
        print(f"{len(missing)} jobs without a benchmark file, e.g. {missing[0]}", file=sys.stderr)
    with atomic_file(options.out_csv) as path, path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)

    from scripts.lib.plotting.cost import draw_cost
    from scripts.lib.plotting.style import save

    save(draw_cost(rows, f"{config['study']['name']} on {options.machine}"), options.out)


if __name__ == "__main__":
    run(main)
