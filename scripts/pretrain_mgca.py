"""Pre-train MGCA on films and their reports: an image encoder for the trials, and the text encoder it was aligned with.

Learns from the rows of split train or generator that have a report; rows of split validate measure it. Killed at any
moment, a second run goes on from the last checkpoint and ends with the same weights.

    python -m scripts.pretrain_mgca --cohorts results/mimic/cohort --config mgca.json --resolution 64 --seed 1 \\
        --checkpoint-dir results/checkpoints/pretrain_mgca --out results/encoders/mgca
"""

from __future__ import annotations

from scripts.lib.core.seeds import content_hash
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.training.identity import resume_identity
from scripts.lib.training.options import add_foundation, add_training


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_foundation(parser)
    add_config(parser, "the pre-training (section mgca)")
    add_training(parser, "the encoders")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.cohort.learned import films_learned, write_learned
        from scripts.lib.mgca.pairs import check_pairs, read_pairs
        from scripts.lib.mgca.pretraining import first_learned, first_weights, train_mgca, validate, write_mgca
        from scripts.lib.training.checkpoints import Checkpoints, publish
        from scripts.lib.training.devices import place
        from scripts.lib.training.settings import Section

        settings = Section(args.config, "mgca")
        placement = place(settings, shared=True)
        pairs = read_pairs(args.cohorts, None, settings, args.resolution)
        check_pairs(pairs, args.cohorts)
        held_out = read_pairs(args.cohorts, "validate", settings, args.resolution)
        data = content_hash(pairs.content, first_weights(settings))
        identity = resume_identity("pretrain_mgca", args.config, data, args.seed)
        checkpoints = Checkpoints(args.checkpoint_dir, identity, settings["checkpoint_seconds"])
        model, tokenizer = train_mgca(pairs, settings, args.resolution, args.seed, placement, checkpoints)
        with publish(args.out, placement, checkpoints) as folder:
            if folder:
                notes = {
                    "resolution": args.resolution,
                    "seed": args.seed,
                    "films": len(pairs),
                    "films_without_report": pairs.silent,
                    "reports": len(set(pairs.captions)),
                    "validation": validate(model, held_out, tokenizer, args.resolution),
                }
                write_mgca(folder, model, tokenizer, notes)
                films = [films_learned(cohort, rows, "mgca") for cohort, rows in pairs.parts]
                write_learned(folder, [*first_learned(settings), *films])


if __name__ == "__main__":
    run(main)
