"""What a raw tree holds, as one short text: a cohort is made anew when that changes, whatever the files' times say.

Snakemake compares times, so a table that was edited but carries an older time (unpacked, synced, restored) changes nothing
for it. Tables count by their content, films by name, size and time. The Snakefile imports this module: standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.formats.sources import reader_settings, tables
from scripts.lib.formats.tables import Table, is_missing
from scripts.lib.study.sources import PHANTOM

# Films that are looked at: all of SIIM, CANDID and RSNA. Of larger trees the first ones, since every start of Snakemake
# looks again, and a file system of a cluster takes a fraction of a millisecond for each.
FILMS = 30_000
CHUNK = 1 << 20


def raw_content(section: Mapping[str, Any], known: Path | None = None) -> str:
    """Return 16 hex digits for the tables and films of a real dataset, "" for a phantom, whose manifest says it.

    section  the dataset's section of the configuration
    known    file that keeps the digests of tables, so that a large one is read once for each change
    """
    if section["root"] == PHANTOM:
        return ""
    reader, root = section.get("reader"), Path(section["root"])
    digest = hashlib.sha256()
    with _Digests(known) as digests:
        for table in tables(section["format"], root, reader):
            digest.update(f"{table.name} {digests.of(table)}\n".encode())
    for film in islice(_films(section["format"], root, reader_settings(section["format"], reader)), FILMS):
        digest.update(f"{os.path.relpath(film, root)} {_stamp(film)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


class _Digests:
    """SHA-256 of files, kept with what a file system knows of them: an edit always moves the time of the last change (ctime)."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.known: dict[str, list[Any]] = {}
        self.changed = False

    def __enter__(self) -> _Digests:
        if self.path is not None:
            try:
                kept = json.loads(self.path.read_text(encoding="utf-8"))
                self.known = kept if isinstance(kept, dict) else {}
            except (OSError, ValueError):
                pass  # none yet, or half of one: the tables are read again
        return self

    def of(self, table: Path) -> str:
        """Return the digest of a file, "" where it is missing or cannot be read, which its reader will say."""
        try:
            status = table.stat()
            stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
            known = self.known.get(str(table))
            if isinstance(known, list) and known[:-1] == stamp:
                return str(known[-1])
            digest = hashlib.sha256()
            with table.open("rb") as stream:
                while part := stream.read(CHUNK):
                    digest.update(part)
        except OSError:
            return ""
        self.known[str(table)] = [*stamp, digest.hexdigest()]
        self.changed = True
        return digest.hexdigest()

    def __exit__(self, *raised: object) -> None:
        if self.path is None or not self.changed:
            return
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        try:
            part.write_text(json.dumps(self.known, indent=1), encoding="utf-8")
            os.replace(part, self.path)
        except OSError:
            part.unlink(missing_ok=True)  # a folder without room or right to write: the tables are read again next time


def _films(format: str, root: Path, reader: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of the films, always in the same order."""
    if format == "folder":
        return _named_films(root, reader)
    if format == "chexpert":
        homes = [(Path(reader[key]).parent / key) for key in ("train", "valid") if reader[key]]
        return _below(root / home for home in homes)
    parts = {"chestxdet": ("train", "test"), "chexlocalize": ("val", "test")}.get(format)
    if parts:
        return _below(root / reader[f"{part}_images"] for part in parts if reader[part])
    if format in ("vindr-pcxr", "vindr-cxr"):
        return _below(root / split for split in ("train", "test"))
    return _below([root / reader["images"]] if "images" in reader else [])


def _named_films(root: Path, reader: Mapping[str, Any]) -> Iterator[str]:
    columns = [reader["columns"].get(name, name) for name in ("file", "mask_file")]
    try:
        for row in Table(root / reader["table"], columns[:1], reader["encoding"]):
            yield from (f"{root}/{text}" for text in map(row.get, columns) if not is_missing(text))
    except InputError:
        return  # what is wrong with the table is said when it is read for its films


def _below(folders: Iterable[Path]) -> Iterator[str]:
    for folder in folders:
        for parent, inner, names in os.walk(folder):
            inner.sort()
            yield from (f"{parent}/{name}" for name in sorted(names) if not name.startswith("."))


def _stamp(film: str) -> str:
    try:
        status = Path(film).stat()
    except (OSError, ValueError):
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"
