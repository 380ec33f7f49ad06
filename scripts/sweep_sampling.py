"""Hold small pools of a class-conditional generator against real films, one for each guidance and number of solver steps.

    python -m scripts.sweep_sampling --generator results/generators/class-ldm --cohort results/children/cohort \\
        --target pneumonia --splits train validate test --sampling sampling.json --config sweep.json --seed 1 \\
        --out results/generators/sweep.csv
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--generator", type=Path, required=True, help="folder of a generator that follows classes")
    parser.add_argument("--cohort", type=Path, required=True, help="cohort of real films")
    parser.add_argument("--target", nargs="+", required=True, help="labels that are classes, beside normal")
    parser.add_argument("--splits", nargs="+", required=True, help="splits of the cohort that images are held against")
    parser.add_argument("--sampling", type=json.loads, required=True, help="section sampling, as JSON")
    add_config(parser, "the grid (section sweep), with `nearest` and `batch_size` of section fidelity")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out", type=Path, required=True, help="table (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.cohort.store import Cohort
        from scripts.lib.evidence.tables import write_table
        from scripts.lib.fidelity.networks import open_extractor
        from scripts.lib.fidelity.sweep import open_reference, sweep, sweep_table
        from scripts.lib.generators.conditional.classes import class_names
        from scripts.lib.generators.kinds import open_kind
        from scripts.lib.training.devices import place
        from scripts.lib.training.settings import Section

        make_model = open_kind(args.generator)
    sampling, grid = Section(args.sampling, "sampling"), Section(args.config, "sweep")
    model = make_model([], sampling)
    extractor = open_extractor("random", "", place(sampling), grid["batch_size"])
    with tempfile.TemporaryDirectory() as folder:
        reference = open_reference(args.cohort, args.splits, extractor, grid["images"], Path(folder))
        names = class_names(args.target)
        rows = sweep(model, reference, names, sampling, grid, grid["nearest"], args.seed)
    dataset = str(Cohort.open(args.cohort, ["image_id"]).meta["dataset"])
    with atomic_file(args.out) as path:
        write_table(sweep_table(rows, dataset), path)


if __name__ == "__main__":
    run(main)
