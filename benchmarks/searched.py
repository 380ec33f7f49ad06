"""Does a search pay? The best settings that it found against those of the configuration, at full length, under several seeds.

Both are trained on the films of split `generator` and make an image for each film of splits that neither the generator nor the
search has seen. Under one seed both have the same first weights, batches and noise. Needs the autoencoder, the cohort and
best.json of a study whose search has run.

With --best FILE other settings take the place of what a search found: {"values": {"class_ldm.unet.matrices": "adamw"}}.

    make search DIR=DIR
    python -m benchmarks.searched --results DIR/results --study studies/paediatric-phantom.yaml --seeds 11 12 13 --out pays.csv
"""

from __future__ import annotations

import tempfile
import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.core.json_files import read_json
from scripts.lib.core.seeds import content_hash
from scripts.lib.engine.commands import make_parser, run, set_threads
from scripts.lib.evidence.tables import write_table
from scripts.lib.study.config import CONFIG_FILE, load_study, to_json
from scripts.lib.study.search_space import Search, with_values
from scripts.lib.study.study import Study

HELD_OUT = ["train", "test"]  # `validate` chose, `generator` taught
DEFAULT, BEST = "default", "best"
# of: hash of the settings themselves
COLUMNS = ["seed", "settings", "of", "steps", "kid", "low", "high", "processor_seconds"]


def paired(table: pd.DataFrame) -> str:
    """Return the mean of best - default over seeds with its standard error, from a table of seed, settings and kid."""
    both = table.pivot(index="seed", columns="settings", values="kid").dropna()
    apart = (both[BEST] - both[DEFAULT]).to_numpy()
    error = apart.std(ddof=1) / len(apart) ** 0.5 if len(apart) > 1 else float("nan")
    return f"best - default: {apart.mean():.4f} +- {error:.4f}; lower in {(apart < 0).sum()} of {len(apart)}"


def current(table: pd.DataFrame, seed: int, name: str, of: str) -> pd.DataFrame:
    """Return the table without a row of this seed and name that was made with other settings: of another search, or other steps."""
    return table[(table["seed"] != seed) | (table["settings"] != name) | (table["of"] == of)]


def kid_at(
    options: Namespace, section: Mapping[str, Any], config: Mapping[str, Any], target: list[str], seed: int
) -> Any:
    """Train a U-Net with these settings (section class_ldm) and return the KID of its images to held-out films."""
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.generators.conditional.films import class_films
    from scripts.lib.generators.conditional.folder import open_autoencoder
    from scripts.lib.generators.conditional.training import Autoencoder, train_unet
    from scripts.lib.search.objective import compare_images
    from scripts.lib.training.checkpoints import Checkpoints
    from scripts.lib.training.devices import place
    from scripts.lib.training.settings import Section

    settings, sampling = Section(section, "class_ldm"), Section(config["sampling"], "sampling")
    placement = place(settings)
    cohort = options.results / config["study"]["generator_dataset"] / "cohort"
    films, _, _ = class_films(Cohort.open(cohort), target, "generator")
    network, form, _ = open_autoencoder(options.results / "generators" / "class-autoencoder")
    latents = Autoencoder.of(network.to(placement.device), form, films.images)
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder) / "c", "searched", settings["checkpoint_seconds"])
        parts = train_unet(films, latents, settings, seed, placement, checkpoints)
    measured = {**config["fidelity"], "images": options.images}
    return compare_images(parts, films.names, cohort, HELD_OUT, sampling, measured, seed, placement)


