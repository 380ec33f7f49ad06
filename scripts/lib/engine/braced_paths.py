"""Paths of a configuration that hold braces, reached through links without any.

Snakemake takes `{b}` in the path of an input for a wildcard and has no way to escape it. Standard library only.
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from scripts.lib.formats.sources import TABLE_KEYS
from scripts.lib.study.sources import PROMPT_INFO

LOCAL = "local-dir:"
BRACES = re.compile(r"[{}]")


def without_braces(config: Mapping[str, Any], folder: str | Path) -> dict[str, Any]:
    """Return the (resolved) configuration with each path that holds braces replaced by a link below `folder` to it."""
    own = copy.deepcopy(dict(config))
    for section, key, base in list(_paths(own)):
        value = section.get(key)
        if not isinstance(value, str) or not BRACES.search(value):
            continue
        local = LOCAL if value.startswith(LOCAL) else ""
        link = _link(Path(base, value.removeprefix(local)), Path(folder))
        # A table is looked for below the root, unless its path is absolute.
        section[key] = local + str(link.absolute() if base else link)
    return own


def _paths(config: MutableMapping[str, Any]) -> Iterator[tuple[MutableMapping[str, Any], str, str]]:
    """Yield (mapping, key, folder that a relative path begins in) of all places that hold a path."""
    for section in config["datasets"].values():
        for key in TABLE_KEYS[section["format"]]:
            if section.get("reader"):
                yield section["reader"], key, section["root"]
        yield section, "root", ""
        if model := section.get("trials", {}).get("model"):
            yield model, "weights", ""
    trials = config["trials"]
    for part in (trials, *(trials[task] for task in ("classification", "multilabel", "segmentation"))):
        if model := part.get("model"):
            yield model, "weights", ""
    yield config["base"], "path", ""
    yield config["mgca"]["text"], "path", ""
    yield config["mgca"]["image"], "weights", ""
    yield config["proxy"], "model", ""
    yield config["feedback"], "ratings", ""
    for arm in config.get("arms", {}).values():
        # Images lie beside their table: a link to the table alone would leave them behind.
        if "path" in arm and Path(arm["path"]).name == PROMPT_INFO:
            arm["path"] = str(Path(arm["path"]).parent)
        yield arm, "path", ""


def _link(target: Path, folder: Path) -> Path:
    """Return a link to the target; its name depends on the target's path alone, and so does all that is made through it."""
    target = target.absolute()
    place = folder / hashlib.sha256(str(target).encode()).hexdigest()[:16]
    link = place / BRACES.sub("_", target.name)
    place.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        try:
            link.symlink_to(target)
        except FileExistsError:  # another job of the study was quicker
            return link
        # An old link: a new one would be newer than what was made through it.
        os.utime(link, (0, 0), follow_symlinks=False)
    return link
