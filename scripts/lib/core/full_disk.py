"""A full disk, told in one line: what was being written, how much room is left, and what to do."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from scripts.lib.core.errors import InputError

REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your quota is used up",
    errno.EFBIG: "the file is larger than this process may write (`ulimit -f`)",
}
# Libraries that write by themselves pass the system's message on in errors of their own.
MESSAGES = {
    "No space left on device": errno.ENOSPC,
    "os error 28": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "File too large": errno.EFBIG,
}


class FullDiskError(OSError):
    """Nothing more could be written; its text is one complete line."""

    def __str__(self) -> str:
        return str(self.strerror)


def full_disk(error: BaseException) -> int | None:
    """Return the errno (a key of REASONS) when there was no room to write, also where a library wrapped it; else None."""
    for one in _causes(error):
        if isinstance(one, OSError) and one.errno in REASONS:
            return one.errno
        for message, number in MESSAGES.items():
            if message in str(one) and not isinstance(one, InputError):
                return number
    return None


def full_disk_error(error: BaseException, path: Path, written: int) -> FullDiskError:
    """Return the error that says what happened to `path`, of which `written` bytes were there and are gone again."""
    number = full_disk(error) or errno.ENOSPC
    return FullDiskError(
        number,
        f"{path}: {REASONS[number]}: {size(written)} of it were written and are removed again, {_free(path)}; make room and "
        "start again: what is complete is kept",
    )


def full_disk_line(error: BaseException) -> str | None:
    """Return the line for an error that no output has told of; None when it is not about room."""
    if isinstance(error, FullDiskError):
        return str(error)
    number = full_disk(error)
    if number is None:
        return None
    named = next((one.filename for one in _causes(error) if isinstance(one, OSError) and one.filename), None)
    where = f"{named}: " if named else ""
    return f"{where}{REASONS[number]}, {_free(Path(str(named or '.')))}; make room and start again: what is complete is kept"


def size(count: int) -> str:
    """Return a number of bytes to read, e.g. 1.5 MB."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _free(path: Path) -> str:
    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())
    return f"{size(shutil.disk_usage(there).free)} are free in {there}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
