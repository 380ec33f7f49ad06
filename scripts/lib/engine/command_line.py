"""What was typed after `snakemake`, checked before Snakemake reads it: its own errors there are tracebacks.

The profiles call this. Snakemake reads profiles first, then the files of --configfile, and only then the Snakefile. (Words
that --quiet or --resources cannot take are refused by Snakemake itself, before all of them.)
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.files import parse, read_yaml

FILES = ("--configfile", "--configfiles")
VALUES = ("--config", "-C")
SUFFIXES = (".yaml", ".yml", ".json")
KEY = re.compile(r"[a-zA-Z_][\w-]*\w")  # Snakemake's own form of a key of --config


def check_command_line(words: Sequence[str]) -> None:
    """End Snakemake with one line where an option has swallowed a target or a study's file is no configuration.

    words  the command line without its first word
    """
    try:
        for option, taken, rest in _options(words):
            _refuse_swallowed(option, taken, rest)
            if option in FILES:
                for path in taken:
                    read_yaml(path)
            if option in VALUES:
                _check_values(taken)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(1) from None


def _options(words: Sequence[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield (option, the words that it takes, all other words) for each option that takes several."""
    words = list(words)
    end = words.index("--") if "--" in words else len(words)
    for start, word in enumerate(words[:end]):
        option, given, value = word.partition("=")
        if option not in (*FILES, *VALUES):
            continue
        if given:  # --option=VALUE takes that one alone
            yield option, [value], []
            continue
        stop = next((at for at in range(start + 1, end) if words[at].startswith("-")), end)
        yield option, words[start + 1 : stop], [*words[:start], *words[stop:]]


def _refuse_swallowed(option: str, taken: list[str], rest: list[str]) -> None:
    fits = _is_study if option in FILES else _is_value
    kept, swallowed = [word for word in taken if fits(word)], [word for word in taken if not fits(word)]
    for word in swallowed if option in FILES else ():
        if not word or Path(f"{word}.yaml").is_file():
            meant = f"; did you mean {word}.yaml?" if Path(f"{word}.yaml").is_file() else ", e.g. studies/mine.yaml"
            raise InputError(
                f"{option} {shlex.quote(word)}: no configuration file; expected a file of YAML or JSON{meant}"
            )
    if swallowed:
        form = "a configuration file (.yaml)" if option in FILES else "KEY=VALUE"
        better = shlex.join(["snakemake", *swallowed, *rest, *([option, *kept] if kept else [])])
        raise InputError(
            f"{option} takes every word up to the next option, also {' '.join(swallowed)}, which is not {form}; write "
            f"targets first: {better}"
        )


def _is_value(word: str) -> bool:
    return "=" in word


def _is_study(word: str) -> bool:
    """Whether a word is meant as a configuration file: by its ending, or because such a file is there."""
    path = Path(word)
    if path.suffix in SUFFIXES:
        return True
    try:
        return path.is_file() and bool(read_yaml(path))
    except (InputError, OSError):
        return False


def _check_values(taken: Sequence[str]) -> None:
    given: dict[str, str] = {}
    for word in taken:
        key, _, value = word.partition("=")
        if given.setdefault(key, word) != word:
            raise InputError(f"--config {given[key]} and {word}: the key {key} stands twice; keep one of them")
        if not KEY.fullmatch(key):
            name, _, inner = key.partition(".")
            example = (
                f"{name}={{{inner.replace('.', ': {')}: {value}{'}' * (inner.count('.') + 1)}" if inner else "data=PATH"
            )
            raise InputError(f"--config {word}: {key!r} is no key; write for example --config {shlex.quote(example)}")
        if value.lstrip()[:1] in ("{", "["):
            parse(value, f"--config {key}")


def parse_values(words: Sequence[str]) -> dict[str, Any]:
    """Return the keys of `KEY=VALUE` words, values read as YAML; raises InputError, one line, for other words."""
    _refuse_swallowed("--config", list(words), [])
    _check_values(words)
    return {key: parse(value, f"--config {key}") for key, _, value in (word.partition("=") for word in words)}
