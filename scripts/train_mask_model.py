"""Train the mask generator on the masks of a cohort's generator split: words to anatomy, then findings given the anatomy.

    python -m scripts.train_mask_model --base results/generators/base --cohort results/chestxdet/cohort \\
        --config masks.json --seed 1 --checkpoint-dir results/checkpoints/train_mask_model --out results/generators/masks
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.training.identity import resume_identity
from scripts.lib.training.options import add_training


def main(argv: list[str] | None = None) -> None:
    """Train and write the folder of the mask generator."""
    parser = make_parser(__doc__)
    parser.add_argument("--base", type=Path, required=True, help="foundation model, whose text encoder reads the words")
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort with masks and a generator split")
    add_config(parser, "the mask generator (section masks)")
    add_training(parser, "the mask generator")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.cohort.learned import films_learned, inherited, write_learned
        from scripts.lib.cohort.store import Cohort
        from scripts.lib.conditions.mask_shape import least_of, limits_of
        from scripts.lib.generators.controlled.layout import base_notes
        from scripts.lib.generators.masks.coding import make_code
        from scripts.lib.generators.masks.network import new_generator, write_folder
        from scripts.lib.generators.masks.training import read_films, train_masks
        from scripts.lib.training.checkpoints import Checkpoints, publish
        from scripts.lib.training.devices import place
        from scripts.lib.training.films import masked_rows
        from scripts.lib.training.settings import Section

        settings = Section(args.config, "masks")
        placement = place(settings, shared=True)
        cohort = Cohort.open(args.cohort)
        rows, content = masked_rows(cohort)
        notes = base_notes(args.base)
        code = make_code(cohort.structures, cohort.resolution, settings["grid"], settings["reach"])
        films = read_films(cohort, rows, code, settings["directions"])
        made = new_generator(args.base, films.basis, settings, args.seed)
        identity = resume_identity("train_mask_model", args.config, notes["fingerprint"], content, args.seed)
        checkpoints = Checkpoints(args.checkpoint_dir, identity, settings["checkpoint_seconds"])
        train_masks(made, films, settings, args.seed, placement, checkpoints)
        with publish(args.out, placement, checkpoints) as folder:
            if folder:
                looked = films.usable.all(1).numpy()
                fields = cohort.masks(rows[looked])
                limits, least = (read(fields, cohort.structures) for read in (limits_of, least_of))
                write_folder(folder, args.out, args.base, notes, made, limits=limits, least=least)
                write_learned(folder, [inherited(args.base, "base"), films_learned(cohort, rows, "masks")])


if __name__ == "__main__":
    run(main)
