"""Decode a raw dataset into a cohort: 8-bit images, mask bit fields, one index row an image, and the quarantine.

    python -m scripts.prepare_cohort --dataset rsna --config '{"format": "rsna", "labels": ["pneumonia"],
        "split": {"test": 4800}}' --root /data/RSNA_Pneumonia --resolution 64 --seed 1 --out results/rsna/cohort

Films that cannot be decoded are listed in quarantine.tsv with their reason; above `quarantine_limit` the command stops.
"""

from __future__ import annotations

import logging
from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, progress, run, set_threads


def main(argv: list[str] | None = None) -> None:
    """Prepare one dataset."""
    parser = make_parser(__doc__)
    add_config(parser, "the dataset")
    parser.add_argument("--dataset", required=True, help="name of the dataset in the study")
    parser.add_argument("--root", type=Path, required=True, help="folder of the raw dataset")
    parser.add_argument("--resolution", type=int, required=True, help="side of the prepared images in pixels")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--decoded", type=Path, help="the same cohort under another seed: take over its films")
    parser.add_argument("--out", type=Path, required=True, help="folder of the cohort")
    options = parser.parse_args(argv)
    set_threads(1)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    from scripts.lib.cohort.prepare import prepare_cohort
    from scripts.lib.cohort.resplit import split_anew

    if options.decoded:
        if split_anew(options.decoded, options.config, options.resolution, options.seed, options.out):
            return
        logging.info("%s: its splits do not follow from its index; the films are decoded again", options.decoded)
    prepare_cohort(
        options.dataset,
        options.config,
        options.root,
        options.resolution,
        options.seed,
        options.out,
        options.threads,
        track=lambda films, total: progress(films, total, options.dataset),
    )


if __name__ == "__main__":
    run(main)