def kid_of_autoencoder(options: Namespace, config: Mapping[str, Any]) -> Any:
    """Return the KID of held-out films that went through the autoencoder to other held-out films: what no U-Net can mend."""
    import torch

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.fidelity.chosen import choose, halves, rows_of_splits
    from scripts.lib.fidelity.distances import Rows, between, within
    from scripts.lib.fidelity.features import extract
    from scripts.lib.fidelity.networks import open_extractor
    from scripts.lib.fidelity.whole import Scale
    from scripts.lib.generators.conditional.folder import open_autoencoder
    from scripts.lib.generators.conditional.training import encode_films
    from scripts.lib.generators.solving import to_pixels
    from scripts.lib.training.devices import place
    from scripts.lib.training.settings import Section

    folder = options.results / config["study"]["generator_dataset"] / "cohort"
    cohort, nearest, size = Cohort.open(folder), config["fidelity"]["nearest"], config["fidelity"]["batch_size"]
    extractor = open_extractor("random", "", place(Section(config["class_ldm"], "class_ldm")), size)
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "films.npy"
        np.save(file, extract(cohort, extractor))
        chosen = choose([folder], [file], [], [rows_of_splits(folder, HELD_OUT)], options.images)
        films, others = halves(chosen)
        real = others.features([file])
    network, _, _ = open_autoencoder(options.results / "generators" / "class-autoencoder")
    parts = []
    with torch.inference_mode():
        for start in range(0, len(films), size):
            means = encode_films(network, cohort.images(films.row[start : start + size])).chunk(2, dim=1)[0]
            parts.append(extractor(to_pixels(network.decode(means))))
    scale = Scale.of(real)
    both = [
        Rows.of(scale.whole(part)[0], side.groups) for part, side in ((np.concatenate(parts), films), (real, others))
    ]
    own = [within(one, scale, nearest) for one in both]
    return between(both[0], both[1], own[0], own[1], scale, nearest)["kid"]


def measure(options: Namespace) -> None:
    """Write a row for each seed and settings, those that are missing in the table, and print the difference."""
    study = Study(load_study([CONFIG_FILE, options.study]))
    coder = kid_of_autoencoder(options, study.config)
    print(f"films through the autoencoder: KID {coder.value:.4f} ({coder.low:.4f} to {coder.high:.4f})", flush=True)
    if not options.seeds:
        return
    found = read_json(options.best or options.results / "search" / "best.json", "what a search found")
    own = Search(study).proposal_settings()["class_ldm"]
    own["unet"]["steps"] = options.steps or own["unet"]["steps"]
    variants = {DEFAULT: own, BEST: with_values(own, found["values"])}
    table = pd.read_csv(options.out).reindex(columns=COLUMNS) if options.out.exists() else pd.DataFrame(columns=COLUMNS)
    for seed in options.seeds:
        for name, section in variants.items():
            of = content_hash(to_json(section))
            table = current(table, seed, name, of)
            if ((table["seed"] == seed) & (table["settings"] == name)).any():
                continue
            before = time.process_time()
            kid = kid_at(options, section, study.config, study.generator_target(), seed)
            spent = round(time.process_time() - before)
            row = [seed, name, of, section["unet"]["steps"], kid.value, kid.low, kid.high, spent]
            table = pd.DataFrame([*table.to_numpy().tolist(), row], columns=COLUMNS)
            write_table(table, options.out)
    print(table.to_string(index=False))
    print(paired(table))


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--results", type=Path, required=True, help="results of a study whose search has run")
    parser.add_argument("--study", type=Path, required=True, help="its overlay")
    parser.add_argument(
        "--seeds", type=int, nargs="*", default=[11, 12, 13], help="of trainings and noise; none: the autoencoder alone"
    )
    parser.add_argument(
        "--best", type=Path, help="other values, in the form of best.json (default: RESULTS/search/best.json)"
    )
    parser.add_argument("--steps", type=int, help="steps of the U-Net in place of class_ldm.unet.steps")
    parser.add_argument(
        "--out", type=Path, default=Path("searched.csv"), help="table; rows that it has are not made again"
    )
    parser.add_argument("--images", type=int, default=1000, help="most images, and films")
    options = parser.parse_args(argv)
    set_threads(options.threads)
    measure(options)


if __name__ == "__main__":
    run(main)
