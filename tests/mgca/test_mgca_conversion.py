"""Published checkpoints: read without running them, checked, and turned into what timm's encoders load."""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
import types
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from scripts.convert_mgca import main
from scripts.lib.core.errors import InputError
from scripts.lib.encoders.lightning import IMAGE_PREFIX, read_checkpoint, timm_names
from scripts.lib.encoders.weights import load_encoder
from scripts.lib.engine.lean_imports import without_compiler
from scripts.lib.mgca import conversion
from scripts.lib.mgca.conversion import check_encoder

SMALL = {"patch_embed.proj.weight": "vit_tiny_patch16_224", "layer4.1.conv2.weight": "resnet18"}


def model_of(name: str, device: str = "cpu") -> torch.nn.Module:
    with without_compiler():
        import timm

        with torch.device(device):
            return timm.create_model(name, num_classes=0)


def published(name: str, value: float = 0.25) -> dict[str, torch.Tensor]:
    """Return a state dict as MGCA's: a number in every weight (stored once), other parts beside the image encoder."""
    state = {
        f"{IMAGE_PREFIX}{key}": torch.tensor(value).to(weight.dtype).expand(weight.shape)
        for key, weight in model_of(name, "meta").state_dict().items()
    }
    return state | {"img_encoder_q.global_embed.head.0.bias": torch.ones(4), "prototype_layer.weight": torch.ones(5, 2)}


@pytest.fixture
def lightning(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict]:
    """What Lightning 1.5 stores beside the weights; its classes exist only while the file is written."""
    module = types.ModuleType("pytorch_lightning.callbacks.early_stopping")
    stopping = type("EarlyStopping", (), {"__module__": module.__name__})
    module.EarlyStopping = stopping
    for name in ("pytorch_lightning", "pytorch_lightning.callbacks"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    yield {
        "epoch": 7,
        "pytorch-lightning_version": "1.5.10",
        "callbacks": {stopping: {"best_score": torch.tensor(0.1), "dirpath": pathlib.PosixPath("/data/ckpts")}},
        "hyper_parameters": {
            "args": argparse.Namespace(gpus=2, root=pathlib.PosixPath("x")),
            "rate": np.float64(2e-5),
            "sizes": np.arange(3),
            "dtype": torch.float16,
        },
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 1e-4}]}],
    }


@pytest.mark.parametrize("name", list(SMALL.values()))
def test_a_checkpoint_with_lightnings_extras_becomes_timms(tmp_path, lightning, monkeypatch, capsys, name):
    monkeypatch.setattr(conversion, "ENCODERS", SMALL)
    source, target = tmp_path / "published.ckpt", tmp_path / "out" / "mgca.safetensors"
    torch.save({"state_dict": published(name), **lightning}, source)
    for module in [module for module in sys.modules if module.startswith("pytorch_lightning")]:
        monkeypatch.delitem(sys.modules, module)
    main(["--checkpoint", str(source), "--out", str(target)])
    assert name in capsys.readouterr().out
    assert load_file(target)["prototype_layer.weight"].shape == (5, 2)
    for weights in (source, target):
        encoder = model_of(name)
        load_encoder(encoder, weights)
        assert all((value == 0.25).all() for value in encoder.state_dict().values() if value.is_floating_point())


@pytest.mark.parametrize("name", ["vit_base_patch16_224", "resnet50"])
def test_the_published_encoders_are_known(name):
    assert check_encoder(published(name), Path("x.ckpt")) == name


def test_resnet_has_torchvisions_names():
    with without_compiler():
        from torchvision.models import resnet50

        with torch.device("meta"):
            theirs = resnet50().state_dict()
    state = timm_names({f"{IMAGE_PREFIX}{key}": value for key, value in theirs.items()})  # fc is left out
    assert check_encoder(state, Path("x.ckpt")) == "resnet50"


def test_blocks_called_layers_are_renamed_for_vit_alone():
    vit = published("vit_tiny_patch16_224")
    layered = {key.replace("model.blocks.", "model.layer."): value for key, value in vit.items()}
    head = {f"{IMAGE_PREFIX}head.weight": torch.ones(1000, 192)}
    assert timm_names(layered | head).keys() == vit.keys()
    resnet = published("resnet18")
    assert timm_names(resnet).keys() == resnet.keys()


class Attack:
    """Runs a command where pickle is trusted."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.file}",)


class Lazy:
    """Reaches a function that is on the list's neighbourhood by way of builtins."""

    def __reduce__(self) -> tuple:
        return getattr, (Path("x"), "touch")


