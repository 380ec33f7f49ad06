"""How the files of a study lie on top of each other.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.lib.study.tasks import TASKS


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` laid on top: mappings merge key by key, everything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def lay_over(config: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of earlier files with those of a later one on top.

    Sections may hold values for one task beside those for all. What the later file says for all tasks holds for all of them, also
    where an earlier file has a value for one; what it says for one task comes last.
    """
    merged = merge(config, over)
    for name, given in over.items():
        before = config.get(name)
        if not (isinstance(given, Mapping) and isinstance(before, Mapping)):
            continue
        for task in TASKS:
            own, said = before.get(task), given.get(task, {})
            if isinstance(own, Mapping) and isinstance(said, Mapping):
                merged[name][task] = merge(_with_shared(own, given), said)
    return merged


def _with_shared(own: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of one task, replaced where `given` has a value of the same key for all tasks; no key is added."""
    return {key: _either(value, given[key]) if key in given else value for key, value in own.items()}


def _either(own: Any, given: Any) -> Any:
    return _with_shared(own, given) if isinstance(own, Mapping) and isinstance(given, Mapping) else given
