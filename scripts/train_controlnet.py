"""Train a ControlNet on the masks of a cohort's generator split, with the foundation model frozen and text absent.

The result refers to the foundation model by links and opens with diffusers' StableDiffusionControlNetPipeline. Under
`accelerate launch -m scripts.train_controlnet ...` several GPUs share each step.

    python -m scripts.train_controlnet --base results/generators/base --cohort results/candid/cohort \\
        --config controlnet.json --seed 1 --checkpoint-dir results/checkpoints/train_controlnet \\
        --out results/generators/controlnet
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.training.identity import resume_identity
from scripts.lib.training.options import add_training


def main(argv: list[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.cohort.learned import films_learned, inherited, write_learned
        from scripts.lib.cohort.store import Cohort
        from scripts.lib.conditions.mask_words import mask_words
        from scripts.lib.generators.controlled.control_training import train_control, write_generator
        from scripts.lib.generators.controlled.generator import open_generator
        from scripts.lib.training.checkpoints import Checkpoints, publish
        from scripts.lib.training.devices import place
        from scripts.lib.training.films import masked_rows
        from scripts.lib.training.settings import Section

        settings = Section(args.config, "controlnet")
        placement = place(settings, shared=True)
        cohort = Cohort.open(args.cohort)
        rows, content = masked_rows(cohort)
        words = mask_words(cohort, rows) if args.words else None
        base = open_generator(args.base)
        identity = resume_identity(
            "train_controlnet", args.config, base.fingerprint, content, args.seed, *(words or [])
        )
        checkpoints = Checkpoints(args.checkpoint_dir, identity, settings["checkpoint_seconds"])
        controlnet = train_control(base, cohort, rows, settings, args.seed, placement, checkpoints, words)
        with publish(args.out, placement, checkpoints) as folder:
            if folder:
                write_generator(
                    folder,
                    args.out,
                    args.base,
                    base,
                    {"controlnet": controlnet},
                    kind="controlnet",
                    structures=list(cohort.structures),
                    palette=settings["palette"],
                    absent_mask=settings["absent_mask"],
                )
                write_learned(folder, [inherited(args.base, "base"), films_learned(cohort, rows, "controlnet")])


def _parser() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--base", type=Path, required=True, help="foundation model in diffusers' layout")
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort with masks and a generator split")
    add_config(parser, "the ControlNet (section controlnet)")
    parser.add_argument("--words", action="store_true", help="tell it in words what each mask shows; left out, no text")
    add_training(parser, "the generator")
    return parser


if __name__ == "__main__":
    run(main)
