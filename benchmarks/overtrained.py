"""Does the gate for copies stop a generator that knows its films by heart? One is trained on few films for many steps.

Needs the cohort of a study that has run. The films are those of its training split with the lowest hash; films of other patients
set the threshold. The generator is the workflow's foundation model at a smaller side, with embedded sizes.

    python -m benchmarks.overtrained --cohort results/mimic/cohort --films 20 --steps 2000
"""

from __future__ import annotations

import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from scripts.lib.engine.commands import make_parser, run, set_threads
from scripts.lib.study.config import CONFIG_FILE, load_study, to_json

HELDOUT = 400


def small_cohort(folder: Path, images: np.ndarray, reports: Sequence[Any]) -> Path:
    """Write a cohort of one patient a film, all of split train."""
    from scripts.lib.cohort.store import pixels_sha256
    from scripts.lib.cohort.writer import CohortWriter

    with CohortWriter(folder, images.shape[-1], [], [], {"dataset": "few"}) as writer:
        for place, (image, report) in enumerate(zip(images, reports)):
            row = {"image_id": f"f{place}", "patient_id": f"f{place}", "split": "train", "synthetic": False}
            writer.add(image, None, {**row, "sha256": pixels_sha256(image), "report": report})
    return folder


def resized(images: np.ndarray, side: int) -> np.ndarray:
    """Return films uint8 (n, side, side)."""
    return np.stack([np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BOX)) for image in images])


def generated(folder: Path, config: dict[str, Any], prompts: Sequence[str], count: int, seed: int) -> np.ndarray:
    """Return images of a generator, the prompts in turn."""
    from scripts.lib.generators.kinds import open_kind
    from scripts.lib.generators.protocol import ImageRequest
    from scripts.lib.generators.shards import make_batch
    from scripts.lib.generators.solving import Sampler
    from scripts.lib.training.settings import Section

    settings = Section({**config["sampling"], "precision": "fp32", "device": "cpu"}, "sampling")
    sampler = Sampler(open_kind(folder)([], settings), settings, seed)
    requests = [ImageRequest(f"c{k % len(prompts)}", k, prompts[k % len(prompts)], None) for k in range(count)]
    return np.concatenate([make_batch(sampler, requests[k : k + 32]) for k in range(0, count, 32)])


def verdict(images: np.ndarray, films: np.ndarray, strangers: np.ndarray) -> str:
    """Return what the gate says of images of a generator that learned from `films`, in one line."""
    from scripts.lib.fidelity.matching import SearchedFilms
    from scripts.lib.fidelity.memorisation import HELDOUT as KIND
    from scripts.lib.fidelity.memorisation import CopyGate, judge
    from scripts.lib.fidelity.planted import KINDS, planted
    from scripts.lib.fidelity.thumbnails import thumbnails

    searched = SearchedFilms(thumbnails(films))
    alike = {KIND: strangers} | {kind: planted(kind, films) for kind in KINDS}
    parts = [
        pd.DataFrame({"kind": kind, "similarity": searched.nearest(thumbnails(part), None, 8).similarity}).assign(
            patient_id=[f"{kind}{k}" for k in range(len(part))]
        )
        for kind, part in alike.items()
    ]
    gate = CopyGate.of(pd.concat(parts, ignore_index=True), 99)
    similarity = searched.nearest(thumbnails(images), None, 8).similarity
    found = judge(similarity, gate, 0.01)
    return (
        f"{found.word}: {found.why}; P {found.p_value:.2g}; median likeness {np.median(similarity):.3f}, of held-out films "
        f"{np.median(gate.heldout):.3f}, threshold {gate.threshold:.3f}"
    )


def measure(options: Namespace) -> None:
    """Train on few films, and print what the gate says of the images after each number of steps."""
    from scripts import train_base
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.fidelity.chosen import hashes

    cohort = Cohort.open(options.cohort)
    rows = cohort.rows(split="train")
    rows = rows[np.argsort(hashes(cohort.index["image_id"].iloc[rows].tolist(), "few"), kind="stable")]
    rows = rows[~cohort.index["patient_id"].iloc[rows].duplicated().to_numpy()]
    films = resized(cohort.images(rows[: options.films]), options.side)
    strangers = resized(cohort.images(rows[options.films : options.films + HELDOUT]), options.side)
    reports = cohort.index["report"].iloc[rows[: options.films]].fillna("chest film").tolist()
    config = load_study([CONFIG_FILE])
    base = {**config["base"], "precision": "fp32", "device": "cpu"}
    base["vae"] = {**base["vae"], "steps": options.autoencoder}
    base["text"] = {**base["text"], "steps": 20}  # few reports are soon told apart
    for steps in options.steps:
        base["unet"] = {**base["unet"], "steps": steps}
        before = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            store = small_cohort(Path(folder) / "few", films, reports)
            train_base.main(
                [
                    *[
                        "--cohorts",
                        str(store),
                        "--config",
                        to_json(base),
                        "--resolution",
                        str(options.side),
                        "--seed",
                        "1",
                    ],
                    *["--threads", str(options.threads), "--checkpoint-dir", f"{folder}/c", "--out", f"{folder}/base"],
                ]
            )
            images = generated(Path(folder) / "base", config, reports, options.images, 1)
        said = verdict(images, films, strangers)
        print(f"{options.films} films, {steps} steps, {time.process_time() - before:.0f} s: {said}", flush=True)


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort with reports")
    parser.add_argument("--films", type=int, default=20, help="films that the generator learns from")
    parser.add_argument("--steps", type=int, nargs="+", default=[2000], help="steps of the U-Net")
    parser.add_argument("--autoencoder", type=int, default=500, help="steps of the autoencoder")
    parser.add_argument("--side", type=int, default=32, help="side of the films in pixels")
    parser.add_argument("--images", type=int, default=200, help="images that are judged")
    options = parser.parse_args(argv)
    set_threads(options.threads)
    measure(options)


if __name__ == "__main__":
    run(main)
