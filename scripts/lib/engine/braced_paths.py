"""Paths of a configuration that hold braces, reached through links without any.

Snakemake takes `{b}` in the path of an input for a wildcard and has no way to escape it. Standard library only.
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.lib.study.paths import path_keys

LOCAL = "local-dir:"
BRACES = re.compile(r"[{}]")


def without_braces(config: Mapping[str, Any], folder: str | Path) -> dict[str, Any]:
    """Return the (resolved) configuration with each path that holds braces replaced by a link below `folder` to it."""
    copied = copy.deepcopy(dict(config))
    for section, key, base in list(path_keys(copied)):
        value = section.get(key)
        if not isinstance(value, str) or not BRACES.search(value):
            continue
        local = LOCAL if value.startswith(LOCAL) else ""
        link = _link(Path(base, value.removeprefix(local)), Path(folder))
        # A table is looked for below the root, unless its path is absolute.
        section[key] = local + str(link.absolute() if base else link)
    return copied


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
