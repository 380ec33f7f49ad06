"""Train the autoencoder of the class-conditional model on the films of a cohort's generator split.

Killed at any moment, a second run goes on from the last checkpoint and ends with the same weights.

    python -m scripts.train_class_autoencoder --cohort results/children/cohort --target pneumonia --config autoencoder.json \\
        --seed 1 --checkpoint-dir results/checkpoints/train_class_autoencoder --out results/generators/class-autoencoder
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.training.identity import resume_identity
from scripts.lib.training.options import add_training


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort with labels and a generator split")
    parser.add_argument("--target", nargs="+", required=True, help="labels that are classes, beside normal")
    add_config(parser, "the autoencoder (section class_ldm.autoencoder, with device, precision and checkpoint_seconds)")
    add_training(parser, "the autoencoder")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.cohort.learned import films_learned, write_learned
        from scripts.lib.cohort.store import Cohort
        from scripts.lib.generators.conditional.films import class_films
        from scripts.lib.generators.conditional.folder import write_autoencoder
        from scripts.lib.generators.conditional.training import train_autoencoder
        from scripts.lib.training.checkpoints import Checkpoints, publish
        from scripts.lib.training.devices import place
        from scripts.lib.training.settings import Section

    settings = Section(args.config, "class_ldm.autoencoder")
    placement = place(settings, shared=True)
    cohort = Cohort.open(args.cohort)
    films, rows, content = class_films(cohort, args.target, "generator")
    identity = resume_identity("train_class_autoencoder", args.config, content, args.seed)
    checkpoints = Checkpoints(args.checkpoint_dir, identity, settings["checkpoint_seconds"])
    network, form = train_autoencoder(films, settings, cohort.resolution, args.seed, placement, checkpoints)
    with publish(args.out, placement, checkpoints) as folder:
        if folder:
            write_autoencoder(folder, network, form, cohort.resolution)
            write_learned(folder, [films_learned(cohort, rows, "class-ldm")])


if __name__ == "__main__":
    run(main)
