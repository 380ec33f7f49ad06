"""Train a class-conditional latent diffusion model on the films and labels of a cohort's generator split.

MONAI's U-Net on the latents of an autoencoder; the classes are `normal` and the labels of the dataset's target. Films without a
label, and films with several of them, are left out. Killed at any moment, a second run goes on from the last checkpoint and
ends with the same weights.

    python -m scripts.train_class_ldm --autoencoder results/generators/class-autoencoder --cohort results/children/cohort \\
        --target pneumonia --config class_ldm.json --seed 1 \\
        --checkpoint-dir results/checkpoints/train_class_ldm --out results/generators/class-ldm
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.json_files import read_json
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.study.search_space import SCORED, with_values
from scripts.lib.training.identity import resume_identity
from scripts.lib.training.options import add_training


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--autoencoder", type=Path, required=True, help="folder of train_class_autoencoder")
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort with labels and a generator split")
    parser.add_argument("--target", nargs="+", required=True, help="labels that are classes, beside normal")
    add_config(parser, "the model (section class_ldm)")
    parser.add_argument(
        "--best", type=Path, help="what a search found best (best.json); its values replace those of --config"
    )
    add_training(parser, "the generator")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.cohort.learned import films_learned, inherited, write_learned
        from scripts.lib.cohort.store import Cohort
        from scripts.lib.generators.conditional.films import class_films
        from scripts.lib.generators.conditional.folder import open_autoencoder, write_model
        from scripts.lib.generators.conditional.training import Autoencoder, train_unet
        from scripts.lib.training.checkpoints import Checkpoints, publish
        from scripts.lib.training.devices import place
        from scripts.lib.training.settings import Section

    chosen = read_json(args.best, "what a search found")["values"] if args.best else {}
    settings = Section(with_values(args.config, chosen), "class_ldm")
    placement = place(settings, shared=True)
    cohort = Cohort.open(args.cohort)
    films, rows, content = class_films(cohort, args.target, "generator")
    network, form, coder = open_autoencoder(args.autoencoder)
    identity = resume_identity("train_class_ldm", settings, coder, content, args.seed)
    checkpoints = Checkpoints(args.checkpoint_dir, identity, settings["checkpoint_seconds"])
    latents = Autoencoder.of(network.to(placement.device), form, films.images)
    model = train_unet(films, latents, settings, args.seed, placement, checkpoints)
    with publish(args.out, placement, checkpoints) as folder:
        if folder:
            write_model(folder, model, films.names, cohort.resolution)
            chose = [films_learned(cohort, cohort.rows(split=SCORED), "search")] if args.best else []
            behind = inherited(args.autoencoder, "class-autoencoder")
            write_learned(folder, [behind, films_learned(cohort, rows, "class-ldm"), *chose])


if __name__ == "__main__":
    run(main)
