"""Which models a film is drawn with, as the commands that draw one take them."""

from __future__ import annotations

import argparse
from pathlib import Path

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import GENERATORS
from scripts.lib.study.config import ROOT

GENERATOR = "controlnet-findings"  # that of AURAD's arms
STUDY = ROOT / "studies" / "aurad-phantom.yaml"


def add_models(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the models lie, and of which study they are."""
    parser.add_argument("--results", type=Path, default=Path("results"), help="results of a study (default results)")
    parser.add_argument(
        "--generator",
        default=GENERATOR,
        help=f"generator of the images, below results/generators (default {GENERATOR})",
    )
    parser.add_argument(
        "--study", type=Path, nargs="*", default=[STUDY],
        help="overlays of the study that made the results, for its settings (default studies/aurad-phantom.yaml)",
    )  # fmt: skip


def takes_words(generator: str) -> bool:
    """Whether a generator of images is told in words what a mask shows; one that no study trains is not."""
    return generator in GENERATORS and GENERATORS[generator].words


def check_models(args: argparse.Namespace) -> tuple[Path, Path]:
    """Return the folders of the mask generator and of the generator of images; raises InputError where one is not there."""
    masks, generator = args.results / "generators" / "masks", args.results / "generators" / args.generator
    for path, rule in ((masks, "make masks"), (generator, "make figure5")):
        if not (path / "synthorax.json").is_file():
            raise InputError(f"{path}: no model there; make it with {rule}, or give --results")
    return masks, generator
