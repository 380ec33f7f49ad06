"""Reading published checkpoints of MGCA and Stable Diffusion, pickles of Lightning, without running anything they say.

Besides weights such a file holds settings and the state of callbacks, as objects of classes. `torch.load(weights_only=True)`
refuses all classes but its own. Here the harmless ones that Lightning writes are named, and each is read as an empty
stand-in: no foreign code runs, not even the constructor of a named class. Any other class is refused by name.
"""

from __future__ import annotations

import pickle
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scripts.lib.core.errors import InputError

IMAGE_PREFIX = "img_encoder_q.model."
KNOWN = (
    "argparse.Namespace",
    "collections.defaultdict",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.PurePosixPath",
    "pathlib.WindowsPath",
    "pathlib.PureWindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath",
    "numpy.dtype",
    "numpy.ndarray",
    "numpy.core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "pytorch_lightning.callbacks.lr_monitor.LearningRateMonitor",
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "pytorch_lightning.utilities.parsing.AttributeDict",
)
# What reading a damaged pickle can end in.
FAULTS = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    OverflowError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
)
LAYER = re.compile(r"^layer\.(\d+)\.")  # how MGCA's own scripts for ViT call what is `blocks` in timm


class StandIn(dict):
    """What a class of the list is read as: takes any arguments and state, and keeps nothing of them."""

    def __new__(cls, *_: Any, **__: Any) -> StandIn:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __hash__(self) -> int:  # type: ignore[override]  # a pickle may use it as a key; dict itself says None
        return id(self)

    def __setstate__(self, _state: object) -> None:
        return None


def read_checkpoint(path: Path, kind: str = "MGCA") -> dict[str, Tensor]:
    """Return the state_dict of a checkpoint, tensors on the CPU; `kind`: what it should be one of, for errors.

    Raises InputError when the file is damaged, holds another class than those of KNOWN, or has no state_dict of tensors.
    """
    try:
        with torch.serialization.safe_globals([(StandIn, name) for name in KNOWN]):
            # Files from before torch 1.6 are no archives and cannot be searched first; loading refuses them as well.
            archive = zipfile.is_zipfile(path)
            foreign = torch.serialization.get_unsafe_globals_in_checkpoint(path) if archive else []
            content = None if foreign else torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: not readable ({error.strerror or error}); expected a checkpoint of {kind}") from None
    except FAULTS as error:
        reason = " ".join(str(error).split())
        foreign = re.findall(r"GLOBAL ([\w.]+)", reason)[:1]
        if not foreign:
            raise InputError(
                f"{path}: holds more than weights, or is damaged ({reason[:120]}); get the checkpoint again, or save its "
                f"state_dict as .safetensors where it was made"
            ) from None
    if foreign:
        raise InputError(
            f"{path}: holds more than weights: the pickle names {', '.join(sorted(foreign))[:200]}, which could run code; "
            f"get the checkpoint from its authors, or save its state_dict as .safetensors where it was made"
        )
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: no state_dict of tensors; expected a checkpoint of {kind}")
    return dict(state)


def timm_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict whose image encoder has timm's names; a head for ImageNet's classes is left out.

    ResNet-50 has torchvision's names, which are timm's; a ViT's blocks are called `layer` in some of MGCA's files.
    """
    keys = {key.removeprefix(IMAGE_PREFIX) for key in state if key.startswith(IMAGE_PREFIX)}
    vit = "patch_embed.proj.weight" in keys
    renamed = {}
    for key, value in state.items():
        if key.startswith(IMAGE_PREFIX):
            inner = key.removeprefix(IMAGE_PREFIX)
            if inner.startswith(("head.", "fc.")):
                continue
            key = IMAGE_PREFIX + (LAYER.sub(r"blocks.\1.", inner) if vit else inner)
        renamed[key] = value
    return renamed
