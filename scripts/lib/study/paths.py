"""Which keys of a configuration hold paths. The Snakefile imports this module: standard library only."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from scripts.lib.formats.sources import TABLE_KEYS
from scripts.lib.study.sources import PROMPT_INFO
from scripts.lib.study.tasks import TASKS


def path_keys(config: MutableMapping[str, Any]) -> Iterator[tuple[MutableMapping[str, Any], str, str]]:
    """Yield (mapping, key, folder that a relative path begins in) of all places that hold a path."""
    for section in config["datasets"].values():
        for key in TABLE_KEYS[section["format"]]:
            if section.get("reader"):
                yield section["reader"], key, section["root"]
        yield section, "root", ""
        if model := section.get("trials", {}).get("model"):
            yield model, "weights", ""
    trials = config["trials"]
    for part in (trials, *(trials[task] for task in TASKS)):
        if model := part.get("model"):
            yield model, "weights", ""
    yield config["base"], "path", ""
    yield config["mgca"]["text"], "path", ""
    yield config["mgca"]["image"], "weights", ""
    yield config["proxy"], "model", ""
    yield config["feedback"], "ratings", ""
    yield config["edits"]["questionnaire"], "answers", ""
    for arm in config.get("arms", {}).values():
        # Images lie beside their table: a link to the table alone would leave them behind.
        if "path" in arm and Path(arm["path"]).name == PROMPT_INFO:
            arm["path"] = str(Path(arm["path"]).parent)
        yield arm, "path", ""
