"""Several tasks on the films of one dataset: a section `datasets.NAME.cohort: OTHER` has the cohort, subsets and pools of OTHER.

NAME has trials, tables and panels of its own; its films are decoded once, its images sampled once.
Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scripts.lib.core.errors import InputError

KEY = "cohort"
OWN = (KEY, "title", "task", "target", "trials")  # what such a section says itself; all else is that of the other


def store_of(config: Mapping[str, Any], dataset: str) -> str:
    """Return the dataset whose cohort, subsets and pools a dataset has: itself, unless its section names another."""
    return config["datasets"].get(dataset, {}).get(KEY, dataset)


def stores_of(config: Mapping[str, Any], datasets: Iterable[str]) -> list[str]:
    """Return the same of several datasets, each once."""
    return list(dict.fromkeys(store_of(config, name) for name in datasets))


def with_shared(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of all datasets, those that name the cohort of another filled with what that one says.

    Raises InputError, one line a fault, for a cohort that is no dataset or is itself another's, and for keys that are the other's.
    """
    faults = [fault for name, own in sections.items() for fault in _faults(name, own, sections)]
    if faults:
        raise InputError.of(faults)
    return {name: _filled(own, sections) for name, own in sections.items()}


def _filled(own: Any, sections: Mapping[str, Any]) -> Any:
    if not isinstance(own, Mapping) or KEY not in own:
        return own
    other = {key: value for key, value in sections[own[KEY]].items() if key not in OWN}
    return {**other, **own}


def _faults(name: str, own: Any, sections: Mapping[str, Any]) -> list[str]:
    if not isinstance(own, Mapping) or KEY not in own:
        return []
    other, where = own[KEY], f"config: datasets.{name}"
    if not isinstance(sections.get(other), Mapping):
        return [f"{where}.cohort = {other}: no such dataset; expected one of {', '.join(one for one in sections if one != name)}"]  # fmt: skip
    if KEY in sections[other]:
        return [f"{where}.cohort = {other}: has the cohort of another dataset itself; name that one: {sections[other][KEY]}"]  # fmt: skip
    return [
        f"{where}.{key}: the films are those of {other}; write the key there (here only {', '.join(OWN)})"
        for key in own
        if key not in OWN and own[key] != sections[other].get(key)
    ]
