"""torch's compiler, loaded only by what really needs it.

`import torch._dynamo` costs more CPU (4 s) than torch itself. torch's optimisers, torchvision and timm import it for
three questions whose answers are known in a process that compiles nothing. A study starts dozens of short trainings,
so here a stand-in gives these answers; whatever else is asked of it loads the real module.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("torch._dynamo", "torch._dynamo.utils")


class _StandIn(types.ModuleType):
    """A module that gives way to the real one as soon as an attribute is asked for that it does not have."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and (self.__name__, name) != (NAMES[0], "__path__"):
            raise AttributeError(name)
        _remove()
        importlib.import_module("torch._dynamo")
        return getattr(sys.modules[self.__name__], name)


def _disable(fn: Callable | None = None, *_: Any, **__: Any) -> Callable:
    """Answer for `torch._dynamo.disable`: a function that nobody compiles needs no protection from compilation."""
    return fn if fn is not None else lambda function: function


@contextmanager
def without_compiler() -> Iterator[None]:
    """Answer for torch's compiler while the block runs, unless it is loaded already."""
    if NAMES[0] not in sys.modules:
        dynamo, utils = (_StandIn(name) for name in NAMES)
        dynamo.disable, dynamo.graph_break, dynamo.utils = _disable, lambda *_, **__: None, utils
        utils.is_compile_supported = lambda device: False
        sys.modules.update(zip(NAMES, (dynamo, utils)))
    try:
        yield
    finally:
        _remove()


def _remove() -> None:
    for name in NAMES:
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]
