"""YAML and JSON files of a study as plain data, or one line that says what is wrong with them.

Imported with the Snakefile and before it, so it must stay light: standard library and yaml.
"""

from __future__ import annotations

import io
import json
import math
import re
from contextlib import suppress
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import yaml

from scripts.lib.core.errors import InputError
from scripts.lib.core.nearest import near_file

LARGEST_FILE = 262_144  # bytes; config.yaml with all its comments has an eighth of that
DEEPEST = 40  # levels; the deepest key of config.yaml lies on the sixth
MOST_VALUES = 20_000  # with every alias written out
TEMPLATE = "__use_yte__"
TAG = "tag:yaml.org,2002:"


class _Named(io.StringIO):
    """A text with the name by which libyaml's marks call it."""

    name = ""


class _Loader(yaml.SafeLoader):
    """Plain data in the sense of YAML 1.2, in which 1e-4 is a number, and yes, on, 12:30 and 2026-01-31 are text.

    Refuses what a configuration has no use for: a key given twice, nesting and aliases without end, numbers that are not
    finite, and values of other types than mapping, list, text, number, true, false and null. Keys are always text.
    """

    # Emptied: SafeLoader's own are those of YAML 1.1.
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    yaml_constructors: ClassVar[dict[str | None, Any]] = {}
    depth = 0

    def __init__(self, text: str, name: str, quick: bool) -> None:
        """Take a text that errors call `name`; `quick`: libyaml reads its words, a few times as fast."""
        super().__init__(text)
        self.name = name
        if quick:
            from yaml._yaml import CParser

            source = _Named(text)
            source.name = name
            words = CParser(source)
            for event in ("check_event", "peek_event", "get_event"):
                setattr(self, event, getattr(words, event))

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > DEEPEST:
            _refuse(self.peek_event(), f"nested deeper than {DEEPEST} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _refuse(where: Any, what: str) -> NoReturn:
    mark = where.start_mark
    raise InputError(f"{mark.name}:{mark.line + 1}: {what}")


def _mapping(loader: _Loader, node: yaml.Node) -> dict[str, Any]:
    if not isinstance(node, yaml.MappingNode):
        _refuse_tag(loader, node)
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            _refuse(key, "a list or mapping stands where a key is expected; write a word before the colon")
        line = key.start_mark.line + 1
        if key.value in seen:
            _refuse(key, f"key {key.value!r} is given twice (first in line {seen[key.value]}); keep one of them")
        seen[key.value] = line
    loader.flatten_mapping(node)
    return {key.value: loader.construct_object(value, deep=True) for key, value in node.value}


def _sequence(loader: _Loader, node: yaml.Node) -> list[Any]:
    if not isinstance(node, yaml.SequenceNode):
        _refuse_tag(loader, node)
    return [loader.construct_object(value, deep=True) for value in node.value]


def _scalar(loader: _Loader, node: yaml.Node) -> Any:
    kind = node.tag.removeprefix(TAG)
    if not isinstance(node, yaml.ScalarNode) or not FORMS[kind].fullmatch(node.value):
        _refuse_tag(loader, node)
    if kind == "str":
        return node.value
    if kind == "null":
        return None
    if kind == "bool":
        return node.value.lower() == "true"
    if kind == "int" and len(node.value) <= 30:
        return int(node.value)
    value = math.inf if node.value.lower().endswith(("inf", "nan")) else float(node.value)
    if not math.isfinite(value) or kind == "int":
        _refuse(node, f"{node.value[:40]} is not a number that can be used here; expected a finite one")
    return value


def _refuse_tag(loader: _Loader, node: yaml.Node) -> NoReturn:
    _refuse(node, f"the tag {node.tag} is not taken here; write text, numbers, true, false, null, lists or mappings")


# What a word without quotes is, and the letters that it may begin with.
FORMS = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]+"),
    "float": re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF|nan|NaN|NAN)"),
    "str": re.compile(r".*", re.S),
}
FIRST = {"null": ["~", "n", "N", ""], "bool": list("tTfF"), "int": list("-+0123456789"), "float": list("-+.0123456789")}
for _kind, _letters in FIRST.items():
    _Loader.add_implicit_resolver(TAG + _kind, re.compile(f"^(?:{FORMS[_kind].pattern})$"), _letters)
