"""PneumoniaMNIST of MedMNIST: one .npz with the films and labels of three splits, 28, 64, 128 or 224 pixels wide.

The file names no patients, and its films are those of Kermany's children: a child may lie in two splits.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from scripts.lib.core.errors import InputError
from scripts.lib.formats.record import Listing, Record, Rejected
from scripts.lib.formats.sources import tables

SPLITS = {"train": "train", "val": "validate", "test": "test"}  # name in the file: split of a cohort
ARRAYS = tuple(f"{split}_{what}" for split in SPLITS for what in ("images", "labels"))
LIMIT = 1 << 31  # bytes of one array; PneumoniaMNIST at 224 pixels takes 236 MB
NO_PATIENTS = "films of a file that names no patients: a child may have films in two splits"
# What zipfile raises for a file that is damaged, compressed in a way that it does not know, or locked by a password.
UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
FRAME = re.compile(r"(\w+)\[(\d+)\]")


def read(root: Path, settings: Mapping[str, Any], labels: Sequence[str], structures: Sequence[str]) -> Listing:
    """Return the films of the .npz; its label, 0 or 1, is the one label asked for."""
    if len(labels) != 1:
        raise InputError(f"labels: {list(labels)}; the format medmnist has one label, such as pneumonia")
    path = root / settings["file"]
    shapes = _check(path)
    listing = Listing([], list(labels), [], tables("medmnist", root, settings))
    listing.folders = ()
    for split, name in SPLITS.items():
        values = _labels(path, f"{split}_labels", shapes[f"{split}_images"][0])
        for number, value in enumerate(values):
            image_id = f"{split}-{number:05d}"
            where = f"{path} {split}_images[{number}]"
            record = Record(image_id, settings["file"], image_id, view="AP", split=name, where=where)
            record.frame, record.labels = f"{split}_images[{number}]", {labels[0]: int(value)}
            listing.records.append(record)
    listing.notes.add(NO_PATIENTS, count=len(listing.records))
    return listing


def read_frame(root: Path, record: Record, resolution: int) -> NDArray[np.uint8]:
    """Return the film of a record, uint8 (S, S); a little smaller than the study's, it gets a black border and is not enlarged.

    Raises InputError where the films are so small that the study would enlarge them, and Rejected for a constant film.
    """
    path = root / record.source_file
    match = FRAME.fullmatch(record.frame)
    assert match, record.frame
    status = path.stat()
    image = _images(str(path), match[1], status.st_mtime_ns, status.st_size)[int(match[2])]
    side = image.shape[0]
    if side < 0.8 * resolution:
        raise InputError(
            f"{path}: films of {side} pixels in a study of {resolution}; enlarged films would teach blur. Name the file "
            f"with larger films in reader.file, or lower study.resolution to {-(-side // 32) * 32}"
        )
    if image.min() == image.max():
        raise Rejected(f"constant: every pixel is {image.flat[0]}")
    border = max(0, resolution - side)
    before = border // 2
    return np.pad(image, (before, border - before)) if border else image


@lru_cache(maxsize=len(SPLITS))
def _images(path: str, name: str, changed: int, size: int) -> NDArray[np.uint8]:
    """Return one array of the file; it is read once for each process, and again when the file has changed."""
    return _load(Path(path), name)


def _check(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array from its header, before anything is unpacked; raises InputError for another file."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name.removesuffix(".npy") for name in archive.namelist())
            if names != sorted(ARRAYS):
                raise InputError(
                    f"{path}: arrays {', '.join(names)[:200]}; expected exactly the six {', '.join(ARRAYS)}"
                )
            shapes = {name: _header(archive, name, path) for name in ARRAYS}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected pneumoniamnist.npz, or another size in reader.file") from None
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"{path}: not a readable .npz ({' '.join(str(error).split())[:200]}); copy it anew") from None
    for split in SPLITS:
        images, labels = shapes[f"{split}_images"], shapes[f"{split}_labels"]
        if len(images) != 3 or images[1] != images[2] or not images[1]:
            raise InputError(f"{path}: {split}_images has the shape {images}; expected N x S x S, grey films")
        if labels != (images[0], 1):
            raise InputError(f"{path}: {split}_labels has the shape {labels}; expected ({images[0]}, 1)")
    if len({shapes[f"{split}_images"][1] for split in SPLITS}) > 1:
        raise InputError(f"{path}: films of several sizes in its splits; expected one size")
    return shapes


def _header(archive: zipfile.ZipFile, name: str, path: Path) -> tuple[int, ...]:
    """Return the shape of an array; raises InputError for pickled objects, another type, or more bytes than the limit."""
    with archive.open(f"{name}.npy") as stream:
        try:
            version = npy.read_magic(stream)
            reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = reader(stream)
        except UNREADABLE as error:
            raise InputError(
                f"{path}: {name} is no array ({' '.join(str(error).split())[:200]}); copy it anew"
            ) from None
    wanted = dtype == np.uint8 if name.endswith("images") else dtype.kind in "ui"
    if not wanted:
        kind = "pickled objects" if dtype.hasobject else str(dtype)
        raise InputError(f"{path}: {name} holds {kind}; expected whole numbers of 8 bits")
    if int(np.prod(shape, dtype=np.float64)) * dtype.itemsize > LIMIT:
        raise InputError(f"{path}: {name} has the shape {shape}, more than the limit of {LIMIT} bytes")
    return tuple(int(length) for length in shape)


def _load(path: Path, name: str) -> NDArray[Any]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return np.asarray(arrays[name])
    except UNREADABLE as error:
        raise InputError(
            f"{path}: {name} cannot be read ({' '.join(str(error).split())[:200]}); copy it anew"
        ) from None


def _labels(path: Path, name: str, count: int) -> NDArray[Any]:
    values = _load(path, name).reshape(-1)
    odd = np.flatnonzero((values != 0) & (values != 1))
    if odd.size:
        raise InputError(f"{path}: {name}[{odd[0]}] is {values[odd[0]]}; expected 0 or 1")
    assert len(values) == count
    return values
