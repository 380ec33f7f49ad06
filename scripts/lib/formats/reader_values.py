"""What the values of a reader's keys may be, so that a wrong one is refused before any film is read. Standard library only."""

from __future__ import annotations

import codecs
import math
from collections.abc import Callable, Mapping
from typing import Any

from scripts.lib.core.errors import InputError

ALLOWED: dict[str, tuple[Any, ...]] = {
    "uncertainty": ("mgca", "zeros", "ones", "ignore"),
    "blank": ("zero", "ignore"),
    "unknown_view": ("keep", "exclude"),
    "chexmask_missing": ("keep", "exclude"),
    "rle_base": (0, 1),
    "others": ("exclude", "negative"),
}
DEEPEST = 65535  # the largest grey value of a mask picture
OLDEST = 120  # years


def check_value(key: str, value: Any, default: Any, is_table: bool) -> None:
    """Raise InputError unless `value` is of the kind of the key's `default`, and within its range.

    `is_table`: a key that names a table of the format; null leaves the table out.
    """
    if key in ALLOWED:
        if value not in ALLOWED[key] or isinstance(value, bool):
            words = ", ".join(str(word) for word in ALLOWED[key])
            raise InputError(f"reader.{key} is {value!r}, expected one of {words}")
        return
    kinds: dict[type, tuple[type, ...]] = {float: (int, float), type(None): (str,)}
    kind = kinds.get(type(default), (type(default),))
    if is_table and value is None:
        return
    if not isinstance(value, kind) or isinstance(value, bool) != isinstance(default, bool):
        raise InputError(f"reader.{key} is {value!r}, expected a {kind[-1].__name__}, such as {default!r}")
    if is_table and not value:
        raise InputError(f"reader.{key} is {value!r}, expected the name of a table, or null for none")
    if key in RANGES:
        fits, words = RANGES[key]
        if not fits(value):
            raise InputError(f"reader.{key} is {value!r}, expected {words}")


def _number(value: Any, least: float, most: float) -> bool:
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return known and least <= value <= most


def _ages(value: list[Any]) -> bool:
    return not value or (len(value) == 2 and all(_number(age, 0, OLDEST) for age in value) and value[0] <= value[1])


def _grey(value: Any) -> bool:
    return isinstance(value, int) and _number(value, 0, DEEPEST)


def _greys(value: list[Any]) -> bool:
    return all(map(_grey, value))


def _words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)


def _classes(value: Mapping[Any, Any]) -> bool:
    return all(isinstance(one, str) or (_words(one) and bool(one)) for one in value.values())


def _names(value: Mapping[Any, Any]) -> bool:
    return all(isinstance(one, str) and one for one in value.values())


def _labels(value: Mapping[Any, Any]) -> bool:
    """Whether each word stands for a label's value; YAML reads yes and no without quotes as true and false."""
    return all(isinstance(word, str) and word for word in value) and all(
        isinstance(one, int) and not isinstance(one, bool) and one in (-1, 0, 1) for one in value.values()
    )


def _cells(value: Mapping[Any, Any]) -> bool:
    """Whether each column has one value, or a list of some."""
    lists = [one if isinstance(one, list) else [one] for one in value.values()]
    return all(one and not any(isinstance(cell, (list, dict)) for cell in one) for one in lists)


def _apart(value: Mapping[Any, Any]) -> bool:
    """Whether each structure has a grey value of its own."""
    return _greys([*value.values()]) and len(set(value.values())) == len(value)


def _encoding(value: str) -> bool:
    try:
        return bool(codecs.lookup(value)._is_text_encoding)  # "base64" is a codec, but no encoding of text
    except (LookupError, ValueError):
        return False


# Keys whose type alone does not say what is possible: whether a value is, and the words for it.
RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "min_rca": (lambda value: _number(value, 0, 1), "a Dice from 0 to 1, such as 0.7"),
    "ages": (_ages, f"[least, most] in years between 0 and {OLDEST}, or [] for every age"),
    "mask_values": (_apart, f"for each structure a grey value of its own, a whole number from 0 to {DEEPEST}"),
    "mask_ignored": (_greys, f"a list of grey values, whole numbers from 0 to {DEEPEST}"),
    "groups": (_classes, "for each structure the classes of the dataset that show it, a list of words"),
    "positive": (_words, "a list of words"),
    "negative": (_words, "a list of words"),
    "columns": (_names, "for each name the column of the table that holds it"),
    "label_words": (_labels, 'for each word in quotes 1, 0 or -1 (uncertain), such as {"yes": 1, "no": 0}'),
    "findings_separator": (bool, "what stands between two findings of a cell, such as '|'"),
    "where": (_cells, "for each column the value, or a list of values, of the rows to take"),
    "encoding": (_encoding, "an encoding that Python knows, such as 'utf-8' or 'latin-1'"),
}  # fmt: skip
