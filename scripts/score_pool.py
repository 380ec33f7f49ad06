"""Score every film of one shard of a pool with the proxy model: how well it matches the text of its own label.

    python -m scripts.score_pool --model results/proxy/model \\
        --pool results/chexpert/pools/proxy-filtered/fraction-0.01/shard-0 --config proxy.json \\
        --out results/chexpert/pools/proxy-filtered/fraction-0.01/scores-0.parquet
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--model", required=True, help="folder in open_clip's layout, or hf-hub: and a cached id")
    parser.add_argument("--pool", type=Path, required=True, help="shard of a pool")
    add_config(parser, "scoring (section proxy, with prompts)")
    parser.add_argument("--out", type=Path, required=True, help="scores (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.filters.proxy.model import open_proxy
    from scripts.lib.filters.proxy.scoring import score_pool
    from scripts.lib.training.devices import place
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "proxy")
    proxy = open_proxy(args.model, place(settings), settings["batch_size"])
    scores = score_pool(proxy, Cohort.open(args.pool), settings["prompts"], settings["templates"])
    with atomic_file(args.out) as path:
        scores.to_parquet(path, index=False)


if __name__ == "__main__":
    run(main)
