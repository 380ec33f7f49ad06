"""What shorter trainings of the foundation model and the ControlNet cost and keep: processor time beside the judges of levers.py.

Each variant is trained by the workflow's own commands in a folder of its own, which a second call finds; all are judged by the
same two models of real films, on the same conditions with the same noise. Needs the cohorts and conditions of a study that has run,
and takes its precision.

    python -m benchmarks.foundation --results results --out runs/foundation --only long third
    python -m benchmarks.foundation --results results --base results/generators/base --only "ControlNet 650 x 16"
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from benchmarks import levers
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash
from scripts.lib.engine.commands import make_parser, run, set_threads
from scripts.lib.study import config as study_config
from scripts.lib.study.layers import merge
from scripts.lib.study.processor import FILE, precision_here, resolved

ROOT = Path(__file__).resolve().parents[1]
# As the workflow starts its jobs.
MEMORY = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
}
CONTROLNET = {"steps": 650, "batch_size": 16, "learning_rate": 4e-3}
# Changes of config.yaml by variant: sections base and controlnet, or the latter alone `on` the foundation model of another
# variant. The first is what the others are held against.
VARIANTS: dict[str, dict[str, Any]] = {
    "long": {
        "base": {
            "vae": {"steps": 500, "batch_size": 16, "learning_rate": 4e-3},
            "text": {"steps": 300, "batch_size": 128, "learning_rate": 2e-3},
            "unet": {"steps": 650, "batch_size": 64, "learning_rate": 2e-3, "ema": 0.995},
        },
        "controlnet": {**CONTROLNET, "batch_size": 32},
    },
    "half": {
        "base": {
            "vae": {"steps": 400, "batch_size": 8, "learning_rate": 4e-3},
            "text": {"steps": 200, "batch_size": 128, "learning_rate": 2e-3},
            "unet": {"steps": 650, "batch_size": 32, "learning_rate": 2e-3, "ema": 0.99},
        },
        "controlnet": CONTROLNET,
    },
    "third": {
        "base": {
            "vae": {"steps": 400, "batch_size": 8, "learning_rate": 4e-3},
            "text": {"steps": 200, "batch_size": 64, "learning_rate": 2e-3},
            "unet": {"steps": 450, "batch_size": 32, "learning_rate": 2.5e-3, "ema": 0.99},
        },
        "controlnet": {**CONTROLNET, "steps": 400},
    },
    "half, Muon": {
        "base": {
            "vae": {"steps": 400, "batch_size": 8, "learning_rate": 4e-3, "matrices": "muon"},
            "text": {"steps": 200, "batch_size": 128, "learning_rate": 2e-3, "matrices": "muon"},
            "unet": {"steps": 650, "batch_size": 32, "learning_rate": 2.5e-3, "ema": 0.99, "matrices": "muon"},
        },
        "controlnet": {**CONTROLNET, "matrices": "muon"},
    },
    "U-Net 650 x 32, Muon": {
        "base": {"unet": {"steps": 650, "batch_size": 32, "learning_rate": 2.5e-3, "ema": 0.99, "matrices": "muon"}},
        "controlnet": CONTROLNET,
    },
    "ControlNet 400 x 16, Muon": {
        "on": "long",
        "controlnet": {**CONTROLNET, "steps": 400, "matrices": "muon"},
    },
    "U-Net 450 x 64, Muon": {
        "base": {"unet": {"steps": 450, "batch_size": 64, "learning_rate": 2.5e-3, "ema": 0.99, "matrices": "muon"}},
        "controlnet": CONTROLNET,
    },
    "ControlNet 650 x 16, Muon": {
        "on": "long",
        "controlnet": {**CONTROLNET, "matrices": "muon"},
    },
    "ControlNet 650 x 16": {"on": "long", "controlnet": CONTROLNET},
    "ControlNet 400 x 32": {"on": "long", "controlnet": {**CONTROLNET, "steps": 400, "batch_size": 32}},
}


def command(module: str, *arguments: object) -> float:
    """Run a command of the workflow on one thread; return the seconds of processor that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = [sys.executable, "-m", module, *map(str, arguments)]
    subprocess.run(words, check=True, cwd=ROOT, env={**os.environ, **MEMORY})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def train(
    name: str, results: Path, folder: Path, seed: int | None = None, given: Path | None = None
) -> dict[str, float]:
    """Train a variant's two models into `folder`, unless they are there; return their seconds of processor.

    `given`: the foundation model below a ControlNet that is trained alone (None: that of the variant it names). Raises
    InputError where the folder holds models of other settings, of another seed or on another foundation model.
    """
    notes = folder / "seconds.json"
    changes = {section: changed for section, changed in VARIANTS[name].items() if section != "on"}
    config = resolved(
        merge(study_config.load_study([ROOT / "config.yaml"]), changes),
        precision_here(0, dry=True, path=results / FILE.name),
    )
    study, folder = config["study"], folder.resolve()
    alone = given.resolve() if given and "base" not in VARIANTS[name] else None
    parts = study_config.to_json({part: config[part] for part in ("base", "controlnet", "study")})
    of = content_hash(parts, seed, *([str(alone)] if alone else []))
    if notes.exists():
        known = dict(json.loads(notes.read_text()))
        if known.pop("of", None) != of:
            raise InputError(f"{folder}: models of other settings; name another folder with --out, or remove this one")
        return known
    folder.mkdir(parents=True, exist_ok=True)
    shared = ["--seed", study["seed"] if seed is None else seed, "--threads", 1]
    seconds = {}
    if "base" in VARIANTS[name]:
        cohorts = [(results / dataset / "cohort").resolve() for dataset in study["foundation"]]
        words = ["--cohorts", *cohorts, "--config", study_config.to_json(study_config.stage(config, "base"))]
        words += ["--resolution", study["resolution"], "--checkpoint-dir", folder / "kept", "--out", folder / "base"]
        seconds["base"] = command("scripts.train_base", *words, *shared)
    cohort = (results / study["generator_dataset"] / "cohort").resolve()
    base = folder / "base" if "base" in VARIANTS[name] else alone or folder.parent / VARIANTS[name]["on"] / "base"
    words = [
        "--base",
        base,
        "--cohort",
        cohort,
        "--config",
        study_config.to_json(study_config.stage(config, "controlnet")),
    ]
    words += ["--checkpoint-dir", folder / "kept", "--out", folder / "controlnet"]
    seconds["controlnet"] = command("scripts.train_controlnet", *words, *shared)
    notes.write_text(json.dumps({"of": of, **seconds}))
    return seconds


