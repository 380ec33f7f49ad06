"""Let the expert on looks score a pool: how near its images lie to real films, beside held-out films and damaged ones.

    python -m scripts.score_realism --pool results/rsna/pools/mine/fraction-0.1/shard-0 --pool-features random-0.npy \\
        --cohort results/mimic/cohort --cohort-features results/mimic/features/random.npy --split train --network random \\
        --config '{"nearest": 5, "batch_size": 64, "device": "cpu", "precision": "fp32"}' --out expert-realism.parquet \\
        --out-films films-realism.parquet
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the pool, in order")
    parser.add_argument("--pool-features", type=Path, nargs="+", required=True, help="features of the shards (.npy)")
    parser.add_argument("--cohort", type=Path, required=True, help="cohort of real films")
    parser.add_argument("--cohort-features", type=Path, required=True, help="features of its films (.npy)")
    parser.add_argument("--split", required=True, help="split whose films are compared; never test")
    parser.add_argument("--network", required=True, help="NAME or NAME:PATH of the features")
    parser.add_argument("--proxy", default="", help="the proxy model, for the network proxy")
    add_config(parser, "section fidelity")
    parser.add_argument("--out", type=Path, required=True, help="what it says of the images (.parquet)")
    parser.add_argument("--out-films", type=Path, required=True, help="what it says of real films (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)
    if args.split == "test":
        raise InputError("--split: trials are tested on films of split test; name another")
    if len(args.pool) != len(args.pool_features):
        raise InputError(f"--pool-features: {len(args.pool_features)} files for {len(args.pool)} shards; give one for each")  # fmt: skip
    name, _, path = args.network.partition(":")
    if name == "folder":
        raise InputError("--network: folder: realism must compute features of damaged films, which no folder holds; set memorisation.features to random, or take realism out of experts.names")  # fmt: skip

    import numpy as np

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.fidelity.networks import open_extractor
        from scripts.lib.fidelity.realism import score_realism
        from scripts.lib.training.devices import place
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "fidelity")
    size = settings["batch_size"]
    extractor = open_extractor(name, args.proxy if name == "proxy" else path, place(settings), size)

    def features_of(images: np.ndarray) -> np.ndarray:
        return np.concatenate([extractor(images[start : start + size]) for start in range(0, len(images), size)])

    own, films = (args.pool, args.pool_features), (args.cohort, args.cohort_features)
    images, real = score_realism(own, films, args.split, features_of, settings["nearest"])
    for table, out in ((images, args.out), (real, args.out_films)):
        with atomic_file(out) as temporary:
            table.to_parquet(temporary, index=False)


if __name__ == "__main__":
    run(main)
