"""Draw the test films that got worse by the synthetic images of an arm, worst first, and list them.

    python -m scripts.draw_failures --config worth.json --cohorts rsna=results/rsna/cohort \\
        --table results/tables/failures.csv --out results/failures.png

The settings are those of measure_equivalence, with the section figures beside them, whose arm is held against real films alone.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, progress, run, set_threads
from scripts.lib.plotting.files import add_figure_files

MOST = 10  # films of a cell in the table


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_config(parser, "datasets, trials and figures")
    parser.add_argument("--cohorts", nargs="+", required=True, help="NAME=FOLDER of each dataset's prepared cohort")
    parser.add_argument("--table", type=Path, required=True, help="table of the films (.csv)")
    add_figure_files(parser)
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.downstream.data import named_folders
    from scripts.lib.evidence.failures import FAILURES, failures
    from scripts.lib.evidence.studied import read_dataset
    from scripts.lib.evidence.tables import write_table
    from scripts.lib.plotting.failures import draw_failures
    from scripts.lib.plotting.style import save

    settings, parts = args.config, []
    figures = settings["figures"]
    for entry in progress(settings["datasets"], desc="datasets"):
        parts.append(failures(read_dataset(entry, settings["trials"])[0], figures["arm"], MOST))
    filled = [part for part in parts if len(part)]
    table = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=FAILURES)
    cohorts = {name: Cohort.open(folder) for name, folder in named_folders(args.cohorts).items()}
    save(draw_failures(table, cohorts, figures), args.out, figures["dpi"])
    with atomic_file(args.table) as path:
        write_table(table, path, digits=4)


if __name__ == "__main__":
    run(main)
