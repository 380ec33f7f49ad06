"""Patches of Python's import system: jobs start without what they never call. Nothing here changes what a job computes.

Written for torch 2.15.0, diffusers 0.42.1, transformers 5.23.0, segmentation_models_pytorch 0.6.0. `python -m scripts.X --help`
imports none of them (0.07 s). What each patch is worth in seconds of user time, medians of three turns in each of which one patch
was off: the start of a trial of RSNA (2.3 with all patches, 5.3 with none), of SIIM (2.4, 6.4), of a pool (5.5, 10.7). A whole trial
at 1 % takes 5.7 in place of 9.5, and 8.8 in place of 12.9.

patch             RSNA   SIIM   pool   when it may go
without_compiler  2.1    2.6    2.6    `import torch.optim` and diffusers no longer import torch._dynamo
_end_quickly      0.8    0.6    0.7    Python's end no longer looks at all objects
COLLECT_AFTER     0.1    0.0    0.3    Python's own threshold suits a few hundred thousand new objects
BARE              0.2    0.3    -      segmentation_models_pytorch imports timm for the encoders that ask for it
OPTIONAL          -      -      0.9    diffusers and transformers import scipy and torchvision when they use them

A patch goes whose gain is below 2 % of each of these starts. So went torch's distributed tensors and flexible attention (0 or less)
and the bare folders of diffusers (0). The libraries have a branch for what is not there; diffusers' solvers then refuse
`use_beta_sigmas`, which needs scipy. A package without its `__init__` is opened as a bare folder of modules, and becomes the
real one when it is asked for more.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

MASKS = "torch._dynamo._trace_wrapped_higher_order_op"  # a mode that transformers imports by name
COMPILER = ("torch._dynamo", "torch._dynamo.utils", MASKS)
BARE = (
    "segmentation_models_pytorch",
    "segmentation_models_pytorch.base",
    "segmentation_models_pytorch.decoders",
    "segmentation_models_pytorch.decoders.unetplusplus",
)
OPTIONAL = ("scipy", "torchao", "torchvision")  # what diffusers and transformers do without
# They keep what they were told of OPTIONAL: it may not go once one of them is loaded.
ASKING = ("transformers", "diffusers")
COLLECT_AFTER = 200_000  # new objects; Python's 700 looks at those of the imports again and again


class _StandIn(types.ModuleType):
    """A module that gives way to the real one as soon as an attribute is asked for that it does not have."""

    def __getattr__(self, name: str) -> Any:
        # `__path__` is asked for by the import of a submodule, which needs the real one, and by every `from ... import`.
        submodule = sys._getframe(1).f_code.co_name == "_find_and_load_unlocked"
        if name.startswith("__") and not (name == "__path__" and self.__name__ == COMPILER[0] and submodule):
            raise AttributeError(name)
        _remove_stand_ins()
        importlib.import_module("torch._dynamo")
        return getattr(sys.modules[self.__name__], name)


def _disable(fn: Callable | None = None, *_: Any, **__: Any) -> Callable:
    """Answer for `torch._dynamo.disable`: a function that nobody compiles needs no protection from compilation."""
    return fn if fn is not None else lambda function: function


def _getitem_mode() -> Any:
    """Answer for a mode of `torch.vmap` that transformers imports by name, and needs for attention masks of a rare form."""
    return importlib.import_module(MASKS).TransformGetItemToIndex()


@contextmanager
def without_compiler() -> Iterator[None]:
    """Answer for torch's compiler while the block runs, unless it is loaded already."""
    if COMPILER[0] not in sys.modules:
        dynamo, utils, masks = (cast(Any, _StandIn(name)) for name in COMPILER)
        dynamo.disable, dynamo.graph_break, dynamo.utils = _disable, lambda *_, **__: None, utils
        dynamo.allow_in_graph = dynamo.assume_constant_result = _disable
        utils.is_compile_supported = lambda device: False
        masks.TransformGetItemToIndex = _getitem_mode
        sys.modules.update(zip(COMPILER, (dynamo, utils, masks)))
    try:
        yield
    finally:
        _remove_stand_ins()


def _remove_stand_ins() -> None:
    for name in COMPILER:
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]


class _Folder(types.ModuleType):
    """A package without its `__init__`: its modules can be imported; for anything else it gives way to the real one."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name)
        self.__path__ = [str(folder)]
        if "." not in name:
            self.__version__ = metadata.version(name.replace("_", "-"))  # what their own modules ask it for
        self.__spec__ = ModuleSpec(name, None, is_package=True)
        self.__spec__.submodule_search_locations = self.__path__

    def __getattr__(self, name: str) -> Any:
        below = Path(self.__path__[0]) / name
        if name.startswith("__") or below.is_dir() or below.with_suffix(".py").is_file():
            raise AttributeError(name)  # so that the import system looks for the module
        _remove_folders()
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def bare_packages(*names: str) -> Iterator[None]:
    """Open these packages, the outer ones first, as bare folders of modules while the block runs."""
    _open_bare(names)
    try:
        yield
    finally:
        _remove_folders(names)


def _open_bare(names: Iterable[str] = BARE) -> None:
    for name in names:
        root, *rest = name.split(".")
        spec = importlib.util.find_spec(root) if root not in sys.modules else sys.modules[root].__spec__
        if spec is not None and spec.submodule_search_locations and name not in sys.modules:
            sys.modules[name] = _Folder(name, Path(spec.submodule_search_locations[0]).joinpath(*rest))


def _remove_folders(names: Iterable[str] | None = None) -> None:
    for name in list(sys.modules) if names is None else names:
        if isinstance(sys.modules.get(name), _Folder):
            del sys.modules[name]


def _spec_finder() -> Callable[..., ModuleSpec | None]:
    """Return a `find_spec` that does not find OPTIONAL; the stock one where a library has asked already."""
    stock = importlib.util.find_spec
    if any(name in sys.modules for name in ASKING):
        return stock
    return lambda name, package=None: None if name in OPTIONAL else stock(name, package)


def _end_quickly() -> None:
    """Spare the interpreter's end its looks at all objects, which free nothing of use; triton warns when it does not come."""
    if "triton" not in sys.modules:
        gc.freeze()


@contextmanager
def lean_imports() -> Iterator[None]:
    """Import torch, and while the block runs the libraries above without what is named above.

    What is loaded already stays as it is.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(COLLECT_AFTER, *thresholds[1:])
    atexit.register(_end_quickly)
    with without_compiler():
        import torch  # noqa: F401

        _open_bare()
        try:
            with patch.object(importlib.util, "find_spec", _spec_finder()):
                yield
        finally:
            gc.freeze()
            gc.unfreeze()  # all that there is counts as old now, without being looked at
            gc.set_threshold(*thresholds)
            _remove_folders()
