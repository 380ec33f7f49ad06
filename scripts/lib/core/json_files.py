"""JSON files that others wrote: an object or a list, or one line that says what is wrong with the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError


def read_json(path: Path, expected: str) -> dict[str, Any]:
    """Return the JSON object in a file; raises InputError, which says what was `expected`, when there is none."""
    content = _read(path, expected)
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a JSON object; expected {expected}")
    return content


def read_json_list(path: Path, expected: str) -> list[Any]:
    """Return the JSON list in a file; raises InputError, which says what was `expected`, when there is none."""
    content = _read(path, expected)
    if not isinstance(content, list):
        raise InputError(f"{path}: not a JSON list; expected {expected}")
    return content


def _read(path: Path, expected: str) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: no such file; expected {expected}") from None
    except OSError as error:
        raise InputError(f"{path}: not readable ({error.strerror}); expected {expected}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); get a true copy") from None
