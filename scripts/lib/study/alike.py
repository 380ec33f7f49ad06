"""Datasets with the films of another one: `like: chestxdet` is another task on the same films, subsets and images.

Its cohort is a copy, its pools and filters are those of the dataset that it names; trials, tables and tests are its own.
Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.lib.core.nearest import did_you_mean

OWN = ("like", "title", "task", "target", "trials")  # keys that such a dataset may have


def films_of(config: Mapping[str, Any], dataset: str) -> str:
    """Return the dataset whose films, subsets, pools and judges a dataset uses: that of its key `like`, or itself."""
    section = config["datasets"].get(dataset)
    return str(section["like"]) if isinstance(section, Mapping) and section.get("like") else dataset


def with_films_alike(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with the keys that a dataset takes over from the one it is like; faults are like_faults'."""
    sections = config.get("datasets")
    if not isinstance(sections, Mapping):
        return dict(config)
    filled = {}
    for name, section in sections.items():
        other = sections.get(section["like"]) if isinstance(section, Mapping) and "like" in section else None
        shared = {key: value for key, value in other.items() if key != "trials"} if isinstance(other, Mapping) else {}
        filled[name] = {**shared, **section} if shared else section
    return {**config, "datasets": filled}


def like_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each key `like` that cannot be followed; of the configuration as it is written."""
    sections = config.get("datasets")
    for name, section in (sections or {}).items() if isinstance(sections, Mapping) else ():
        if not isinstance(section, Mapping) or "like" not in section:
            continue
        where, other = f"config: datasets.{name}.like = {section['like']}", sections.get(section["like"])
        if not isinstance(other, Mapping):
            others = [one for one in sections if one != name]
            yield f"{where}: there is no such dataset{did_you_mean(str(section['like']), others)}; name one of {', '.join(others)}"
        elif "like" in other or section["like"] == name:
            yield f"{where}: has no films of its own; name the dataset that has them"
        for key in section:
            if key not in OWN:
                yield f"config: datasets.{name}.{key}: it has the films of {section['like']}, so only {', '.join(OWN)} may stand here"
