"""Look at the data of a study before anything trains, and write one page about them: results/check.html.

    python -m scripts.check_data --config config.json --machine cpu-2core --out results/check.html --table results/check.csv

Whatever is wrong with the data is on the page and in the table, one line each; the command fails at nothing of it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, progress, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_config(parser, "the whole study")
    parser.add_argument("--out", type=Path, required=True, help="the page (.html)")
    parser.add_argument("--table", type=Path, required=True, help="what was found, a line each (.csv)")
    parser.add_argument(
        "--films", type=Path, required=True, help="how many films each side has, for plans before a run (.json)"
    )
    args = parser.parse_args(argv)
    set_threads(1)

    from scripts.lib.cohort.looking import look_at
    from scripts.lib.core.atomic import atomic_file
    from scripts.lib.planning.checked import cost_of, write_counts
    from scripts.lib.reporting.check_findings import film_tables, findings
    from scripts.lib.reporting.check_needs import write_findings
    from scripts.lib.reporting.check_page import write_page
    from scripts.lib.reporting.check_targets import targets
    from scripts.lib.study.config import stage
    from scripts.lib.study.needs import needed_datasets
    from scripts.lib.study.sources import root_of

    config = args.config
    names = needed_datasets(config)
    roots = {name: Path(root_of(config["datasets"][name], name)) for name in names}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".check-", dir=args.out.parent) as folder:
        looks = [
            look_at(
                name,
                stage(config, "prepare_cohort", name),
                roots[name],
                config["study"]["seed"],
                Path(folder, name),
                args.threads,
                lambda films, total: progress(films, total, desc="films"),
            )
            for name in names
        ]
        found = findings(config, looks, roots)
        makes = targets(config, film_tables(looks), found)
        cost = cost_of(config, looks)
        with atomic_file(args.out) as path:
            write_page(path, config, looks, found, makes, cost, roots)
    write_findings(args.table, found)
    write_counts(args.films, config, looks)


if __name__ == "__main__":
    run(main)
