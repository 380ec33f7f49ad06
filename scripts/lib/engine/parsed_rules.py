"""What Snakemake's parser makes of the files of rules/, kept beside them: a sixth of the start of a run.

Each file has its own, as Python keeps what it has compiled: in __pycache__, by the text and the versions of Python and Snakemake.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from scripts.lib.core.atomic import atomic_file

HERE = "\0place of the file\0"  # in the parser's output, so that a copy of the folder can use it too


class ParsedRules:
    """Stands for Snakemake's `parse` and asks it only for texts that it was not asked for before."""

    def __init__(self, parse: Callable[..., tuple[str, int]]) -> None:
        self.parse = parse
        self.versions = f"{sys.implementation.cache_tag}.snakemake-{metadata.version('snakemake')}"

    def __call__(self, path: Any, workflow: Any, linemap: dict[int, int], *rest: Any, **named: Any) -> tuple[str, int]:
        """Return a file's rules as Python and the number of rules so far; fills {line of it: line of the file}."""
        own = os.fspath(path.get_path_or_uri(secret_free=True))
        count = named.get("rulecount", 0)
        if rest or named.keys() - {"rulecount"} or not Path(own).is_file():
            return self.parse(path, workflow, linemap, *rest, **named)
        kept = Path(own).parent / "__pycache__" / f"{Path(own).stem}.{self.versions}.json"
        text = Path(own).read_bytes()
        key = [hashlib.sha256(text).hexdigest(), count]
        with contextlib.suppress(OSError, ValueError, TypeError):  # not there, cut off, or of another form: made anew
            known, code, after, lines = json.loads(kept.read_text())
            if known == key:
                linemap.update(enumerate(lines, 1))
                return code.replace(HERE, repr(own)), after
        code, after = self.parse(path, workflow, linemap, **named)
        lines = [linemap[number] for number in sorted(linemap)]
        if not sys.dont_write_bytecode and sorted(linemap) == list(range(1, len(lines) + 1)):
            store(kept, json.dumps([key, code.replace(repr(own), HERE), after, lines]))
        return code, after


def store(file: Path, text: str) -> None:
    """Write a file that may be missing; where that cannot be, the next start makes it anew."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(exist_ok=True)
        with atomic_file(file) as part:
            part.write_text(text)
