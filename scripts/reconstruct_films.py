"""Send real training films through the autoencoder of the foundation model; the result has the form of a pool.

    python -m scripts.reconstruct_films --generator results/generators/base --cohort results/rsna/cohort \\
        --subsets results/rsna/subsets.parquet --fraction 0.1 --config sampling.json \\
        --out results/rsna/pools/reconstructed/reconstructed

Finished batches are kept below results/checkpoints until all are written, so a killed command goes on.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.seeds import content_hash
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.training.identity import resume_identity

CHECKPOINTS = Path("results/checkpoints/reconstruct_films")


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--generator", type=Path, required=True, help="folder of the foundation model")
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort")
    parser.add_argument("--subsets", type=Path, required=True, help="subsets table of that cohort (.parquet)")
    parser.add_argument("--fraction", type=float, required=True, help="largest fraction whose films are wanted")
    add_config(parser, "device, precision and micro_batch of the section sampling")
    parser.add_argument("--checkpoint-dir", type=Path, help=f"folder of finished batches (default below {CHECKPOINTS})")
    parser.add_argument("--out", type=Path, required=True, help="folder of the store")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd
    import torch

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.generators.controlled.generator import open_generator
        from scripts.lib.generators.shards import Parts
        from scripts.lib.pools.reconstruction import make_films, wanted_rows, write_films
        from scripts.lib.training.devices import place
        from scripts.lib.training.settings import Section

    cohort = Cohort.open(args.cohort)
    rows = wanted_rows(cohort.index, pd.read_parquet(args.subsets), args.fraction)
    settings, generator = Section(args.config, "sampling"), open_generator(args.generator)
    placement = place(settings)
    vae = torch.nn.Module.to(generator.vae, placement.device, placement.dtype).requires_grad_(False)
    films = cohort.index["sha256"].iloc[rows]
    identity = resume_identity("reconstruct_films", args.config, generator.fingerprint, *films)
    parts = Parts(args.checkpoint_dir or CHECKPOINTS / content_hash(args.out), identity)
    notes = {"dataset": cohort.meta.get("dataset"), "generator": generator.fingerprint, "source": "reconstructed"}
    batch = settings["micro_batch"]
    write_films(args.out, cohort, make_films(cohort, rows, vae, generator.resolution, placement, batch, parts), notes)
    parts.clear()


if __name__ == "__main__":
    run(main)
