"""Train the embedded study's proxy model on films and their reports: a small CLIP in open_clip's layout.

Learns from the rows of split train or generator. Killed at any moment, a second run goes on from the last checkpoint
and ends with the same weights.

    python -m scripts.train_proxy --cohorts results/mimic/cohort --config proxy.json --resolution 64 --seed 1 \\
        --checkpoint-dir results/checkpoints/train_proxy --out results/proxy/model
"""

from __future__ import annotations

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.training.identity import resume_identity
from scripts.lib.training.options import add_foundation, add_training


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_foundation(parser)
    add_config(parser, "the proxy model (section proxy)")
    add_training(parser, "the model")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.learned import write_learned
    from scripts.lib.filters.proxy.small import train_clip, write_clip
    from scripts.lib.training.checkpoints import Checkpoints, publish
    from scripts.lib.training.devices import place
    from scripts.lib.training.films import foundation_films, foundation_learned
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "proxy")
    placement = place(settings, shared=True)
    films = foundation_films(args.cohorts, args.resolution, args.templates)
    own = settings["train"]
    identity = resume_identity(
        "train_proxy",
        own,
        settings["precision"],
        films.content,
        args.seed,
    )
    checkpoints = Checkpoints(args.checkpoint_dir, identity, own["checkpoint_seconds"])
    small = train_clip(films, own, args.seed, placement, checkpoints)
    with publish(args.out, placement, checkpoints) as folder:
        if folder:
            write_clip(folder, small)
            write_learned(folder, foundation_learned(args.cohorts, "proxy"))


if __name__ == "__main__":
    run(main)
