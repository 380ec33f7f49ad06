"""What is left out of a job's imports is really left out, and is there again afterwards."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# Found, not imported: that takes 7 s of each process that collects the tests.
if not all(map(find_spec, ("diffusers", "segmentation_models_pytorch"))):
    pytest.skip("diffusers or segmentation_models_pytorch is not installed", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("scipy", "torchvision", "timm")

INSIDE = f"""
import os, sys
from scripts.lib.engine.lean_imports import BARE, lean_imports, without_compiler
with lean_imports():
    import torch
    from diffusers import AutoencoderKL, ControlNetModel, DPMSolverMultistepScheduler, UNet2DConditionModel
    from transformers import BertModel, CLIPTextConfig, CLIPTextModel
    from segmentation_models_pytorch.decoders.unetplusplus.decoder import UnetPlusPlusDecoder
    from segmentation_models_pytorch.losses import DiceLoss
    assert not [name for name in {HEAVY} if name in sys.modules], [name for name in {HEAVY} if name in sys.modules]
    weight = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.AdamW([weight])
    weight.sum().backward(); optimizer.step(); optimizer.zero_grad()
    assert weight[0] < 1
    assert not hasattr(sys.modules["torch._dynamo"], "__file__")
    if os.fork() == 0:  # a bare package becomes the real one
        import segmentation_models_pytorch
        from segmentation_models_pytorch import UnetPlusPlus
        assert segmentation_models_pytorch.__dict__.get("UnetPlusPlus") is None  # the name that was bound before stays bare
        assert segmentation_models_pytorch.UnetPlusPlus is UnetPlusPlus
        os._exit(0)
    assert os.wait()[1] == 0
assert not [name for name in BARE if type(sys.modules.get(name)).__name__ == "_Folder"]
"""
# Loading torch's compiler costs more than loading torch; what really needs it gets the real one.
COMPILER = """
assert not [name for name in sys.modules if name.startswith("torch._dynamo")]
from transformers.masking_utils import TransformGetItemToIndex
with TransformGetItemToIndex():
    assert torch.vmap(lambda i: torch.arange(3)[i])(torch.tensor([2, 0])).tolist() == [2, 0]
with without_compiler():
    assert torch._dynamo.config.cache_size_limit > 0
assert hasattr(sys.modules["torch._dynamo"], "__file__")
"""
AFTER = """
from segmentation_models_pytorch import UnetPlusPlus
import torchvision, scipy
assert UnetPlusPlus.__module__ == "segmentation_models_pytorch.decoders.unetplusplus.model"
assert isinstance(UnetPlusPlusDecoder([1, 4, 8], [4, 4], 2), torch.nn.Module)
"""
ASKED_BEFORE = """
import sys
from transformers.utils.import_utils import is_torchvision_available
assert is_torchvision_available()  # kept from now on: torchvision may not seem to be away
from scripts.lib.engine.lean_imports import lean_imports
with lean_imports():
    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
    from transformers import AutoImageProcessor
"""


def run(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_heavy_packages_are_left_out_and_come_when_they_are_asked_for():
    run(INSIDE + COMPILER + AFTER)


def test_nothing_is_hidden_from_a_library_that_has_asked_for_it():
    # A server of jobs imports for a proxy model first, which needs torchvision, and for a generator after it.
    run(ASKED_BEFORE)
