"""torchxrayvision's DenseNet-121 as an expert: what is read of its file, what is refused, and that it says the same."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from scripts import convert_expert
from scripts.lib.cohort.learned import not_known, read_learned, write_learned
from scripts.lib.core.errors import InputError
from scripts.lib.downstream.converted import densenet_expert
from scripts.lib.downstream.judges import open_judge
from scripts.lib.encoders import xrv
from scripts.lib.training.devices import Placement

SIDE = 32
# The old form of torch.save looks for the source of each class; those of `published` have none.
pytestmark = pytest.mark.filterwarnings("ignore:Couldn't retrieve source code:UserWarning")


@pytest.fixture(scope="module")
def published() -> Iterator[nn.Module]:
    """A random DenseNet-121 in the published layout: one channel, 18 outputs, classes of a module of that name."""
    torch.manual_seed(0)
    model = torchvision.models.densenet121(weights=None, num_classes=len(xrv.LABELS))
    model.features.conv0 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
    module = ModuleType(xrv.MODELS)
    kinds = {
        name: type(name, (nn.Module,), {"__module__": xrv.MODELS, "__qualname__": name})
        for name in ("DenseNet", "_DenseBlock", "_DenseLayer", "_Transition", "Other")
    }
    for name, kind in kinds.items():
        setattr(module, name, kind)
    sys.modules["torchxrayvision"], sys.modules[xrv.MODELS] = ModuleType("torchxrayvision"), module
    yield model.eval()
    del sys.modules["torchxrayvision"], sys.modules[xrv.MODELS]


def saved(model: nn.Module, path: Path, legacy: bool = False, other: bool = False) -> Path:
    """Save a model as its authors did, whole; the classes of torchvision become those of its own module."""
    module = sys.modules[xrv.MODELS]
    before = {part: part.__class__ for part in model.modules() if type(part).__module__.startswith("torchvision")}
    try:
        for part, kind in before.items():
            part.__class__ = getattr(module, "Other" if other and kind.__name__ == "DenseNet" else kind.__name__)
        torch.save(model, path, _use_new_zipfile_serialization=not legacy)
    finally:
        for part, kind in before.items():
            part.__class__ = kind
    return path


def expected(model: nn.Module, images: np.ndarray) -> np.ndarray:
    """Return what its authors compute of grey values 0..255: -1024 to 1024, 224 pixels."""
    x = torch.from_numpy(images)[:, None].float() / 255
    x = functional.interpolate(x, size=(xrv.SIDE, xrv.SIDE), mode="bilinear", antialias=True, align_corners=False)
    return np.asarray(model((2 * x - 1) * 1024).detach())


@pytest.mark.parametrize("form", ["model", "legacy", "legacy state", "state", "safetensors"])
def test_every_form_of_the_file_has_the_same_weights(published: nn.Module, tmp_path: Path, form: str) -> None:
    path = tmp_path / ("weights.safetensors" if form == "safetensors" else "weights.pt")
    if form == "safetensors":
        save_file(published.state_dict(), path)
    elif form.endswith("state"):
        torch.save(published.state_dict(), path, _use_new_zipfile_serialization=form == "state")
    else:
        saved(published, path, legacy=form == "legacy")
    found, wanted = xrv.read_densenet(path), published.state_dict()
    assert found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_the_command_writes_a_judge_that_says_what_its_authors_network_says(
    published: nn.Module, tmp_path: Path
) -> None:
    path = saved(published, tmp_path / "published.pt")
    convert_expert.main(["--weights", str(path), "--resolution", str(SIDE), "--out", str(tmp_path / "xrv")])
    judge = open_judge(tmp_path / "xrv", Placement(torch.device("cpu"), torch.float32))
    images = np.random.default_rng(1).integers(0, 256, (2, SIDE, SIDE), dtype=np.uint8)
    with torch.no_grad():
        found = judge.model(torch.from_numpy(images)[:, None].float() / 255).numpy()
    assert found.shape == (2, 18) and np.abs(found - expected(published, images)).max() < 2e-3 * np.abs(found).max()
    assert read_learned(tmp_path / "xrv") is None
    write_learned(tmp_path, [not_known("nih")])
    convert_expert.main(["--weights", str(path), "--resolution", str(SIDE), "--out", str(tmp_path / "listed")])
    assert list(read_learned(tmp_path / "listed")["role"]) == ["nih"]  # type: ignore[index]
    assert judge.names == list(xrv.LABELS) and judge.resolution == SIDE and not judge.masks
    assert judge.names[:2] == ["atelectasis", "consolidation"] and judge.names[7] == "pleural_effusion"


def test_a_file_with_anything_else_is_refused_and_never_run(published: nn.Module, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    torch.save({"features.conv0.weight": Bomb()}, tmp_path / "bomb.pt")
    old, cut = tmp_path / "old.pt", tmp_path / "cut.pt"
    torch.save({"features.conv0.weight": Bomb()}, old, _use_new_zipfile_serialization=False)
    cut.write_bytes(saved(published, tmp_path / "whole.pt", legacy=True).read_bytes()[:-9])
    for path, said in (
        (tmp_path / "bomb.pt", "it names .*exec, which could run code"),
        (old, "it names .*exec, which could run code"),
        (saved(published, tmp_path / "other-old.pt", legacy=True, other=True), "it names torchxrayvision.models.Other"),
        (cut, "is damaged"),
        (saved(published, tmp_path / "other.pt", other=True), "it names torchxrayvision.models.Other, which"),
        (tmp_path / "gone.pt", "not readable"),
    ):
        with pytest.raises(InputError, match=said) as error:
            xrv.read_densenet(path)
        assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


def test_another_network_is_one_line(published: nn.Module, tmp_path: Path) -> None:
    state = published.state_dict()
    for wrong, said in (
        ({**state, "classifier.weight": torch.zeros(14, 1024)}, "18 outputs"),
        ({name: value for name, value in state.items() if "denseblock4" not in name}, "weights are missing or unknown"),
        ({**state, "features.norm5.bias": torch.full((1024,), float("nan"))}, "NaN or infinite"),
        ({}, "no weights"),
    ):
        torch.save(wrong, tmp_path / "wrong.pt")
        with pytest.raises(InputError, match=said):
            densenet_expert(tmp_path / "wrong.pt", SIDE)
