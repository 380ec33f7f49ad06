"""Hold a pool of masks against real masks that their generator never saw: a table with floors, and a picture.

    python -m scripts.measure_masks --pool shard-0 shard-1 --cohort results/chestxdet/cohort --generator results/generators/masks \\
        --config measure.json --seed 1 --out masks.csv --picture masks.png
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    """Write table and picture."""
    args = _parser().parse_args(argv)
    set_threads(args.threads)

    import json

    import numpy as np

    from scripts.lib.cohort.learned import read_learned
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.conditions.mask_table import annotated_rows
    from scripts.lib.core.json_files import read_json
    from scripts.lib.fidelity.mask_measures import FIRST, MaskSet, held_out, measure_masks
    from scripts.lib.plotting.masks import draw_masks

    pool, cohort = Cohort.open(args.pool), Cohort.open(args.cohort)
    if pool.meta.get("kind") != "masks":
        raise InputError(
            f"{args.pool[0]}: not a pool of masks (cohort.json has no kind: masks); expected shards of sample_masks"
        )
    learned_list = read_learned(args.generator)
    if learned_list is None:
        raise InputError(f"{args.generator}: no list of what it learned from; train this mask generator anew")
    learned, unseen = held_out(cohort, learned_list)
    chosen = np.sort(np.random.default_rng(args.seed).permutation(len(pool))[: args.config["largest"]])
    index = pool.index.iloc[chosen]
    asks = [json.loads(text) for text in index["ask"]]
    names = index["image_id"].astype(str).to_numpy()
    notes = read_json(args.generator / "synthorax.json", "the notes of a mask generator")
    made = MaskSet(pool.masks(chosen), asks, names, pool.structures, notes["least"])
    rows = annotated_rows(cohort, unseen)
    patients = cohort.index["patient_id"].astype(str).to_numpy()[rows]
    real = MaskSet(cohort.masks(rows), [], patients, cohort.structures, notes["least"])
    real.asks = list(real.shown)
    known = cohort.masks(annotated_rows(cohort, learned))
    table = measure_masks(made, real, known, notes["limits"], index[list(FIRST)], args.seed, args.config["draws"])
    with atomic_file(args.out) as path:
        table.to_csv(path, index=False, lineterminator="\n", float_format="%.6g")
    with atomic_file(args.picture) as path:
        draw_masks(path, made, real)


def _parser() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the mask pool, in order")
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort that the generator learned from")
    parser.add_argument("--generator", type=Path, required=True, help="folder of the mask generator")
    add_config(parser, "the measures (section masks.measure)")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out", type=Path, required=True, help="table (.csv)")
    parser.add_argument("--picture", type=Path, required=True, help="picture (.png)")
    return parser


if __name__ == "__main__":
    run(main)
