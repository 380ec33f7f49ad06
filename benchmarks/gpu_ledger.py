"""What a benchmark has measured so far: stored after every measurement, a failure as one too, gone on with by the next run."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError

FAILED = "failed"


class Ledger:
    """Measurements by name, in `path` (.json) where there is one. What failed is measured again by the next run.

    `about` describes machine and shapes: numbers of another one are refused, since ratios are taken between them.
    `seconds`: no measurement begins later than this after the start; those left out are in `left`.
    """

    def __init__(self, path: Path | None, about: Mapping[str, Any], seconds: float | None = None) -> None:
        self.path, self.about = path, dict(about)
        self.entries: dict[str, dict[str, Any]] = {}
        self.left: list[str] = []
        self._end = None if seconds is None else time.monotonic() + seconds
        if path is None or not path.is_file():
            return
        try:
            stored = json.loads(path.read_text())
            stored["about"], stored["measured"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: not a file of measurements ({error!r}); name another file") from None
        if stored["about"] != json.loads(json.dumps(self.about)):
            raise InputError(
                f"{path}: measured on {_short(stored['about'])}; this run is {_short(self.about)}; name another file"
            )
        self.entries = stored["measured"]

    def measure(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        """Return what `work` returns, or has returned in an earlier run; {"failed": reason}; None when there was no time."""
        if good(self.entries.get(name)):
            return self.entries[name]
        if self._end is not None and time.monotonic() > self._end:
            self.left.append(name)
            return self.entries.get(name)
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            self.entries[name] = work()
        except torch.OutOfMemoryError:
            self.entries[name] = {FAILED: "out of memory"}
        # One switch that a machine cannot do must not cost the numbers of all others; its reason becomes its row.
        except Exception as error:
            self.entries[name] = {FAILED: f"{type(error).__name__}: {_short(error)}"}
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if FAILED in self.entries[name]:
            print(f"{name} failed: {self.entries[name][FAILED]}", file=sys.stderr, flush=True)
        self._store()
        return self.entries[name]

    def _store(self) -> None:
        if self.path is not None:
            with atomic_file(self.path) as path:
                path.write_text(json.dumps({"about": self.about, "measured": self.entries}, indent=1) + "\n")


def good(entry: Mapping[str, Any] | None) -> bool:
    """Whether this was measured and did not fail."""
    return entry is not None and FAILED not in entry


def _short(thing: object) -> str:
    return " ".join(str(thing).split())[:160]
