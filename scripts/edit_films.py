"""Edit films of split test by one method at its operating point, and write a shard of the edits in the form of a cohort.

    python -m scripts.edit_films --generator results/generators/class-ldm --points points.json --method ddpm --shard 0 \\
        --cohort results/children/cohort --target pneumonia --sampling sampling.json --config edits.json --seed 1 --out FOLDER
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.editing.options import add_editing
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_editing(parser, "generator")
    parser.add_argument("--points", type=Path, required=True, help="operating points of sweep_edits (.json)")
    parser.add_argument("--method", required=True, help="a way of edits.ways, own-class or sdedit-equal")
    parser.add_argument("--shard", type=int, required=True, help="number of the shard")
    add_config(parser, "steps, films, shards, device and precision of the section edits")
    parser.add_argument("--out", type=Path, required=True, help="folder of the shard")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.cohort.store import Cohort
        from scripts.lib.core.log import log
        from scripts.lib.editing import stores
        from scripts.lib.editing.opening import open_editor
        from scripts.lib.editing.subjects import subjects
        from scripts.lib.generators.conditional.classes import class_names
        from scripts.lib.generators.shards import shard_rows
        from scripts.lib.training.settings import Section

    settings, names = Section(args.config, "edits"), class_names(args.target)
    cohort = Cohort.open(args.cohort)
    films = subjects(cohort, names, "test", settings["films"])
    films = films.take(shard_rows(len(films), args.shard, settings["shards"]))
    point = stores.point_of(stores.read_points(args.points), args.method)
    editor = open_editor(args.generator, args.sampling, settings, args.seed)
    cycled = args.method not in (stores.OWN_CLASS, stores.SDEDIT_EQUAL)
    made = stores.make_edits(editor, films, point, args.method, cycled)
    about = {"dataset": cohort.meta["dataset"], "generator": editor.model.fingerprint, "method": args.method}
    about |= {"strength": point.strength, "guidance": point.guidance}
    stores.write_edits(args.out, made, names, about)
    log(f"{args.method}: {len(made[1])} edits at strength {point.strength:g}, guidance {point.guidance:g}")


if __name__ == "__main__":
    run(main)
