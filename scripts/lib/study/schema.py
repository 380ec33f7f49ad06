"""What rules/config.schema.yaml refuses, one line a fault, and text of `--config` read as the type that it asks for.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import FILTERS, GENERATORS, SOURCES
from scripts.lib.study.files import parse
from scripts.lib.study.tasks import TASKS

SCHEMA_FILE = Path(__file__).resolve().parents[3] / "rules" / "config.schema.yaml"
NUMBER_TEXT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
OLD_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false", "y": "true", "n": "false"}
# Keys of earlier versions: where each of them is today.
RENAMED = {
    "finetune.absent_mask": "controlnet.absent_mask",
    "dpo.absent_mask": "controlnet.absent_mask",
    "sampling.batch_size": "sampling.save_every",
    "trials.schedule.name": "trials.schedule",
    "trials.schedule.warmup": "trials.warmup",
}
OVERRIDES = re.compile(rf"^(?:datasets\.[^.]+\.)?trials(?:\.(?:{'|'.join(TASKS)}))?\b")


def read_schema() -> dict[str, Any]:
    """Return the schema as it is written: bounds, choices and descriptions; `x-required` are keys of a whole study."""
    return yaml.load(SCHEMA_FILE.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506


@cache
def _validator() -> Any:
    """Return the schema's validator; keys without a bound of their own have that of `x-largest`."""
    import jsonschema

    schema = read_schema()
    _bound(schema, schema["x-largest"])
    arm = schema["properties"]["arms"]["additionalProperties"]["properties"]
    arm["generator"]["enum"], arm["filter"]["enum"] = list(GENERATORS), list(FILTERS)
    arm["source"]["enum"] = list(SOURCES)
    plain = jsonschema.Draft202012Validator
    # JSON Schema takes 3.0 for an integer; Python's range() does not.
    types = plain.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return jsonschema.validators.extend(plain, type_checker=types)(schema)


def _bound(schema: Any, largest: Mapping[str, Any], key: str = "any") -> None:
    """Put a largest number, length or count into each part of the schema that has none; by key name, or that of `any`.

    Keys of `x-required` become required: the schema does not ask for them itself, for editors hold single overlays against it.
    """
    if isinstance(schema, list):
        for part in schema:
            _bound(part, largest, key)
    if not isinstance(schema, dict):
        return
    if "x-required" in schema:
        schema["required"] = schema.pop("x-required")
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if {"integer", "number"} & set(kinds) and not {"maximum", "exclusiveMaximum"} & set(schema):
        schema["maximum"] = largest.get(key, largest["any"])
    if {"integer", "number"} & set(kinds) and not {"minimum", "exclusiveMinimum"} & set(schema):
        schema["minimum"] = -largest["any"]
    if "string" in kinds:
        schema.setdefault("maxLength", largest["text"])
    if "array" in kinds:
        schema.setdefault("maxItems", largest["list"])
    for name, part in schema.items():
        inner = name if key == "properties" else key if name in ("items", "anyOf") else "any"
        _bound(part, largest, "properties" if name == "properties" else inner)


def schema_faults(config: Mapping[str, Any]) -> list[str]:
    """Return one line for each key that the schema does not take: unknown, wrong type, out of bounds, missing."""
    faults = [f"config: {where} = {value}: expected a finite number" for where, value in _endless(config, ())]
    errors = sorted(_validator().iter_errors(config), key=lambda error: [str(part) for part in error.absolute_path])
    return faults or [line for error in errors for line in _explain(error)]


def value_faults(key: str, value: Any) -> list[str]:
    """Return one line where a dotted key cannot hold a value."""
    path, nested = key.split("."), value
    for name in reversed(path):
        nested = {name: nested}
    errors = (error for error in _validator().iter_errors(nested) if list(error.absolute_path)[: len(path)] == path)
    return [line for error in errors for line in _explain(error)]


