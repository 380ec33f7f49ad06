"""Paths from tables: refused when they leave the dataset's root, opened only when they are plain files inside it."""

from __future__ import annotations

import os
import re
import stat
from functools import lru_cache
from pathlib import Path

from scripts.lib.core.errors import InputError
from scripts.lib.formats.record import Rejected

FILE_LIMIT = 1 << 30
ABSENT = "listed file is missing"


def safe_path(text: str, where: str) -> str:
    """Return `text` as a relative path of plain parts; raises InputError for anything that could leave the root."""
    parts = text.split("/")
    problem = None
    if "\0" in text:
        problem = "a NUL byte"
    elif not text.strip():
        problem = "nothing"
    elif re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        problem = "a URL"
    elif re.match(r"[A-Za-z]:", text):
        problem = "a drive letter"
    elif text.startswith("/"):
        problem = "an absolute path"
    elif "\\" in text:
        problem = "a backslash"
    elif text.startswith("~"):
        problem = "a home folder"
    elif ".." in parts:
        problem = "'..'"
    if problem:
        raise InputError(
            f"{where}: path {text!r} holds {problem}; expected a path relative to the dataset's root, with '/'"
        )
    return "/".join(part for part in parts if part not in ("", "."))


def safe_name(text: str, where: str) -> str:
    """Return an identifier that becomes part of a file name; raises InputError when it holds a path."""
    name = text.strip()
    if "/" in name or name in (".", ".."):
        raise InputError(f"{where}: identifier {text!r} holds a path; expected a plain name")
    return safe_path(name, where)


@lru_cache(maxsize=8)
def _real(root: str) -> str:
    return os.path.realpath(root)


@lru_cache(maxsize=4096)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def read_inside(root: str | Path, relative: str, where: str = "") -> bytes:
    """Return the bytes of the file `relative` below `root`.

    Raises Rejected when the file is missing, empty, too large or unreadable, and InputError when it is a link that
    leaves the root, or no plain file (a FIFO would hang the run, a device would never end).
    """
    path = Path(root, relative)
    named = where or str(path)
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            target = os.path.realpath(path)
            status = path.stat()
        else:
            target = str(Path(_real_folder(str(path.parent)), path.name))
    except FileNotFoundError:
        raise Rejected(ABSENT) from None
    except (OSError, ValueError) as error:
        raise Rejected(f"cannot be read: {error}") from None
    base = _real(str(root))
    if os.path.commonpath([base, target]) != base:
        raise InputError(f"{named}: {path} is a link to {target}, outside of {root}; copy the file or mount it inside")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{named}: {path} is no plain file but a {_kind(status.st_mode)}; expected an image file")
    if status.st_size == 0:
        raise Rejected("zero bytes")
    if status.st_size > FILE_LIMIT:
        raise Rejected(f"{status.st_size} bytes, more than the limit of {FILE_LIMIT}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise Rejected(f"cannot be read: {error.strerror}") from None


def _kind(mode: int) -> str:
    kinds = {stat.S_ISFIFO: "named pipe", stat.S_ISDIR: "folder", stat.S_ISSOCK: "socket"}
    return next((name for test, name in kinds.items() if test(mode)), "device")


def files_below(root: str | Path, folders: tuple[str, ...], suffixes: tuple[str, ...]) -> list[str]:
    """Return the image files below these folders of the root, as sorted relative paths; no suffix given means any."""
    files = []
    for folder in folders:
        for folder_path, _, names in os.walk(Path(root, folder)):
            here = os.path.relpath(folder_path, root)
            for name in names:
                if not name.startswith(".") and (not suffixes or Path(name).suffix.lower() in suffixes):
                    files.append(name if here == "." else f"{here}/{name}".replace(os.sep, "/"))
    return sorted(files)
