"""What the planner counts of arms without a generator: the films that are reconstructed, trials at the multipliers that they run."""

from __future__ import annotations

import math
from typing import Any

import pytest

from scripts.lib.planning.jobs import Job
from scripts.lib.planning.sizes import PREPARED, Size
from scripts.lib.planning.stages import operations_of, shape_of, work_of
from scripts.lib.study.config import load_study
from tests.conftest import ROOT

SIZES = {"rsna": Size(PREPARED, 100, {"train": 80, "test": 20}, masked=False)}
ARMS = {
    "back": {"source": "reconstructed"},
    "more": {"source": "extra-real"},
    "mine": {"source": "pool", "path": "/nowhere"},
}


def study(**changes: Any) -> dict[str, Any]:
    own = {
        "arms": list(ARMS),
        "datasets": ["rsna"],
        "fractions": [0.1, 0.5],
        "multipliers": {"0.5": [0, 1, 2]},
        **changes,
    }
    return load_study([ROOT / "config.yaml"], {"study": own, "arms": ARMS, "figures": {"arm": "back"}})


def job(rule: str, arm: str, **more: str) -> Job:
    return Job(rule, {"dataset": "rsna", "arm": arm, **more}, (), 1, 0, None)


def test_films_of_all_trials_are_reconstructed_once() -> None:
    # Two trials that draw 50 % each leave a quarter of 80 films out: 60. One draw for all: 40. 64 x 64 bytes and a row each.
    assert work_of(job("reconstruct_films", "back"), study(), SIZES).units == {"film": 60}
    config = study()
    config["subsets"]["per_trial"] = False
    work = work_of(job("reconstruct_films", "back"), config, SIZES)
    assert work.units == {"film": 40} and work.images == 40 and work.bytes == 40 * (64 * 64 + 150)
    assert work_of(job("reconstruct_films", "back"), study(), {"rsna": Size("unknown")}).unknown


def test_a_reconstruction_is_an_encoding_and_a_decoding() -> None:
    shape = shape_of(study(), "reconstruct_films", "rsna", False)
    film = operations_of("reconstruct_films", "film", shape)
    both = (
        operations_of("train_dpo", "film", shape),
        operations_of("sample_pool", "text image", {**shape, "steps": 0, "guided": False}),
    )
    assert film is not None and film == pytest.approx(sum(both)) and min(both) > 0


def test_a_multiplier_that_is_left_out_is_not_counted() -> None:
    # At 50 % of 80 films there are 40 others: 1x runs, 2x does not. Steps are those of 100 %, the next larger fraction that is listed.
    config = study()
    steps = config["trials"]["budget"]["steps"]["1"]
    for arm, multipliers in (("more", 1), ("back", 2)):
        work = work_of(job("train_trials", arm, fraction="0.5", trial="0"), config, SIZES)
        assert work.units == {"step": multipliers * steps, "test film": multipliers * 20}


def test_images_that_models_are_tested_on_and_what_is_learned_alone_are_counted() -> None:
    config = study()
    config["study"]["arms"] = [*config["study"]["arms"], "original"]
    config["trials"]["images"] = {"rsna": ["original"]}
    # At 50 % of 80 films: 20 test films, and 2 images for each of the 40 films of another trial.
    own = job("train_trials", "back", fraction="0.5", trial="0")
    assert work_of(own, config, SIZES).units["test film"] == 2 * (20 + 2 * 40)
    # By passes: 36 or 40 real films with 40 or 80 images, or these images alone, in batches of 32.
    config["trials"]["budget"] = {**config["trials"]["budget"], "kind": "epochs", "epochs": 10}
    config["trials"]["validation_share"] = 0.1
    assert work_of(own, config, SIZES).units["step"] == 10 * (math.ceil(76 / 32) + math.ceil(116 / 32))
    config["arms"]["back"] = {**config["arms"]["back"], "mixing": {"kind": "alone"}}
    assert work_of(own, config, SIZES).units["step"] == 10 * (math.ceil(40 / 32) + math.ceil(80 / 32))
