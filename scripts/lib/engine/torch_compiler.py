"""torch's compiler, loaded only by what really needs it.

`import torch._dynamo` costs as much CPU as torch itself. torch's optimizers, torchvision, timm and diffusers import it for
a few questions whose answers are known in a process that compiles nothing. A study starts dozens of short trainings,
so here a stand-in gives these answers; whatever else is asked of it loads the real module.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

MASKS = "torch._dynamo._trace_wrapped_higher_order_op"
NAMES = ("torch._dynamo", "torch._dynamo.utils", MASKS)


class _StandIn(types.ModuleType):
    """A module that gives way to the real one as soon as an attribute is asked for that it does not have."""

    def __getattr__(self, name: str) -> Any:
        # `__path__` is asked for by the import of a submodule, which needs the real one, and by every `from ... import`.
        submodule = sys._getframe(1).f_code.co_name == "_find_and_load_unlocked"
        if name.startswith("__") and not (name == "__path__" and self.__name__ == NAMES[0] and submodule):
            raise AttributeError(name)
        _remove()
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
    if NAMES[0] not in sys.modules:
        dynamo, utils, masks = (cast(Any, _StandIn(name)) for name in NAMES)
        dynamo.disable, dynamo.graph_break, dynamo.utils = _disable, lambda *_, **__: None, utils
        dynamo.allow_in_graph = dynamo.assume_constant_result = _disable
        utils.is_compile_supported = lambda device: False
        masks.TransformGetItemToIndex = _getitem_mode
        sys.modules.update(zip(NAMES, (dynamo, utils, masks)))
    try:
        yield
    finally:
        _remove()


def _remove() -> None:
    for name in NAMES:
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]