_Loader.add_implicit_resolver(f"{TAG}merge", re.compile("^<<$"), ["<"])
for _kind in FORMS:
    _Loader.add_constructor(TAG + _kind, _scalar)
_Loader.add_constructor(f"{TAG}map", _mapping)
_Loader.add_constructor(f"{TAG}seq", _sequence)
_Loader.add_constructor(None, _refuse_tag)


def _check_size(node: yaml.Node, sizes: dict[int, int | None]) -> int:
    """Return how many values a node holds with every alias written out; a few lines of aliases can stand for billions."""
    known = sizes.get(id(node), 0)
    if known is None:
        _refuse(node, "an alias stands inside of what it repeats")
    if known:
        return known
    sizes[id(node)] = None
    inner: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        inner = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        inner = node.value
    size = 1 + sum(_check_size(part, sizes) for part in inner)
    if size > MOST_VALUES:
        _refuse(node, f"more than {MOST_VALUES} values, aliases written out")
    sizes[id(node)] = size
    return size


def parse(text: str, name: str) -> Any:
    """Return the value of a YAML text; raises InputError, which calls the text `name`, for anything but plain data."""
    return deepcopy(_parsed(text, name))


@lru_cache(maxsize=32)  # a study reads each of its files more than once, and reading takes 50 times as long as a copy
def _parsed(text: str, name: str) -> Any:
    if yaml.__with_libyaml__:
        with suppress(InputError):
            return _read(text, name, quick=True)
    return _read(text, name, quick=False)  # PyYAML's own words for what is wrong


def _read(text: str, name: str, quick: bool) -> Any:
    loader = None
    try:
        loader = _Loader(text, name, quick)
        node = loader.get_single_node()
        if node is None:
            return None
        _check_size(node, {})
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise InputError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from None
    except (ValueError, IndexError, OverflowError) as error:  # PyYAML lets those of damaged escapes through
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name}: not valid YAML: {error}") from None
    finally:
        if loader is not None:
            loader.dispose()


def read_text(path: str | Path) -> str:
    """Return the text of a small UTF-8 file; raises InputError, one line, where it is missing, too large or not UTF-8."""
    path = Path(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        near = near_file(path, [Path("studies"), Path()], (".yaml", ".yml", ".json"))
        start = f"{' Or ' if near else '; '}make start TABLE=FILE writes studies/mine.yaml from a table of films"
        raise InputError(
            f"{path}: no such configuration file{near}{start if path.parent.name == 'studies' else ''}"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > LARGEST_FILE:
        raise InputError(f"{path}: larger than {LARGEST_FILE} bytes; a configuration is a text of a few kilobytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}:{line}: byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from None


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Return the mapping of a YAML (or .json) file; raises InputError, one line, for all else."""
    text = read_text(path)
    content = _parse_json(text, str(path)) if Path(path).suffix == ".json" else parse(text, str(path))
    if not isinstance(content, dict):
        got = "nothing: it is empty, or all of it is commented out" if content is None else type(content).__name__
        raise InputError(f"{path}: expected a mapping of keys, got {got}")
    if TEMPLATE in content:
        raise InputError(
            f"{path}: {TEMPLATE}: templates, which run code, are not taken here; write the values themselves"
        )
    return content


def _parse_json(text: str, name: str) -> Any:
    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise InputError(f"{name}: key {twice!r} is given twice; keep one of them")
        return dict(pairs)

    def constant(word: str) -> NoReturn:
        raise InputError(f"{name}: {word} is not a number that can be used here; expected a finite one")

    try:
        return json.loads(text, object_pairs_hook=mapping, parse_constant=constant)
    except InputError:
        raise
    except RecursionError:
        raise InputError(f"{name}: nested too deep") from None
    except ValueError as error:
        raise InputError(f"{name}: not valid JSON: {error}") from None