def _endless(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    """Yield the place of each number that is not finite: no bound of the schema refuses nan."""
    if isinstance(value, float) and not math.isfinite(value):
        yield ".".join(path), value
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from _endless(part, (*path, str(key)))


def retyped(config: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with the words of `given` (the part that came from `--config`) read as what they say.

    Snakemake hands all words inside of `--config 'study={trials: 3}'` on as text, and reads `--config films=2019` as a
    number. Only what the schema refuses as it stands is read anew, so a name that looks like a number stays one.
    """
    plain = json.loads(json.dumps(config))
    for path, value in list(_words(given, ())):
        if isinstance(value, str) and value in ("null", "~", "Null", "NULL"):
            _put(plain, path, None)
    for error in list(_validator().iter_errors(plain)):
        path, value = tuple(error.absolute_path), error.instance
        if not _within(path, given):
            continue
        if isinstance(value, str) and value:
            try:
                _put(plain, path, parse(value, "--config"))
            except InputError:
                continue
        elif type(value) in (int, float) and math.isfinite(value) and error.validator == "type":
            _put(plain, path, str(value))
    return plain


def _words(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        yield path, value
        return
    for key, part in inner:
        yield from _words(part, (*path, key))


def _within(path: tuple[Any, ...], given: Any) -> bool:
    for key in path:
        if (
            isinstance(given, Mapping)
            and key in given
            or isinstance(given, list)
            and isinstance(key, int)
            and key < len(given)
        ):
            given = given[key]
        else:
            return False
    return True


def _put(config: Any, path: tuple[Any, ...], value: Any) -> None:
    *parents, last = path
    for key in parents:
        config = config[key]
    config[last] = value


def _explain(error: Any) -> list[str]:
    where = ".".join(str(part) for part in error.absolute_path) or "top level"
    if error.validator == "additionalProperties" and error.validator_value is False:
        known = list(error.schema.get("properties", {}))
        unknown = [key for key in error.instance if key not in known]
        return [unknown_key(where, str(key), known) for key in unknown]
    if error.validator == "required":
        return [f"config: {where}: {error.message.replace(' is a required property', '')} is missing"]
    if isinstance(error.instance, Mapping) and (old := [key for key in error.instance if _new_name(where, str(key))]):
        return [unknown_key(where, str(key), []) for key in old]
    value = json.dumps(error.instance, default=str)
    value = value if len(value) < 60 else value[:57] + "..."
    described = f"; it means: {error.schema['description']}" if "description" in error.schema else ""
    return [f"config: {where} = {value}: expected {_expected(error)}{_hint(error.instance)}{described}"]


def _hint(value: Any) -> str:
    if isinstance(value, str) and NUMBER_TEXT.fullmatch(value):
        return " (this is text: write the number without quotes)"
    if isinstance(value, str) and value.lower() in OLD_BOOLEANS:
        return f" (write {OLD_BOOLEANS[value.lower()]})"
    return ""


def unknown_key(where: str, key: str, known: list[str]) -> str:
    """Return the line that refuses a name, with its new name or the nearest one that is known."""
    if new := _new_name(where, key):
        return f"config: {where}: key {key!r} is of an earlier version; it is now {new}"
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    advice = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known)) or 'none'}"
    return f"config: {where}: unknown key {key[:80]!r}; {advice}"


def _new_name(where: str, key: str) -> str | None:
    """Return what a key of an earlier version is called today; those of `trials` also where a task or dataset overrides them."""
    old = f"{where}.{key}"
    if (new := RENAMED.get(old)) or not (override := OVERRIDES.match(old)):
        return new
    new = RENAMED.get(f"trials{old[override.end() :]}")
    return new and override[0] + new.removeprefix("trials")


def _expected(error: Any) -> str:
    words = {
        "minimum": "at least",
        "exclusiveMinimum": "more than",
        "maximum": "at most",
        "exclusiveMaximum": "less than",
        "enum": "one of",
        "type": "type",
        "pattern": "text of the form",
        "minItems": "a list of at least this length:",
        "maxItems": "a list of at most this length:",
        "minLength": "text of at least this length:",
        "maxLength": "text of at most this length:",
        "uniqueItems": "a list without repeats:",
        "const": "exactly",
    }
    if error.validator in ("anyOf", "oneOf"):
        return " or ".join(_expected(inner) for inner in error.context) or "another form"
    return f"{words.get(error.validator, error.validator)} {json.dumps(error.validator_value, default=str)}"
