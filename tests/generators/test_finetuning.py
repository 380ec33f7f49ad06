"""Fine-tuning on kept images: the right networks learn, the rest is linked, killed runs end with the same bytes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from scripts import finetune_generator, train_controlnet
from scripts.lib.cohort.store import pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.generators.controlled import finetuning
from scripts.lib.generators.controlled.generator import open_generator
from scripts.lib.generators.controlled.layout import read_notes
from scripts.lib.training.settings import Section
from tests.helpers.diffusion_models import CONTROL, PLACE, write_base, write_cohort
from tests.helpers.diffusion_toy import TRAINING

FINETUNE = {
    **PLACE,
    **TRAINING,
    "checkpoint_seconds": 0,
    "trains": ["controlnet"],
    "text_dropout": 0.2,
}


def write_pool(folder, count=6):
    """A pool shard of random images made from text, and the list that keeps two of three of them."""
    import pandas as pd

    stream = np.random.default_rng(3)
    with CohortWriter(folder, 32, [], ["edema"], {"dataset": "toy"}, with_masks=False) as writer:
        for number in range(count):
            image = stream.integers(0, 256, (32, 32), dtype=np.uint8)
            identity = {"condition_id": f"{number:016x}", "sample": 0, "trial": -1, "position": number, "kind": "text"}
            row = {"image_id": f"{number:016x}-0", "patient_id": f"p{number}", "split": "train", "synthetic": True}
            writer.add(image, None, row | identity | {"report": "edema", "sha256": pixels_sha256(image), "edema": 1})
    index = pd.read_parquet(folder / "index.parquet")
    kept = index.loc[index["position"] % 3 != 0, ["image_id", "condition_id", "sample", "trial", "position"]]
    kept = kept.rename(columns={"position": "source_position"}).reset_index(drop=True)
    kept = kept.assign(position=range(len(kept)), label="edema", score=0.5)
    kept.to_parquet(folder.parent / "kept.parquet", index=False)
    return folder


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("tuned")
    write_base(root / "generators" / "base")
    cohort = str(write_cohort(root / "cohort"))
    common = ["--seed", "1", "--checkpoint-dir", str(root / "check"), "--out", str(root / "generators" / "controlnet")]
    control = ["--base", str(root / "generators" / "base"), "--cohort", cohort, "--config", json.dumps(CONTROL)]
    train_controlnet.main([*control, *common])
    write_pool(root / "pool" / "shard-0")
    return root


def tune(tree, out, **changes):
    pool = ["--pool", str(tree / "pool" / "shard-0"), "--kept", str(tree / "pool" / "kept.parquet")]
    config = ["--config", json.dumps({**FINETUNE, **changes}), "--seed", "1"]
    places = ["--checkpoint-dir", str(tree / f"check-{out}"), "--out", str(tree / "generators" / out)]
    finetune_generator.main(["--generator", str(tree / "generators" / "controlnet"), *pool, *config, *places])
    return tree / "generators" / out


def changed(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values())
    return any(not torch.equal(a, b) for a, b in pairs)


def test_a_tuned_generator_is_an_ordinary_one_whose_controlnet_alone_has_moved(tree):
    folder = tune(tree, "tuned")
    before, after = open_generator(tree / "generators" / "controlnet"), open_generator(folder)
    assert changed(before.controlnet, after.controlnet)
    assert not changed(before.unet, after.unet) and not changed(before.vae, after.vae)
    assert (folder / "unet").resolve() == (tree / "generators" / "base" / "unet").resolve()
    notes = read_notes(folder)
    assert notes["absent_mask"] == "difference" and notes["structures"] == before.notes["structures"]
    assert notes["base"]["fingerprint"] == before.fingerprint != notes["fingerprint"]


def test_the_unet_can_be_trained_instead(tree):
    folder = tune(tree, "unet", trains=["unet"])
    before, after = open_generator(tree / "generators" / "controlnet"), open_generator(folder)
    assert changed(before.unet, after.unet) and not changed(before.controlnet, after.controlnet)
    assert not (folder / "unet").is_symlink() and (folder / "controlnet").is_symlink()
    assert after.notes["absent_mask"] == "zero_residual"


def test_tuning_twice_gives_the_same_bytes(tree):
    first, second = tune(tree, "first"), tune(tree, "second")
    assert read_notes(first)["fingerprint"] == read_notes(second)["fingerprint"]


def test_networks_that_are_none_are_refused():
    with pytest.raises(InputError, match=r"trains = \['vae'\]"):
        finetuning.own_parts(Section({**FINETUNE, "trains": ["vae"]}, "finetune"))


def test_without_kept_images_there_is_nothing_to_learn_from(tmp_path):
    from scripts.lib.cohort.store import Cohort

    with CohortWriter(tmp_path / "none", 32, [], [], {}, with_masks=False):
        pass
    with pytest.raises(InputError, match="nothing was kept"):
        finetuning.examples_of(Cohort.open(tmp_path / "none"), 32)