def judge(names: list[str], options: Namespace) -> list[dict[str, Any]]:
    """Return a row a variant, after one for real films: Dice of masks, AUROC of words, KID of both."""
    import numpy as np

    from benchmarks import levers_judges as judges

    config = study_config.load_study([ROOT / "config.yaml"])
    settings = {
        **config["sampling"],
        "precision": precision_here(0, dry=True, path=options.results / FILE.name),
        "device": "cpu",
    }
    rows: list[dict[str, Any]] = [{"variant": name} for name in ("real films", *names)]
    contests = {name: levers.Contest(options.out / name / "controlnet", settings, {name: {}}) for name in names}
    for kind, make in (("mask", judges.segmentation_judge), ("text", judges.label_judge)):
        if kind not in options.kinds:
            continue
        referee = make(config, options.results)
        made: dict[str, list[Any]] = {name: [] for name in names}
        for dataset in levers.MASKS if kind == "mask" else levers.TEXTS:
            requests, conditions = levers.requests_of(options.results, dataset, config, options.images)
            wanted = referee.wanted(requests, conditions)
            for name, contest in contests.items():
                contest.run(kind, requests, conditions.cohort.structures, options.seed)
                images = np.concatenate(contest.images[name].pop(kind))
                made[name].append((images, referee.score(images, wanted)))
        together = levers.Contest(options.out, settings, {})
        together.seconds = {name: contest.seconds[name] for name, contest in contests.items()}
        levers.judged(rows, kind, referee, made, together)
    return rows


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="results folder of a study that has run")
    parser.add_argument("--out", type=Path, default=Path("runs/foundation"), help="where the variants' models go")
    parser.add_argument("--only", nargs="+", default=list(VARIANTS), choices=VARIANTS, help="variants (default all)")
    parser.add_argument("--images", type=int, default=256, help="images of each dataset and variant (default 256)")
    kinds = ["mask", "text"]
    parser.add_argument("--kinds", nargs="+", default=kinds, choices=kinds, help="kinds of images (default both)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the noise")
    parser.add_argument(
        "--training-seed", type=int, help="seed of the trainings, with an --out of its own (default the study's)"
    )
    parser.add_argument("--base", type=Path, help="foundation model of the variants that train a ControlNet alone")
    parser.add_argument("--train-only", action="store_true", help="train, and judge another time")
    options = parser.parse_args(argv)
    set_threads(options.threads)
    for name in options.only:
        print(name, train(name, options.results, options.out / name, options.training_seed, options.base), flush=True)
    if not options.train_only:
        print(levers.table(judge(options.only, options)))


if __name__ == "__main__":
    run(main)
