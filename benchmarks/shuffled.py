"""Does the gate of faithfulness notice a ControlNet that learned from wrong masks? One learns from films with the masks of others.

Two ControlNets are trained on the same films for the same steps: one with each film's own masks, one with the masks dealt out anew
among films of other patients. Both make the same images, and the workflow's own judge and table decide. Needs the base, the
cohort with a generator split, its conditions and its settings, as a study that has run leaves them.

    snakemake --cores 2 results/generators/base results/candid/conditions/original/fraction-0.1.parquet
    python -m benchmarks.shuffled --results results --steps 650
"""

from __future__ import annotations

import tempfile
import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from scripts.lib.engine.commands import make_parser, run, set_threads
from scripts.lib.study.config import CONFIG_FILE, load_study, stage, to_json

OWN, DEALT = "own masks", "masks of others"
SEED = 1
ON_PROCESSOR = {"precision": "fp32", "device": "cpu"}


def dealt_places(patients: np.ndarray, seed: int) -> np.ndarray:
    """Return for each film the place of the one whose masks it gets: a permutation, never a film of the same patient.

    Raises ValueError where one patient has more than half of the films.
    """
    count = len(patients)
    names, numbers, sizes = np.unique(patients, return_inverse=True, return_counts=True)
    if sizes.max(initial=0) * 2 > count:
        raise ValueError(f"patient {names[sizes.argmax()]} has more than half of {count} films")
    order = np.random.default_rng(seed).permutation(len(names))[numbers]
    films = np.argsort(order, kind="stable")  # films of one patient side by side
    places = np.empty(count, int)
    places[films] = np.roll(films, int(sizes.max(initial=0)))  # a patient's run is no longer than that
    return places


def write_dealt(source: Path, folder: Path, seed: int) -> Path:
    """Write the generator split of a cohort, each film with the masks of another patient's."""
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.cohort.writer import CohortWriter
    from scripts.lib.training.films import masked_rows

    cohort = Cohort.open(source)
    rows, _ = masked_rows(cohort)
    masks = cohort.masks(rows)[dealt_places(cohort.index["patient_id"].iloc[rows].to_numpy(str), seed)]
    images, index = cohort.images(rows), cohort.index.iloc[rows].to_dict("index").values()
    with CohortWriter(
        folder, cohort.resolution, cohort.structures, cohort.labels, {"dataset": cohort.meta["dataset"]}
    ) as out:
        for image, mask, row in zip(images, masks, index):
            out.add(image, mask, {str(name): value for name, value in row.items()})
    return folder


def judge_of(options: Namespace, config: Mapping[str, Any], folder: Path) -> tuple[Path, list[str]]:
    """Return the folder of the study's judge of this dataset's masks, trained here where there is none, and what it finds."""
    from scripts import train_judge
    from scripts.lib.study.judging import Judging
    from scripts.lib.study.study import Study

    judging = Judging(Study(config))
    source, shows = judging.source(options.dataset), judging.shows(options.dataset)
    judge = options.results / "judges" / source.judge
    judge = judge if judge.exists() else folder / source.judge
    if not judge.exists():
        settings = {**judging.settings(SimpleNamespace(judge=source.judge)), **ON_PROCESSOR}
        train_judge.main(
            [
                *["--cohort", str(options.results / source.dataset / "cohort"), "--split", source.split],
                *[
                    "--structure",
                    source.structure,
                    "--config",
                    to_json(settings),
                    "--seed",
                    str(config["study"]["seed"]),
                ],
                *["--threads", str(options.threads), "--checkpoint-dir", str(folder / "c-judge"), "--out", str(judge)],
            ]
        )
    return judge, shows


def verdict(options: Namespace, config: Mapping[str, Any], generator: Path, judge: Path, shows: list[str]) -> str:
    """Make images with a generator, let the judge look at them, and return what the table of faithfulness says, in one line."""
    import pandas as pd

    from scripts import judge_pool, measure_faithfulness, sample_pool

    folder, own = generator.parent, options.results / options.dataset
    conditions = pd.read_parquet(own / "conditions" / "original" / f"fraction-{options.fraction}.parquet")
    conditions.head(options.images).to_parquet(folder / "conditions.parquet", index=False)
    pool, judged, table = (folder / f"{generator.name}-{name}" for name in ("pool", "judged.parquet", "table.csv"))
    settings = to_json({**stage(config, "faithfulness"), **ON_PROCESSOR})
    sample_pool.main(
        [
            *["--generator", str(generator), "--conditions", str(folder / "conditions.parquet")],
            *["--cohort", str(own / "cohort"), "--config", to_json({**stage(config, "sampling"), **ON_PROCESSOR})],
            *[
                "--seed",
                str(SEED),
                "--threads",
                str(options.threads),
                "--checkpoint-dir",
                f"{pool}-c",
                "--out",
                str(pool),
            ],
        ]
    )
    common = ["--judge", str(judge), "--shows", *shows, "--config", settings, "--threads", str(options.threads)]
    judge_pool.main(["--pool", str(pool), "--out", str(judged), *common])
    cell = ["--dataset", options.dataset, "--arm", "original", "--fraction", options.fraction]
    measure_faithfulness.main(["--judged", str(judged), *common, *cell, "--out", str(table)])
    found = pd.read_csv(table).set_index("measure")
    dice, side, share = found.loc["dice"], found.loc["side"], found.loc["share"]
    return (
        f"{dice['verdict']}; Dice {dice['value']:.3f} ({dice['low']:.3f} to {dice['high']:.3f}, n {dice['n']}), real films "
        f"{dice['floor']:.3f}, chance {dice['chance']:.3f}; share {share['value']:.2f} ({share['low']:.2f} to "
        f"{share['high']:.2f}); right side {side['value']:.2f}; {dice['note']}"
    )


def measure(options: Namespace) -> None:
    """Train both ControlNets, and print what the table says of their images."""
    from scripts import train_controlnet

    config = load_study([CONFIG_FILE])
    settings = to_json({**stage(config, "controlnet"), **ON_PROCESSOR, "steps": options.steps})
    with tempfile.TemporaryDirectory() as text:
        folder: Path = options.folder or Path(text)
        folder.mkdir(parents=True, exist_ok=True)
        judge, shows = judge_of(options, config, folder)
        cohort = options.results / config["study"]["generator_dataset"] / "cohort"
        for name, taught in ((OWN, cohort), (DEALT, write_dealt(cohort, folder / "dealt", SEED))):
            before, generator = time.process_time(), folder / f"{name.replace(' ', '-')}-{options.steps}"
            if not generator.exists():
                train_controlnet.main(
                    [
                        *["--base", str((options.results / "generators" / "base").resolve()), "--cohort", str(taught)],
                        *["--config", settings, "--seed", str(SEED), "--threads", str(options.threads)],
                        *["--checkpoint-dir", f"{generator}-c", "--out", str(generator)],
                    ]
                )
            said = verdict(options, config, generator, judge, shows)
            print(f"{name}, {options.steps} steps, {time.process_time() - before:.0f} s: {said}", flush=True)


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="results of a study that has run")
    parser.add_argument("--dataset", default="siim", help="dataset whose masks are asked for")
    parser.add_argument("--fraction", default="0.1", help="fraction whose conditions are taken")
    parser.add_argument("--steps", type=int, default=650, help="steps of each ControlNet")
    parser.add_argument("--images", type=int, default=200, help="images that each of them makes")
    parser.add_argument("--folder", type=Path, help="where it works, so that a killed run goes on (default: nowhere)")
    options = parser.parse_args(argv)
    set_threads(options.threads)
    measure(options)


if __name__ == "__main__":
    run(main)
