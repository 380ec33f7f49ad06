"""Outputs that appear whole or not at all: written under a temporary name, synced to disk, then renamed."""

from __future__ import annotations

import glob
import hashlib
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.lib.core.full_disk import FullDiskError, full_disk, full_disk_error

LONGEST_NAME = 255  # bytes, on nearly every file system


def _temporary_sibling(path: Path) -> Path:
    """Return a name beside `path` that says which process writes it; what killed processes of this machine left there goes."""
    writer = f"{platform.node() or 'here'}.{os.getpid()}"
    stem = path.name
    # The output's own name may be as long as the file system allows.
    if len(os.fsencode(f".{stem}.{writer}.part")) > LONGEST_NAME:
        stem = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]
    for left in path.parent.glob(f".{glob.escape(stem)}.*.part"):
        machine, _, process = left.name[len(stem) + 2 : -len(".part")].rpartition(".")
        if machine == platform.node() and process.isdigit() and not _is_alive(int(process)):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    return path.parent / f".{stem}.{writer}.part"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; rename it to `path` when the block ends without an error.

    Raises FullDiskError, one line, when there is no room for it.
    """
    path = Path(path)
    temporary = _temporary_sibling(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except Exception as error:
        if fault := _remove_when_full(error, path, temporary):
            raise fault from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_dir(path: str | Path) -> Iterator[Path]:
    """Yield a new empty temporary folder beside `path`; it replaces `path` when the block ends without an error.

    Raises FullDiskError, one line, when there is no room for it.
    """
    path = Path(path)
    temporary = _temporary_sibling(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file() and not file.is_symlink():
                sync(file)
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
        sync(path.parent)
    except Exception as error:
        if fault := _remove_when_full(error, path, temporary):
            raise fault from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_when_full(error: Exception, path: Path, temporary: Path) -> FullDiskError | None:
    """Return the line about a full disk once the half-written output has made room again; None for any other error."""
    if full_disk(error) is None or isinstance(error, FullDiskError):
        return None
    if temporary.is_dir():
        written = sum(file.lstat().st_size for file in temporary.rglob("*"))
        shutil.rmtree(temporary, ignore_errors=True)
    else:
        written = temporary.stat().st_size if temporary.exists() else 0
        temporary.unlink(missing_ok=True)
    return full_disk_error(error, path, written)
