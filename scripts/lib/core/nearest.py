"""What somebody may have meant: the nearest of the names that are known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return "; did you mean X?" with the nearest known name, or nothing where none is near."""
    near = difflib.get_close_matches(word, list(dict.fromkeys(known)), n=1, cutoff=cutoff)
    return f"; did you mean {near[0]}?" if near else ""


def near_file(path: str | Path, folders: Iterable[Path], suffixes: Iterable[str]) -> str:
    """Return "; did you mean X?" with the file of these folders whose path or name is nearest to that of a missing one.

    The folder of the path itself is looked at first; files are told as they would have to be typed from here.
    """
    path, endings = Path(path), tuple(suffixes)
    places = [folder for folder in dict.fromkeys([path.parent, *folders]) if folder.is_dir()]
    files = [str(file) for folder in places for file in sorted(folder.iterdir()) if file.suffix in endings]
    by_name = {Path(file).stem: file for file in reversed(files)}
    near = difflib.get_close_matches(path.stem, list(by_name), n=1, cutoff=0.6)
    return f"; did you mean {by_name[near[0]]}?" if near else did_you_mean(str(path), files)
