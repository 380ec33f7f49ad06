"""Propose the settings of one round of a search, given the scores of all earlier rounds: one JSON file a proposal.

    python -m scripts.propose_round --round 1 --scores results/search/round-0/score-0.json results/search/round-0/score-1.json \\
        --config search.json --seed 1 --out results/search/round-1/proposal-0.json results/search/round-1/proposal-1.json
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import add_config, make_parser, run
from scripts.lib.study.config import to_json


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--round", type=int, required=True, help="number of the round, from 0")
    parser.add_argument("--scores", type=Path, nargs="*", default=[], help="scores of all earlier rounds")
    add_config(parser, "section search, with `defaults` of the keys of its space")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out", type=Path, nargs="+", required=True, help="proposals, in order (.json)")
    args = parser.parse_args(argv)
    if len(args.out) != args.config["proposals"]:
        raise InputError(f"--out: {len(args.out)} files for {args.config['proposals']} proposals; give one for each")

    from scripts.lib.search.rounds import propose
    from scripts.lib.search.tables import read_scores

    proposals = propose(read_scores(args.scores), args.config, args.round, args.seed)
    for proposal, out in zip(proposals, args.out):
        with atomic_file(out) as path:
            path.write_text(to_json(proposal.as_dict()) + "\n")


if __name__ == "__main__":
    run(main)
