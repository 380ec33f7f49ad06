"""What is left out of a job's imports is really left out, and is there again afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("diffusers")
pytest.importorskip("segmentation_models_pytorch")

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("sympy", "scipy", "torchvision", "timm", "torch.distributed.tensor")

INSIDE = f"""
import sys
from scripts.lib.engine.lean_imports import BARE, FLEX, lean_imports
with lean_imports():
    import torch
    from diffusers import AutoencoderKL, ControlNetModel, DPMSolverMultistepScheduler, UNet2DConditionModel
    from transformers import BertModel, CLIPTextConfig, CLIPTextModel
    from segmentation_models_pytorch.decoders.unetplusplus.decoder import UnetPlusPlusDecoder
    from segmentation_models_pytorch.losses import DiceLoss
    assert not [name for name in {HEAVY} if name in sys.modules], [name for name in {HEAVY} if name in sys.modules]
    assert not torch.distributed.is_available()
assert torch.distributed.is_available() and FLEX not in sys.modules
assert not [name for name in BARE if type(sys.modules.get(name)).__name__ == "_Folder"]
"""
AFTER = """
from segmentation_models_pytorch import UnetPlusPlus
from torch.nn.attention.flex_attention import create_block_mask
import torchvision, scipy, torch.distributed.tensor
assert UnetPlusPlus.__module__ == "segmentation_models_pytorch.decoders.unetplusplus.model"
assert create_block_mask.__name__ == "create_block_mask"
assert isinstance(UnetPlusPlusDecoder([1, 4, 8], [4, 4], 2), torch.nn.Module)
"""
MORE = """
from scripts.lib.engine.lean_imports import lean_imports
with lean_imports():
    import torch
    assert torch.distributed.is_available()  # in one of several processes
    import segmentation_models_pytorch
    from segmentation_models_pytorch import UnetPlusPlus  # a bare package gives way
    assert segmentation_models_pytorch.__dict__.get("UnetPlusPlus") is None  # the name that was bound before stays bare
    assert segmentation_models_pytorch.UnetPlusPlus is UnetPlusPlus
"""


def run(code: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_heavy_packages_are_left_out_and_come_when_they_are_asked_for():
    run(INSIDE + AFTER)


def test_a_bare_package_becomes_the_real_one_and_several_processes_are_distributed():
    run(MORE, WORLD_SIZE="2")
