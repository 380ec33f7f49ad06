"""Before any weight has moved, a tuned generator makes the images of the one that it started from, byte for byte."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from scripts import finetune_generator, sample_pool, train_controlnet, train_dpo
from scripts.lib.generators.controlled.generator import open_generator
from scripts.lib.generators.controlled.layout import read_notes
from scripts.lib.generators.controlled.sampling import ControlledModel
from scripts.lib.generators.protocol import ImageRequest
from scripts.lib.generators.shards import make_batch
from scripts.lib.generators.solving import Sampler
from scripts.lib.training.settings import Section
from tests.generators.test_dpo import DPO, write_preferences
from tests.generators.test_finetuning import FINETUNE, write_pool
from tests.helpers.diffusion_models import CONTROL, SAMPLING, STRUCTURES, conditions_table, write_base, write_cohort

pytestmark = pytest.mark.early
STARTS = ("zero_residual", "black_image")
SHORT = {"steps": 2, "batch_size": 2, "monitor_steps": 1, "monitor_draws": 1}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("start")
    write_base(root / "generators" / "base")
    write_cohort(root / "cohort")
    for absent in STARTS:
        control = {**CONTROL, "absent_mask": absent, "learning_rate": 0.1}  # so that a hint shows in the pixels
        places = ["--checkpoint-dir", str(root / "check"), "--out", str(root / "generators" / absent)]
        own = ["--base", str(root / "generators" / "base"), "--cohort", str(root / "cohort"), "--seed", "1"]
        train_controlnet.main([*own, "--config", json.dumps(control), *places])
    write_preferences(root)
    write_pool(root / "kept" / "shard-0")
    conditions_table(7).to_parquet(root / "conditions.parquet", index=False)
    return root


def tune(tree, command, start, rate=0.0, trains=("controlnet",), out=None):
    """Tune the generator `start` at a learning rate, 0 = no weight moves, and return the new one's folder."""
    changes = {**SHORT, "learning_rate": rate, "trains": list(trains), "ema": 0.0}
    if command is train_dpo:
        inputs = ["--pool", str(tree / "pool"), "--preferences", str(tree / "train.jsonl")]
        inputs += ["--heldout", str(tree / "held.jsonl"), "--report", str(tree / "report.jsonl")]
        settings = {**DPO, **changes}
    else:
        inputs = ["--pool", str(tree / "kept" / "shard-0"), "--kept", str(tree / "kept" / "kept.parquet")]
        settings = {**FINETUNE, **changes}
    folder = tree / "generators" / (out or f"{command.__name__}-{start}-{'-'.join(trains)}-{rate}")
    places = ["--checkpoint-dir", str(tree / "check-tuned"), "--out", str(folder)]
    own = ["--generator", str(tree / "generators" / start), *inputs, "--config", json.dumps(settings), "--seed", "1"]
    command.main([*own, *places])
    return folder


def images(folder, guidance=2.0):
    """An image of each kind from a generator, or from one in a folder."""
    generator = open_generator(folder) if isinstance(folder, Path) else folder
    settings = Section({**SAMPLING, "steps": 2, "guidance": guidance}, "sampling")
    sampler = Sampler(ControlledModel(generator, STRUCTURES, settings), settings, 5)
    bits = np.zeros((32, 32), np.uint8)
    bits[4:28, 4:14], bits[4:8, 4:10] = 1, 5
    kinds = ["text", "mask", "both"]
    requests = [
        ImageRequest(kind, k, None if kind == "mask" else "pneumonia", None if kind == "text" else bits)
        for k, kind in enumerate(kinds)
    ]
    return dict(zip(kinds, make_batch(sampler, requests)))


@pytest.fixture(scope="module")
def before_tuning(tree):
    """{(start, guidance): images} of the generators that tuning begins with."""
    return {(start, scale): images(tree / "generators" / start, scale) for start in STARTS for scale in (1.0, 2.0)}


LONG = pytest.mark.long
NONE_MOVED = [
    pytest.param(train_dpo, "zero_residual", ("controlnet",), marks=LONG),
    pytest.param(train_dpo, "zero_residual", ("unet",), marks=LONG),
    (train_dpo, "zero_residual", ("controlnet", "unet")),
    (train_dpo, "black_image", ("controlnet", "unet")),
    (finetune_generator, "zero_residual", ("controlnet",)),
    pytest.param(finetune_generator, "zero_residual", ("unet",), marks=LONG),
    pytest.param(finetune_generator, "zero_residual", ("controlnet", "unet"), marks=LONG),
    pytest.param(finetune_generator, "black_image", ("controlnet", "unet"), marks=LONG),
]


@pytest.mark.parametrize(("command", "start", "trains"), NONE_MOVED)
def test_until_a_weight_moves_all_images_are_those_of_the_start(tree, before_tuning, command, start, trains):
    tuned = tune(tree, command, start, trains=trains)
    for guidance in (1.0, 2.0):
        before, after = before_tuning[start, guidance], images(tuned, guidance)
        assert all((before[kind] == after[kind]).all() for kind in before)


def test_what_is_compared_would_show(tree, before_tuning):
    """A black picture makes other images from text than silence does, so that the test above can fail."""
    generator = open_generator(tree / "generators" / "zero_residual")
    generator.notes["absent_mask"] = "black_image"
    assert (before_tuning["zero_residual", 2.0]["text"] != images(generator)["text"]).any()


@pytest.mark.parametrize("command", [pytest.param(train_dpo, marks=LONG), finetune_generator])
def test_a_silent_controlnet_learns_from_text_alone(tree, before_tuning, command, monkeypatch):
    from scripts.lib.generators.controlled import preference_training

    rising = itertools.count()
    monkeypatch.setattr(preference_training, "accuracies", lambda inside, _: 0 * inside[:, 0] + float(next(rising)))
    tuned = tune(tree, command, "zero_residual", rate=0.05)
    before, after = before_tuning["zero_residual", 2.0], images(tuned)
    assert (before["text"] != after["text"]).any()
    notes = read_notes(tuned)
    assert notes["absent_mask"] == "difference" and (tuned / "start").is_symlink()
    assert notes["lineage"] == open_generator(tree / "generators" / "zero_residual").fingerprint
    assert open_generator(tuned).fingerprint != notes["lineage"]
    # Tuned once more from there: again nothing changes until a weight moves, and what it began as stays the same.
    twice = tune(tree, command, tuned.name, trains=("controlnet", "unet"), out=f"twice-{command.__name__}")
    again = images(twice)
    assert all((after[kind] == again[kind]).all() for kind in after)
    assert read_notes(twice)["lineage"] == notes["lineage"]
    assert (twice / "start").resolve() == (tuned / "start").resolve()


@pytest.mark.filterwarnings("ignore:.* texts have more than 8 tokens:UserWarning")
def test_pools_of_both_arms_are_the_same_bytes(tree, tmp_path):
    pools = []
    for name in ("zero_residual", tune(tree, train_dpo, "zero_residual", out="pooled").name):
        folders = ["--checkpoint-dir", str(tmp_path / "check"), "--out", str(tmp_path / name)]
        own = ["--generator", str(tree / "generators" / name), "--conditions", str(tree / "conditions.parquet")]
        own += ["--cohort", str(tree / "cohort"), "--config", json.dumps(SAMPLING), "--seed", "1"]
        sample_pool.main([*own, *folders])
        pools.append([(tmp_path / name / file).read_bytes() for file in ("images.npy", "masks.npy")])
    assert pools[0] == pools[1]
