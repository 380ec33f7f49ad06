"""Ask the proxy model for every label of every image: as an expert it votes on images with several labels, too.

    python -m scripts.ask_proxy --model local-dir:results/proxy/model --store results/rsna/pools/mine/fraction-0.1/shard-0 \\
        --labels pneumonia edema --config proxy.json --out expert-proxy.parquet
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--model", required=True, help="folder in open_clip's layout, or hf-hub: and a cached id")
    parser.add_argument("--store", type=Path, nargs="+", required=True, help="shards of a pool, or a cohort")
    parser.add_argument("--split", default="", help="split of the cohort; left out = all")
    parser.add_argument("--labels", nargs="+", required=True, help="labels that it is asked for")
    add_config(parser, "scoring (section proxy, with prompts)")
    parser.add_argument("--out", type=Path, required=True, help="what it says of each image (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import numpy as np

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.filters.proxy.asking import ask
    from scripts.lib.filters.proxy.model import open_proxy
    from scripts.lib.training.devices import place
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "proxy")
    store = Cohort.open(args.store)
    rows = store.rows(split=args.split) if args.split else np.arange(len(store))
    if not len(rows):
        raise InputError(f"{args.store[0]}: no film of split {args.split}; correct proxy.validation.split")
    proxy = open_proxy(args.model, place(settings), settings["batch_size"])
    table = ask(proxy, store, rows, args.labels, settings)
    with atomic_file(args.out) as path:
        table.to_parquet(path, index=False)


if __name__ == "__main__":
    run(main)
