"""What a study cost beside what its plan said, stage by stage: a table and a plot.

    python -m scripts.compare_cost --machine cpu-2core --results results --out-csv results/cost.csv --out results/cost.png

Both sides are seconds by the clock of each job, added up: so a machine that does other work beside it looks slower than
planned. What was planned and not made, and what was measured and not planned, has its line too.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.csv_files import write_csv
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import make_parser, run, set_threads
from scripts.lib.planning.cost import COLUMNS, cost_rows
from scripts.lib.planning.estimate import make_plan
from scripts.lib.planning.jobs import EVERYTHING, ROOT, list_jobs
from scripts.lib.planning.rates import read_rates
from scripts.lib.planning.records import BENCHMARKS
from scripts.lib.planning.sizes import read_sizes
from scripts.lib.planning.table import cost_table
from scripts.lib.plotting.files import add_figure_files
from scripts.lib.study.config import load_study
from scripts.lib.study.parts import fit_targets


def main(argv: list[str] | None = None) -> None:
    """Write the table and the plot, and print the table."""
    parser = make_parser(__doc__)
    parser.add_argument("--configfile", type=Path, nargs="*", default=[], help="overlays that the run had")
    parser.add_argument("--machine", default="cpu-2core", help="machine class of the plan (default cpu-2core)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="results of the run")
    parser.add_argument("--targets", nargs="*", help="what is planned (default: all figures that the study has)")
    parser.add_argument("--out-csv", type=Path, required=True, help="the table")
    add_figure_files(parser)
    options = parser.parse_args(argv)
    set_threads(options.threads)
    root = options.results.absolute().parent
    if not any((root / BENCHMARKS).glob("*/*.tsv")):
        raise InputError(f"{root / BENCHMARKS}: no benchmark file; make the study in {root} first, e.g. make figure2")
    overlays = [path.resolve() for path in options.configfile]
    config, rates = load_study([ROOT / "config.yaml", *overlays]), read_rates(options.machine)
    targets = options.targets or fit_targets(config, EVERYTHING)
    jobs = list_jobs(overlays, targets, rates["machine"]["cores"])
    rows = cost_rows(make_plan(jobs, config, read_sizes(config, options.results), rates), root)
    if not rows[-1]["jobs_measured"]:
        raise InputError(f"{root / BENCHMARKS}: no benchmark file of this study; give the overlays that the run had")
    print(cost_table(rows))
    for note in dict.fromkeys(row["note"] for row in rows if row["note"]):
        print(f"{note}: {', '.join(row['stage'] for row in rows if row['note'] == note)}")
    write_csv(options.out_csv, rows, COLUMNS)

    from scripts.lib.plotting.cost import draw_cost
    from scripts.lib.plotting.style import save

    title = f"Planned and measured cost: {config['study']['name']}, rates of {options.machine}"
    save(draw_cost(rows, title), options.out)


if __name__ == "__main__":
    run(main)
