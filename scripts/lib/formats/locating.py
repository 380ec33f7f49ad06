"""Where the files of a table lie: where their column says, in one or more folders that it leaves out, or under another name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from scripts.lib.core.errors import InputError
from scripts.lib.formats.paths import safe_path

LOOKED = 8  # files of a table that are looked for, evenly over those given


class Places:
    """The folders below `root` that the paths of a column start from: one, or all that a pattern fits (images_*/images).

    given  "" for the root itself; a folder; or a pattern, in which * stands for any part of a folder's name
    key    of the reader that gave it, for messages

    Raises InputError for a path that could leave the root, and for a pattern that no folder fits.
    """

    def __init__(self, root: Path, given: str, key: str) -> None:
        self.given, self.key = safe_path(given, f"reader.{key}") if given else "", key
        self.root = root
        self._files: dict[str, set[str]] = {}  # names of a folder's own files
        self.folders = [self.given]
        if "*" in self.given:
            there = sorted(folder for folder in root.glob(self.given) if folder.is_dir())
            self.folders = [folder.relative_to(root).as_posix() for folder in there]
            if not there:
                raise InputError(f"reader.{key}: no folder {self.given} below {root}")

    def path(self, name: str, where: str) -> str:
        """Return a path of the column as one below the root; where several folders may have it, that which does.

        A path that none of them has stays in the first one. Raises InputError where two have it.
        """
        path = safe_path(name, where)
        if len(self.folders) == 1:
            return f"{self.folders[0]}/{path}" if self.folders[0] else path
        found = [folder for folder in self.folders if self._has(folder, path)]
        if len(found) > 1:
            raise InputError(
                f"{where}: {path} lies in {found[0]} and in {found[1]}, both of reader.{self.key}: {self.given}; "
                "write the folder in the column"
            )
        return f"{(found or self.folders)[0]}/{path}"

    def _has(self, folder: str, path: str) -> bool:
        """Whether a folder holds a file; the names of its own files are read once, for a table may have 100,000 rows."""
        if "/" in path:
            return (self.root / folder / path).is_file()
        if folder not in self._files:
            self._files[folder] = {entry.name for entry in os.scandir(self.root / folder)}
        return path in self._files[folder]


def folder_of(root: Path, paths: Sequence[str]) -> str | None:
    """Return the folder below `root` that these paths start from: "" for the root itself, None where none of them is found.

    Where each lies in one of several folders side by side, it is the pattern of these (images_*/images, */films).

    paths  relative, of plain parts (paths.safe_path)

    Raises InputError for a folder that may not be read.
    """
    some = paths[:: max(1, len(paths) // LOOKED)][:LOOKED]
    found: dict[str, int] = {}
    for place in _folders(root):
        if count := sum(Path(place, path).is_file() for path in some):
            if place == str(root):  # what the column says counts more than what else fits
                return ""
            found[Path(place).relative_to(root).as_posix()] = count
            if count == len(some):
                break
    if not found:
        return None
    pattern = _pattern(list(found)) if len(found) > 1 and sum(found.values()) == len(some) else None
    return pattern or max(found, key=lambda folder: found[folder])


def _pattern(folders: Sequence[str]) -> str | None:
    """Return what several folders have in common, with * for numbers, else for names, that differ; None for other depths."""
    if len(numbers := {re.sub(r"\d+", "*", folder) for folder in folders}) == 1:
        return numbers.pop()
    levels = [folder.split("/") for folder in folders]
    if len({len(parts) for parts in levels}) > 1:
        return None
    return "/".join(same[0] if len(set(same)) == 1 else "*" for same in zip(*levels))


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
