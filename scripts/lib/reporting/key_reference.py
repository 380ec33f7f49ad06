"""The reference of all keys of a configuration, docs/configuration.md, written from its two sources.

Bounds, choices and descriptions come from rules/config.schema.yaml; defaults come from config.yaml and studies/defaults.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.lib.core.atomic import atomic_file
from scripts.lib.study.config import CONFIG_FILE, TRAINED, default_files, read_study
from scripts.lib.study.files import read_yaml
from scripts.lib.study.schema import RENAMED, read_schema

PAGE = Path("docs", "configuration.md")
NOTHING = object()  # a key without a default: null is a default
LONGEST = 70  # characters of a default that is written out
HEAD = """# All keys of a configuration

<!-- written by python -m scripts.renew_docs --configuration -->

A study is `config.yaml` with an overlay from `studies/` on top. What a person seldom changes has its default in
`studies/defaults/`, which lies below `config.yaml`. Any of these files may set any key. Mappings are merged key by key, and
lists are replaced. A key that is not listed here is refused. Where `trials` or `conditions` have a value for one task
(`trials.segmentation.batch_size`), a later file's value for all tasks (`trials.batch_size`) takes its place.

What trainings have in common stands once, in [section `training`](#training). A section that has one of those keys and does
not set it takes the value of `training`; here its default reads "as `training`". A section's own value comes first, whichever
file either of them stands in: `controlnet: {precision: fp32}` holds, also where an overlay sets `training: {precision: bf16}`.

The files explain more: what a value changes, and what the paper says of it, stands beside the key.
"""
KINDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true, false", "null": "null"}
BOUNDS = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most", "exclusiveMaximum": "less than"}


@dataclass(frozen=True)
class Key:
    """One line of the reference: a dotted key, its default (or NOTHING), what it may be, and what it means."""

    path: str
    default: Any
    values: str
    description: str


def list_keys(schema: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, list[Key]]:
    """Return {section: its keys} in the order of the schema; keys without a section stand under an empty name."""
    sections: dict[str, list[Key]] = {"": []}
    for name, part in schema["properties"].items():
        keys = list(_keys(schema, part, config.get(name, NOTHING), name))
        is_section = "properties" in part or "additionalProperties" in part
        sections.setdefault(name if is_section else "", []).extend(keys)
    return sections


def _keys(schema: Mapping[str, Any], part: Mapping[str, Any], default: Any, path: str) -> Iterator[Key]:
    """Yield the keys of one part of the schema, with its `$ref` followed."""
    followed, text = _followed(schema, part), _followed(schema, part).get("description", "")
    again = part.get("$ref", "").endswith("_overrides")
    entry = _followed(schema, followed.get("additionalProperties") or {})
    if "properties" in followed:
        if again:
            yield Key(f"{path}.*", NOTHING, "mapping", text)
        for name, inner in followed["properties"].items():
            below = default.get(name, NOTHING) if isinstance(default, Mapping) else NOTHING
            if not again or below is not NOTHING:
                yield from _keys(schema, inner, below, f"{path}.{name}")
    elif "properties" in entry:
        yield from _keys(schema, entry, NOTHING, f"{path}.NAME")
    else:
        yield Key(path, default, _values(schema, followed), text)
        for inner in followed.get("anyOf", []):
            if "properties" in inner:
                yield from list(_keys(schema, inner, default, path))


def _followed(schema: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part of the schema with what its `$ref` names; keys beside the reference win."""
    if "$ref" not in part:
        return dict(part)
    return {**schema["$defs"][part["$ref"].rpartition("/")[2]], **part}


def _values(schema: Mapping[str, Any], part: Mapping[str, Any]) -> str:
    """Return in words which values a part of the schema takes."""
    part = _followed(schema, part)
    if "anyOf" in part:
        return " or ".join(_values(schema, inner) for inner in part["anyOf"])
    if "enum" in part or "const" in part:
        return ", ".join(_plain(value) for value in part.get("enum", [part.get("const")]))
    kinds = part["type"] if isinstance(part["type"], list) else [part["type"]]
    words = [KINDS[kind] for kind in kinds if kind in KINDS]
    if "array" in kinds:
        words.insert(0, f"list of {_values(schema, part['items'])}")
    if "object" in kinds:
        inner = part.get("additionalProperties")
        words.insert(0, f"mapping of name to {_values(schema, inner)}" if inner else "mapping")
    bounds = [f"{word} {_plain(part[bound])}" for bound, word in BOUNDS.items() if bound in part]
    if "multipleOf" in part:
        bounds.append(f"a multiple of {part['multipleOf']}")
    return ", ".join([" or ".join(words), *bounds])


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def default_places(section: str) -> list[str]:
    """Return the files, from the repository's root, that hold a section's defaults."""
    root = CONFIG_FILE.parent
    return [str(file.relative_to(root)) for file in [CONFIG_FILE, *default_files()] if section in read_yaml(file)]


def page() -> str:
    """Return the text of docs/configuration.md."""
    schema = read_schema()
    lines = [HEAD]
    for section, keys in list_keys(schema, read_study([CONFIG_FILE])).items():
        lines.append(f"## {section or 'Folders'}\n")
        if section:
            places = " and ".join(f"`{place}`" for place in default_places(section))
            text = schema["properties"][section]["description"]
            lines.append(f"{text[0].upper()}{text[1:]}. Defaults: {places}.\n")
        lines += ["| key | default | values | what it is |", "|---|---|---|---|"]
        lines += [f"| `{key.path}` | {_shown(key)} | {_cell(key.values)} | {_cell(key.description)} |" for key in keys]
        lines.append("")
    lines += ["## Keys of earlier versions\n", "| key | now |", "|---|---|"]
    lines += [f"| `{old}` | `{new}` |" for old, new in RENAMED.items()]
    return "\n".join(lines) + "\n"


def _shown(key: Key) -> str:
    section, _, name = key.path.rpartition(".")
    if key.default is NOTHING:
        return "as `training`" if name in TRAINED.get(section, ()) else ""
    text = json.dumps(key.default, ensure_ascii=False)
    return f"`{_cell(text)}`" if len(text) <= LONGEST else f"{len(key.default)} entries"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def write_page(root: Path) -> str:
    """Write docs/configuration.md of the repository `root`; return its path from there."""
    with atomic_file(root / PAGE) as path:
        path.write_text(page(), encoding="utf-8")
    return str(PAGE)


def page_differs(root: Path) -> Iterator[str]:
    """Yield one line when docs/configuration.md is not what schema and defaults say."""
    file = root / PAGE
    if not file.is_file() or file.read_text(encoding="utf-8") != page():
        yield f"{PAGE}: not what the schema and the defaults say; run `python -m scripts.renew_docs --configuration`"
