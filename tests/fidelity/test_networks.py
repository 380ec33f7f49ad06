"""Encoders by local path: the Inception network of published FIDs, and DINOv2 in transformers' layout, as safetensors alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng
from scripts.lib.fidelity.inception import FidInception
from scripts.lib.fidelity.networks import open_extractor, random_network
from tests.helpers.fidelity_films import films
from tests.helpers.proxy_models import CPU


def drawn_weights() -> dict[str, torch.Tensor]:
    """Return weights of the network that numpy draws, the same on every machine."""
    state = FidInception().state_dict()
    for name, tensor in state.items():
        if name.endswith("conv.weight"):
            scale = (2 / tensor[0].numel()) ** 0.5
            tensor.copy_(torch.from_numpy(rng("inception", name).standard_normal(tuple(tensor.shape)) * scale))
    return state


def test_inception_is_that_of_torch_fidelity() -> None:
    network = FidInception().eval()
    network.load_state_dict(drawn_weights())
    pixels = rng("inception", "input").integers(0, 256, (1, 3, 299, 299))
    with torch.inference_mode():
        found = network((torch.from_numpy(pixels).float() - 128) / 128)[0].numpy()
    # torch-fidelity 0.4.0: FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=FILE)(pixels as uint8),
    # FILE with drawn_weights() and a last layer of zeros
    assert found.shape == (2048,)
    golden = [0.05628892034292221, 1.769315481185913, 0.0, 0.0, 0.9735468626022339]
    assert found[:4] == pytest.approx(golden[:4], rel=1e-3) and float(found.mean()) == pytest.approx(
        golden[4], rel=1e-3
    )


def test_inception_takes_the_published_file_and_safetensors_with_its_names(tmp_path: Path) -> None:
    state = {**drawn_weights(), "fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    save_file(state, tmp_path / "inception.safetensors")
    found = open_extractor("inception", str(tmp_path / "inception.safetensors"), CPU, 2)(films(1, "i"))
    assert found.shape == (1, 2048) and found.dtype == np.float32 and np.isfinite(found).all()
    gone = state.pop("Mixed_7c.branch_pool.conv.weight")
    save_file(state, tmp_path / "part.safetensors")
    with pytest.raises(InputError, match="1 weights of the encoder are missing"):
        open_extractor("inception", str(tmp_path / "part.safetensors"), CPU, 2)
    # The published file is a state_dict in the form of torch before 1.6; code in such a file is not run.
    torch.save(
        {**state, "Mixed_7c.branch_pool.conv.weight": gone}, tmp_path / "a.pth", _use_new_zipfile_serialization=False
    )
    again = open_extractor("inception", str(tmp_path / "a.pth"), CPU, 2)(films(1, "i"))
    assert (again == found).all()
    for name, content in (("code.pth", b"\x80\x04cos\nsystem\n."), ("cut.pth", (tmp_path / "a.pth").read_bytes()[:-9])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: holds more than weights") as error:
            open_extractor("inception", str(tmp_path / name), CPU, 2)
        assert "\n" not in str(error.value)


def test_dino_is_read_from_its_folder(tmp_path: Path) -> None:
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    network = Dinov2Model(Dinov2Config(**size)).eval()
    network.save_pretrained(tmp_path)
    for other in ("backbone_compatible", "dino_head"):  # what lies beside the weights in RAD-DINO's folder
        save_file({"x": torch.zeros(1)}, tmp_path / f"{other}.safetensors")
    with pytest.raises(InputError, match="preprocessor_config.json: no such file"):
        open_extractor("rad-dino", str(tmp_path), CPU, 2)
    settings = {"crop_size": {"height": 28, "width": 28}, "image_mean": [0.5307] * 3, "image_std": [0.2583] * 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    images = np.zeros((2, 28, 28), np.uint8)
    images[1] = 200
    found = open_extractor("rad-dino", str(tmp_path), CPU, 2)(images)
    inputs = ((torch.from_numpy(images).float() / 255 - 0.5307) / 0.2583)[:, None].expand(-1, 3, -1, -1)
    with torch.inference_mode():
        wanted = network(pixel_values=inputs).last_hidden_state[:, 0].numpy()
    assert found == pytest.approx(wanted, abs=1e-5) and found.shape == (2, 16)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"crop_size": 28}))
    with pytest.raises(InputError, match="no crop_size, image_mean and image_std of three numbers"):
        open_extractor("rad-dino", str(tmp_path), CPU, 2)


def test_features_do_not_depend_on_neighbours() -> None:
    images = films(20, "batch")
    network = open_extractor("random", "", CPU, 16)
    whole = np.concatenate([network(images[:16]), network(images[16:])])
    alone = np.concatenate([network(image[None]) for image in images])
    assert (whole == alone).all() and np.isfinite(whole).all() and whole.shape == (20, 64)


def test_the_random_network_is_the_same_everywhere() -> None:
    weights = [layer.weight.detach().numpy() for layer in random_network().layers]
    # numpy's generator gives these on every machine: the first weights of the first and last layer
    assert weights[0].ravel()[0] == pytest.approx(0.577434391144137, abs=1e-6)
    assert weights[3].ravel()[0] == pytest.approx(-0.07160468756720409, abs=1e-6)


def test_an_unknown_network_and_missing_weights_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no network 'vgg'; known: pixels, random"):
        open_extractor("vgg", "", CPU, 16)
    with pytest.raises(InputError, match="no such weights"):
        open_extractor("inception", str(tmp_path / "absent.safetensors"), CPU, 2)
    with pytest.raises(InputError, match="preprocessor_config.json: no such file"):
        open_extractor("rad-dino", str(tmp_path), CPU, 2)
