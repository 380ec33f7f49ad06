"""Compute the features of every image of a cohort, or of one shard of a pool: one .npy file for each network.

    python -m scripts.extract_features --store results/rsna/cohort --name rsna/cohort --networks pixels random \\
        --config '{"batch_size": 64, "device": "auto", "precision": "auto"}' \\
        --out results/rsna/features/pixels.npy results/rsna/features/random.npy

A network is pixels, random, proxy (with --proxy), folder:PATH, inception:PATH or rad-dino:PATH. A folder holds features that
somebody computed: PATH/NAME.npy, one row an image in index order.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--store", type=Path, required=True, help="cohort folder, or shard of a pool")
    parser.add_argument("--name", required=True, help="name of the store in a folder of given features")
    parser.add_argument("--networks", nargs="+", required=True, help="NAME or NAME:PATH, in the order of --out")
    parser.add_argument("--proxy", default="", help="the proxy model, for the network proxy")
    add_config(parser, "section fidelity")
    parser.add_argument("--out", type=Path, nargs="+", required=True, help="features (.npy), one for each network")
    args = parser.parse_args(argv)
    set_threads(args.threads)
    if len(args.networks) != len(args.out):
        raise InputError(f"--out: {len(args.out)} files for {len(args.networks)} networks; give one for each")

    import numpy as np

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.fidelity.features import extract, given
        from scripts.lib.fidelity.networks import open_extractor
        from scripts.lib.training.devices import place
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "fidelity")
    cohort = Cohort.open(args.store, ["image_id"])
    for text, out in zip(args.networks, args.out):
        name, _, path = text.partition(":")
        if name == "folder":
            features = given(Path(path), args.name, cohort)
        else:
            path = args.proxy if name == "proxy" else path
            features = extract(cohort, open_extractor(name, path, place(settings), settings["batch_size"]))
        with atomic_file(out) as temporary, temporary.open("wb") as stream:
            np.save(stream, features, allow_pickle=False)


if __name__ == "__main__":
    run(main)
