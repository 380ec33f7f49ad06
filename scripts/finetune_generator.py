"""Train a generator further on the images that a proxy model kept; the result is a generator like any other.

    python -m scripts.finetune_generator --generator results/generators/controlnet \\
        --pool results/chexpert/pools/proxy-filtered/fraction-0.01/shard-0 \\
        --kept results/chexpert/pools/proxy-filtered/fraction-0.01/kept.parquet --config finetune.json --seed 1 \\
        --checkpoint-dir results/checkpoints/finetune_generator --out results/generators/proxy-tuned
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.training.identity import resume_identity
from scripts.lib.training.options import add_training, refuse_same


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--generator", type=Path, required=True, help="generator in diffusers' layout")
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shard folders of the pool, in order")
    parser.add_argument("--kept", type=Path, required=True, help="what was kept of it (.parquet)")
    parser.add_argument("--learned", type=Path, help="list of the films behind the choice; left out = not known")
    parser.add_argument("--conditions", type=Path, help="what the pool was made from (.parquet); left out = not known")
    parser.add_argument("--cohort", type=Path, help="cohort of the masks in the conditions")
    add_config(parser, "the fine-tuning (section finetune)")
    add_training(parser, "the new generator")
    args = parser.parse_args(argv)
    set_threads(args.threads)
    refuse_same(args.generator, args.out)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        tune_generator(args)


def tune_generator(args: Namespace) -> None:
    """Fine-tune the generator on the images that were kept, and publish it."""
    from scripts.lib.cohort.learned import inherited, not_known, write_learned
    from scripts.lib.filters.kept_view import masks_behind, open_kept
    from scripts.lib.generators.controlled.absence import tuned_absence
    from scripts.lib.generators.controlled.control_training import write_generator
    from scripts.lib.generators.controlled.finetuning import examples_of, finetune
    from scripts.lib.generators.controlled.generator import open_generator
    from scripts.lib.training.checkpoints import Checkpoints, publish
    from scripts.lib.training.devices import place
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "finetune")
    placement = place(settings, shared=True)
    generator = open_generator(args.generator)
    chosen = open_kept(args.pool, args.kept)
    identity = resume_identity(
        "finetune_generator",
        args.config,
        generator.fingerprint,
        *chosen.index["sha256"],
        *chosen.index["report"].fillna(""),
        args.seed,
    )
    checkpoints = Checkpoints(args.checkpoint_dir, identity, settings["checkpoint_seconds"])
    examples = examples_of(chosen, generator.resolution)
    own = finetune(generator, examples, chosen.structures, settings, args.seed, placement, checkpoints)
    notes = {key: generator.notes[key] for key in ("structures", "palette")}
    notes |= {"absent_mask": tuned_absence(generator.notes, settings["trains"]), "lineage": generator.lineage}
    with publish(args.out, placement, checkpoints) as folder:
        if folder:
            write_generator(folder, args.out, args.generator, generator, own, kind="proxy-tuned", **notes)
            choice = inherited(args.learned, "proxy") if args.learned else not_known("proxy")
            masks = masks_behind(chosen, args.conditions, args.cohort)
            write_learned(folder, [inherited(args.generator, "base"), choice, masks])


if __name__ == "__main__":
    run(main)
