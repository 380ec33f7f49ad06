"""Train the U-Net of one proposal of a search and score it by the KID of its images to films of split validate.

A training or a sampling that does not stay finite is a score with the state `fail`: the search goes on without it.

    python -m scripts.train_proposal --proposal results/search/round-0/proposal-0.json \\
        --autoencoder results/generators/class-autoencoder --cohort results/children/cohort --target pneumonia \\
        --config proposal.json --seed 1 --checkpoint-dir results/checkpoints/train_proposal/0-0 \\
        --out results/search/round-0/score-0.json
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json
from scripts.lib.core.log import log
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.study.config import to_json
from scripts.lib.study.search_space import shortened, with_values
from scripts.lib.training.identity import resume_identity
from scripts.lib.training.options import add_training


def main(argv: list[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.cohort.store import Cohort
        from scripts.lib.generators.conditional.films import class_films
        from scripts.lib.generators.conditional.folder import open_autoencoder
        from scripts.lib.generators.conditional.training import Autoencoder, train_unet
        from scripts.lib.search.objective import kid_of
        from scripts.lib.search.rounds import COMPLETE, FAIL, Proposal, Score
        from scripts.lib.training.checkpoints import Checkpoints
        from scripts.lib.training.devices import place
        from scripts.lib.training.settings import Section

    proposal = Proposal(**read_json(args.proposal, "a proposal of a search"))
    search = args.config["search"]
    proposed = with_values(args.config["class_ldm"], proposal.values)
    settings = Section({**proposed, "unet": shortened(proposed["unet"], search["steps"])}, "class_ldm")
    sampling = Section(args.config["sampling"], "sampling")
    placement = place(settings)
    films, _, content = class_films(Cohort.open(args.cohort), args.target, "generator")
    network, form, coder = open_autoencoder(args.autoencoder)
    latents = Autoencoder.of(network.to(placement.device), form, films.images)
    identity = resume_identity("train_proposal", settings, coder, content, args.seed)
    checkpoints = Checkpoints(args.checkpoint_dir, identity, settings["checkpoint_seconds"])
    about: dict[str, Any] = {"number": proposal.number, "round": proposal.round, "values": proposal.values}
    try:
        parts = train_unet(films, latents, settings, args.seed, placement, checkpoints)
        value = kid_of(parts, films.names, args.cohort, sampling, search, args.seed, placement)
        score = Score(**about, state=COMPLETE, score=value)
    except InputError as error:
        if "the loss is" not in str(error) and "not finite" not in str(error):
            raise
        log(f"proposal {proposal.number} failed: {error}")
        score = Score(**about, state=FAIL, score=None, note=str(error))
    with atomic_file(args.out) as path:
        path.write_text(to_json(score.as_dict()) + "\n")
    checkpoints.clear()


def _parser() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--proposal", type=Path, required=True, help="settings to try (.json)")
    parser.add_argument("--autoencoder", type=Path, required=True, help="folder of train_class_autoencoder")
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort with labels and a generator split")
    parser.add_argument("--target", nargs="+", required=True, help="labels that are classes, beside normal")
    add_config(parser, "sections class_ldm, sampling and search (with nearest and batch_size of fidelity)")
    add_training(parser, "nothing; here the file of the score (.json)")
    return parser


if __name__ == "__main__":
    run(main)