def test_other_classes_are_named_and_never_run(tmp_path, monkeypatch):
    source, proof = tmp_path / "bad.ckpt", tmp_path / "executed"
    weights = published("resnet18")
    for extra, message in (
        (Attack(proof), r"the pickle names (posix|os)\.system, which could run code"),
        (Lazy(), r"the pickle names \w*builtins\w*\.getattr"),
        (Fraction(1, 2), "fractions.Fraction"),
    ):
        torch.save({"state_dict": weights, "hyper_parameters": extra}, source)
        for read in (read_checkpoint, lambda path: load_encoder(torch.nn.Linear(1, 1), path)):
            with pytest.raises(InputError, match=message) as error:
                read(source)
            assert "\n" not in str(error.value)
        with pytest.raises(InputError, match=message):
            main(["--checkpoint", str(source), "--out", str(tmp_path / "out.safetensors")])
    assert not proof.exists()
    assert not (tmp_path / "out.safetensors").exists()


def test_named_classes_are_not_even_built(tmp_path, monkeypatch):
    torch.save({"state_dict": {"a": torch.ones(1)}, "x": argparse.Namespace(a=1)}, tmp_path / "n.ckpt")
    monkeypatch.setattr(argparse.Namespace, "__init__", lambda *_, **__: pytest.fail("a class of the file was built"))
    assert list(read_checkpoint(tmp_path / "n.ckpt")) == ["a"]


def test_weights_that_do_not_fit_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(conversion, "ENCODERS", SMALL)
    good, source = published("resnet18"), tmp_path / "bad.ckpt"
    key = f"{IMAGE_PREFIX}bn1.weight"
    without = {name: value for name, value in good.items() if name != key}
    for state, message in (
        (without, r"lacks 1 weights, first 'bn1.weight'; expected those of timm's resnet18"),
        (good | {f"{IMAGE_PREFIX}layer9.x": torch.ones(1)}, r"has 1 weights too much, first 'layer9.x'"),
        (good | {key: torch.ones(3)}, r"bn1.weight has shape \[3\], expected \[64\]"),
        (good | {"prototype_layer.weight": torch.tensor([1.0, torch.nan])}, "prototype_layer.weight holds NaN"),
        ({"prototype_layer.weight": torch.ones(1)}, "0 weights .* of neither ViT-B/16 nor ResNet-50"),
        ({}, "no state_dict of tensors"),
        ({"a": 3}, "no state_dict of tensors"),
    ):
        torch.save({"state_dict": state}, source)
        with pytest.raises(InputError, match=message) as error:
            main(["--checkpoint", str(source), "--out", str(tmp_path / "out.safetensors")])
        assert "\n" not in str(error.value)


def test_damaged_files_are_one_line(tmp_path):
    torch.save({"state_dict": {"a": torch.ones(3)}}, tmp_path / "whole.ckpt")
    whole = (tmp_path / "whole.ckpt").read_bytes()
    for name, content in (("empty", b""), ("torn", whole[: len(whole) // 2]), ("text", b"not a checkpoint\n" * 9)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="or is damaged") as error:
            read_checkpoint(tmp_path / name)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="not readable"):
        read_checkpoint(tmp_path / "absent.ckpt")
    torch.save({"state_dict": {"a": torch.ones(3)}}, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    assert read_checkpoint(tmp_path / "old.ckpt")["a"].tolist() == [1, 1, 1]
    proof = tmp_path / "executed"
    torch.save({"state_dict": Attack(proof)}, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match=r"the pickle names (posix|os)\.system"):
        read_checkpoint(tmp_path / "old.ckpt")
    assert not proof.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_any_changed_byte_is_one_line_or_a_checkpoint(tmp_path):
    """Damage of the pickle itself, behind the archive's checksums: old files have none."""
    torch.save({"state_dict": {"a": torch.ones(3)}}, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    whole = bytearray((tmp_path / "old.ckpt").read_bytes())
    stream = np.random.default_rng(0)
    for _ in range(300):
        torn = bytearray(whole)
        torn[stream.integers(len(torn))] = stream.integers(256)
        (tmp_path / "torn.ckpt").write_bytes(torn)
        try:
            assert set(map(type, read_checkpoint(tmp_path / "torn.ckpt").values())) == {torch.Tensor}
        except InputError as error:
            assert "\n" not in str(error)
