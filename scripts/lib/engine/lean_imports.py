"""Import diffusers, transformers and segmentation_models_pytorch without what a job of this project never calls.

diffusers imports all of its transformers and with them sympy, scipy and torchvision; transformers asks for torchvision,
scipy and torch's distributed tensors; segmentation_models_pytorch imports timm for encoders that a small model does not
have. That is 2 s of CPU in every job that samples and 1 s in every small segmentation, more than some of them compute.
Three answers keep it out while a block runs: a package without its `__init__` is opened as a bare folder of modules
(and becomes the real one when it is asked for more), optional packages are not there, and a single process is not
distributed. The libraries have a branch for each. diffusers' solvers then refuse `use_beta_sigmas`, which needs scipy.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any
from unittest.mock import patch

from scripts.lib.engine.torch_compiler import without_compiler

BARE = (
    "diffusers.models.transformers",
    "diffusers.models.unets",
    "diffusers.models.autoencoders",
    "segmentation_models_pytorch",
    "segmentation_models_pytorch.base",
    "segmentation_models_pytorch.decoders",
    "segmentation_models_pytorch.decoders.unetplusplus",
)
OPTIONAL = ("scipy", "torchao", "torchvision")  # what diffusers and transformers do without
COLLECT_AFTER = (
    200_000  # new objects; Python's 700 looks at those of the imports again and again, 5 to 12 % of a small trial
)
FLEX = "torch.nn.attention.flex_attention"  # brings sympy; no model here has this form of attention


class _Folder(types.ModuleType):
    """A package without its `__init__`: its modules can be imported; for anything else it gives way to the real one."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name)
        self.__path__ = [str(folder)]
        self.__spec__ = ModuleSpec(name, None, is_package=True)
        self.__spec__.submodule_search_locations = self.__path__

    def __getattr__(self, name: str) -> Any:
        below = Path(self.__path__[0]) / name
        if name.startswith("__") or below.is_dir() or below.with_suffix(".py").is_file():
            raise AttributeError(name)  # so that the import system looks for the module
        _remove()
        return getattr(importlib.import_module(self.__name__), name)


class BlockMask:
    """No mask is of this class."""


def _refuse(*_: Any, **__: Any) -> None:
    raise ImportError(f"{FLEX} was left out of this process (scripts/lib/engine/lean_imports.py)")


def _open_bare() -> None:
    for name in BARE:
        root, *rest = name.split(".")
        found = importlib.util.find_spec(root) if root not in sys.modules else sys.modules[root].__spec__
        if found is not None and found.submodule_search_locations and name not in sys.modules:
            sys.modules[name] = _Folder(name, Path(found.submodule_search_locations[0]).joinpath(*rest))


def _remove() -> None:
    for name in BARE:
        if isinstance(sys.modules.get(name), _Folder):
            del sys.modules[name]


def _without_flex() -> types.ModuleType:
    module: Any = types.ModuleType(FLEX)
    module.BlockMask = BlockMask
    for name in ("AuxRequest", "create_block_mask", "flex_attention"):
        setattr(module, name, _refuse)
    module._DEFAULT_SPARSE_BLOCK_SIZE = 128
    return module


def _spec_finder() -> Callable[..., ModuleSpec | None]:
    stock = importlib.util.find_spec
    return lambda name, package=None: None if name in OPTIONAL else stock(name, package)


def _end_quickly() -> None:
    """Spare the interpreter's end its looks at all objects, which free nothing of use; triton warns when it does not come."""
    if "triton" not in sys.modules:
        gc.freeze()


@contextmanager
def lean_imports() -> Iterator[None]:
    """Import torch, and while the block runs the libraries above without what is named above.

    What is loaded already stays as it is. Several processes that share a training get torch's distributed parts.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(COLLECT_AFTER, *thresholds[1:])
    atexit.register(_end_quickly)
    with without_compiler():
        import torch

        _open_bare()
        flex = None if FLEX in sys.modules else _without_flex()
        alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
        distributed = patch.object(
            torch.distributed, "is_available", (lambda: False) if alone else torch.distributed.is_available
        )
        try:
            if flex:
                sys.modules[FLEX] = flex
            with patch.object(importlib.util, "find_spec", _spec_finder()), distributed:
                yield
        finally:
            gc.freeze()
            gc.unfreeze()  # all that there is counts as old now, without being looked at
            gc.set_threshold(*thresholds)
            _remove()
            if flex and sys.modules.get(FLEX) is flex:
                del sys.modules[FLEX]
