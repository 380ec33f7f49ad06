"""Where the files of a table lie: where their column says, in a folder that the column leaves out, or under another name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from scripts.lib.core.errors import InputError

LOOKED = 8  # files of a table that are looked for, evenly over those given


def folder_of(root: Path, paths: Sequence[str]) -> str | None:
    """Return the folder below `root` that these paths start from: "" for the root itself, None where none of them is found.

    paths  relative, of plain parts (paths.safe_path)

    Raises InputError for a folder that may not be read.
    """
    some = paths[:: max(1, len(paths) // LOOKED)][:LOOKED]
    best, most = None, 0
    for place in _folders(root):
        count = sum(Path(place, path).is_file() for path in some)
        if count > most:
            best, most = place, count
        if best == str(root) or most == len(some):  # what the column says counts more than what else fits
            break
    if best is None:
        return None
    return "" if best == str(root) else Path(best).relative_to(root).as_posix()


def whereabouts(root: Path, path: str) -> str:
    """Return where a file is that does not lie at `path` below `root`, and what to write, in words; "" where it is nowhere."""
    folder = folder_of(root, [path])
    if folder:
        return f"it lies in {folder}: write reader: {{images: {folder}}} in the dataset's settings"
    wanted = PurePosixPath(path).stem.casefold()
    for place in _folders(root):
        for near in sorted(Path(place).iterdir()):
            if near.stem.casefold() == wanted:
                return f"{near.relative_to(root).as_posix()} is there: write names as the files have them, with their ending"
    return ""


def _folders(root: Path) -> Iterator[str]:
    """Yield `root` and all folders below it, each before those inside; raises InputError for one that may not be read."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: {error.strerror}; ask for the right to read this folder")

    for place, below, _ in os.walk(root, onerror=refuse):
        below.sort()
        yield place
