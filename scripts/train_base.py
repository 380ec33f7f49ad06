"""Train the foundation model of the embedded study: autoencoder, text encoder and U-Net, in diffusers' layout.

Learns from the rows of split train or generator. Killed at any moment, a second run goes on from the last checkpoint
and ends with the same weights.

    python -m scripts.train_base --cohorts results/mimic/cohort --config base.json --resolution 64 --seed 1 \\
        --checkpoint-dir results/checkpoints/train_base --out results/generators/base
"""

from __future__ import annotations

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.training.identity import resume_identity
from scripts.lib.training.options import add_foundation, add_training


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_foundation(parser)
    add_config(parser, "the foundation model (section base)")
    add_training(parser, "the model")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.cohort.learned import write_learned
        from scripts.lib.generators.controlled.foundation import train_foundation, write_foundation
        from scripts.lib.training.checkpoints import Checkpoints, publish
        from scripts.lib.training.devices import place
        from scripts.lib.training.films import foundation_films, foundation_learned
        from scripts.lib.training.settings import Section

        settings = Section(args.config, "base")
        placement = place(settings, shared=True)
        films = foundation_films(args.cohorts, args.resolution, args.templates)
        identity = resume_identity(
            "train_base",
            args.config,
            films.content,
            args.seed,
        )
        checkpoints = Checkpoints(args.checkpoint_dir, identity, settings["checkpoint_seconds"])
        model = train_foundation(films, settings, args.resolution, args.seed, placement, checkpoints)
        with publish(args.out, placement, checkpoints) as folder:
            if folder:
                write_foundation(folder, model, args.resolution)
                write_learned(folder, foundation_learned(args.cohorts, "base"))


if __name__ == "__main__":
    run(main)
