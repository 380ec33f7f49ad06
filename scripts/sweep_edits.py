"""Edit films of split validate at every strength and guidance, and choose the operating point of each way.

    python -m scripts.sweep_edits --generator results/generators/class-ldm --judge results/judges/vindr-train-labels-blurred \\
        --verdict results/children/edits/judge.json --cohort results/children/cohort --target pneumonia \\
        --sampling sampling.json --config edits.json --seed 1 --out sweep.csv --points points.json
"""

from __future__ import annotations

import json
from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.editing.options import add_editing
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_editing(parser, "generator", "judge")
    add_config(parser, "ways, steps, sweep, identity, draws, device and precision of the section edits")
    parser.add_argument("--out", type=Path, required=True, help="table of all points (.csv)")
    parser.add_argument("--points", type=Path, required=True, help="operating points (.json)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.cohort.store import Cohort
        from scripts.lib.editing.opening import open_editor, open_witness
        from scripts.lib.editing.stores import points_as_json
        from scripts.lib.editing.subjects import subjects
        from scripts.lib.editing.sweep import choose, sweep, sweep_table
        from scripts.lib.evidence.tables import write_table
        from scripts.lib.generators.conditional.classes import class_names
        from scripts.lib.training.settings import Section

    settings, names = Section(args.config, "edits"), class_names(args.target)
    cohort = Cohort.open(args.cohort)
    films = subjects(cohort, names, "validate", settings["sweep"]["films"])
    witness = open_witness(args.judge, args.verdict, cohort, names, settings)
    editor = open_editor(args.generator, args.sampling, settings, args.seed)
    grid = {"ways": settings["ways"], **settings["sweep"]}
    rows = sweep(editor, witness, films, grid, settings["draws"], args.seed)
    points = choose(rows, settings["identity"])
    with atomic_file(args.out) as table, atomic_file(args.points) as path:
        write_table(sweep_table(rows, points, str(cohort.meta["dataset"])), table)
        path.write_text(json.dumps(points_as_json(points), indent=1) + "\n")


if __name__ == "__main__":
    run(main)
