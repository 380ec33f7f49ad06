"""Write what a search found: every proposal with its score, the best one, and how much each key matters.

    python -m scripts.summarize_search --scores results/search/round-0/score-0.json ... --config search.json --seed 1 \\
        --out-history results/search/history.csv --out-best results/search/best.json --out-importance results/search/importance.csv
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run
from scripts.lib.study.config import to_json


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--scores", type=Path, nargs="+", required=True, help="scores of all rounds (.json)")
    add_config(parser, "section search, with `defaults` of the keys of its space")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out-history", type=Path, required=True, help="table of all proposals (.csv)")
    parser.add_argument("--out-best", type=Path, required=True, help="the best proposal (.json)")
    parser.add_argument("--out-importance", type=Path, required=True, help="table of the keys (.csv)")
    args = parser.parse_args(argv)

    from scripts.lib.core.seeds import derive_seed
    from scripts.lib.evidence.tables import write_table
    from scripts.lib.search.tables import best_file, history, importance, read_scores

    scores = read_scores(args.scores)
    best = best_file(scores)
    with atomic_file(args.out_best) as path:
        path.write_text(to_json(best) + "\n")
    shares = importance(scores, args.config, derive_seed(args.seed, "search", "importance"))
    for table, out in ((history(scores), args.out_history), (shares, args.out_importance)):
        with atomic_file(out) as path:
            write_table(table, path)


if __name__ == "__main__":
    run(main)
