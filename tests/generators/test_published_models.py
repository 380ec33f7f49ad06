"""Models as people have them: RoentGen, RoentGen-v2 and Stable Diffusion 1.5 in one file open, sample and teach a ControlNet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from scripts import convert_base, sample_pool, train_controlnet
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.generators.controlled.generator import open_generator
from tests.helpers.diffusion_models import CONTROL, SAMPLING, conditions_table, write_cohort
from tests.helpers.published_models import write_published, write_single_file

pytestmark = [pytest.mark.early, pytest.mark.filterwarnings("ignore:.* texts have more than .* tokens:UserWarning")]
SINGLE = [("one", ".safetensors", "roentgen"), ("pickled", ".ckpt", "roentgen"), ("one2", ".safetensors", "roentgen2")]
NETWORKS = ("unet", "vae", "text_encoder")


def convert(file: Path, like: Path, out: Path) -> Path:
    convert_base.main(["--file", str(file), "--like", str(like), "--out", str(out)])
    return out


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A cohort of 64 pixels and a model in each layout; `one`, `pickled` and `one2` (Stable Diffusion 2) were a single file."""
    root = tmp_path_factory.mktemp("published")
    write_cohort(root / "cohort", side=64)
    for kind in ("roentgen", "roentgen2"):
        write_published(root / kind, kind)
    for name, ending, like in SINGLE:
        convert(write_single_file(root / like, root / f"{name}{ending}"), root / like, root / name)
    return root


@pytest.mark.parametrize(("name", "_ending", "like"), SINGLE)
def test_a_single_file_gives_the_networks_that_it_was_made_of(world, name, _ending, like):
    wanted, found = open_generator(world / like), open_generator(world / name)
    for part in NETWORKS:
        old, new = getattr(wanted, part).state_dict(), getattr(found, part).state_dict()
        assert set(old) == set(new) and all(torch.equal(old[key], new[key]) for key in old)
    assert found.resolution == 64 and found.factor == 8  # three halvings: 8 latents are 64 pixels


@pytest.mark.parametrize(
    ("name", "prediction"), [("roentgen", "epsilon"), ("roentgen2", "v_prediction"), ("one", "epsilon")]
)
def test_a_published_layout_opens_teaches_a_controlnet_and_samples(world, tmp_path, name, prediction):
    base = open_generator(world / name)
    assert base.scheduler_config["prediction_type"] == prediction and base.resolution == 64
    assert all(value.dtype == torch.float32 for value in base.unet.parameters())  # half precision is a way of storing
    control = json.dumps({**CONTROL, "hint_channels": [4, 4, 8, 8], "steps": 3})
    train = ["--base", world / name, "--cohort", world / "cohort", "--config", control, "--seed", 1]
    train += ["--checkpoint-dir", tmp_path / "check", "--out", tmp_path / "controlnet"]
    train_controlnet.main([str(word) for word in train])
    conditions_table(6).to_parquet(tmp_path / "conditions.parquet", index=False)
    call = ["--generator", tmp_path / "controlnet", "--conditions", tmp_path / "conditions.parquet"]
    call += ["--cohort", world / "cohort", "--config", json.dumps(SAMPLING), "--seed", 5]
    sample_pool.main(
        [str(word) for word in [*call, "--checkpoint-dir", tmp_path / "parts", "--out", tmp_path / "pool"]]
    )
    images = Cohort.open(tmp_path / "pool").images(slice(None))
    assert images.shape == (6, 64, 64) and images.dtype == np.uint8
    assert len({image.tobytes() for image in images}) == 6


def test_what_is_no_whole_model_in_one_file_is_one_line(world, tmp_path):
    whole = load_file(world / "one.safetensors")

    def refused(file: Path, *words: str) -> None:
        with pytest.raises(InputError) as caught:
            convert(file, world / "roentgen", tmp_path / "out")
        message = str(caught.value)
        assert "\n" not in message and all(word in message for word in (str(file), *words)), message
        assert not (tmp_path / "out").exists()

    refused(tmp_path / "absent.safetensors", "no such file")
    unet = {name: value for name, value in whole.items() if name.startswith("model.")}
    save_file(unet, tmp_path / "unet.safetensors")
    refused(tmp_path / "unet.safetensors", "no weights of the autoencoder and the text encoder")
    lora = {"lora_unet_down_blocks_0.lora_up.weight": torch.zeros(2, 2)}
    save_file(lora, tmp_path / "lora.safetensors")
    refused(tmp_path / "lora.safetensors", "no weights of the U-Net", "lora_unet")
    (tmp_path / "short.safetensors").write_bytes((world / "one.safetensors").read_bytes()[:-9])
    refused(tmp_path / "short.safetensors", "not a safetensors file")
    (tmp_path / "model.bin").write_bytes(b"")
    refused(tmp_path / "model.bin", "expected .safetensors or .ckpt")
    key = "model.diffusion_model.middle_block.1.proj_in.weight"
    save_file({name: value for name, value in whole.items() if name != key}, tmp_path / "gap.safetensors")
    refused(tmp_path / "gap.safetensors", "1 missing keys", "mid_block.attentions.0.proj_in.weight")
    save_file(whole | {key: torch.zeros(3, 3, 1, 1)}, tmp_path / "shape.safetensors")
    refused(tmp_path / "shape.safetensors", "read with the architecture of", "1 weights of another shape")
    nan = whole[key].clone()
    nan[0] = torch.nan
    save_file(whole | {key: nan}, tmp_path / "nan.safetensors")
    with pytest.raises(InputError, match="NaN"):
        convert(tmp_path / "nan.safetensors", world / "roentgen", tmp_path / "out")
