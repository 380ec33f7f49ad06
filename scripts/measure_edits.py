"""Measure the edits of all methods, controls that need no generator with them: what the judge sees, and whose films they are.

    python -m scripts.measure_edits --edits results/children/edits --methods ddpm ddim sdedit own-class sdedit-equal --shards 1 \\
        --points points.json --judge results/judges/vindr-train-labels-blurred --verdict judge.json \\
        --cohort results/children/cohort --target pneumonia --config edits.json --seed 1 --out edits.csv --films films.parquet
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.editing.options import add_editing
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_editing(parser, "judge")
    parser.add_argument("--edits", type=Path, required=True, help="folder with METHOD/shard-K")
    parser.add_argument("--methods", nargs="+", required=True, help="methods, the first way first")
    parser.add_argument("--shards", type=int, required=True, help="shards of each method")
    parser.add_argument("--points", type=Path, required=True, help="operating points of sweep_edits (.json)")
    parser.add_argument("--note", default="", help="what the table is to say of the judge")
    add_config(parser, "draws, device and precision of the section edits, and nearest of section fidelity")
    parser.add_argument("--out", type=Path, required=True, help="table (.csv)")
    parser.add_argument("--films", type=Path, required=True, help="one row an edit (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.cohort.store import Cohort
        from scripts.lib.editing.opening import open_witness
        from scripts.lib.editing.stores import point_of, read_edits, read_points
        from scripts.lib.editing.table import edit_table, measure_methods
        from scripts.lib.evidence.tables import write_table
        from scripts.lib.generators.conditional.classes import class_names
        from scripts.lib.training.settings import Section

    settings, names = Section(args.config, "edits"), class_names(args.target)
    cohort = Cohort.open(args.cohort)
    witness = open_witness(args.judge, args.verdict, cohort, names, settings)
    points = read_points(args.points)
    made = {}
    for method in args.methods:
        folders = [args.edits / method / f"shard-{shard}" for shard in range(args.shards)]
        made[method] = (point_of(points, method), read_edits(folders, cohort, names))
    rows, films = measure_methods(witness, made, settings, args.seed, args.note)
    with atomic_file(args.out) as table, atomic_file(args.films) as path:
        write_table(edit_table(rows, str(cohort.meta["dataset"])), table)
        films.to_parquet(path, index=False)


if __name__ == "__main__":
    run(main)
