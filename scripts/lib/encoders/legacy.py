"""Whole models in the form of torch before 1.6, read without running anything they say.

`torch.load(weights_only=True)` refuses such files where they hold a module. The form: four pickles (a magic number, a version, what
the machine was, the object), the list of the storages, and each storage as a length and numbers. The object is unpickled here with a
table of names: classes of `known` become `stand_in`, tensors are put together by this file, and any other name ends the reading.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

MAGIC = 0x1950A86A20F9469CFC6C
KINDS = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


class Later:
    """A tensor whose numbers stand at the end of the file."""

    def __init__(self, key: str, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.key, self.offset, self.size, self.stride = key, offset, size, stride

    def tensor(self, storages: dict[str, np.ndarray]) -> Tensor:
        """Return it; raises UnpicklingError where it reaches beyond its storage."""
        numbers = storages[self.key]
        last = self.offset + sum((length - 1) * step for length, step in zip(self.size, self.stride))
        if min((self.offset, *self.size, *self.stride)) < 0 or (0 not in self.size and last >= len(numbers)):
            raise pickle.UnpicklingError("a tensor reaches beyond its numbers")
        return torch.from_numpy(numbers.copy()).as_strided(self.size, self.stride, self.offset).clone()


@dataclass(frozen=True)
class Stored:
    """A storage that the object names: its key, and the type of its numbers."""

    key: str
    kind: Any


class _Reader(pickle.Unpickler):
    def __init__(self, file: IO[bytes], known: Collection[str], stand_in: Callable[..., Any]) -> None:
        super().__init__(file)
        self.known, self.stand_in, self.kinds = known, stand_in, dict[str, Any]()

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in self.known:
            return self.stand_in
        if module == "torch" and name in KINDS:
            return KINDS[name]
        plain: dict[str, Any] = {
            "builtins.set": set,
            "__builtin__.set": set,
            "collections.OrderedDict": OrderedDict,
            "torch._utils._rebuild_tensor_v2": _tensor,
            "torch._utils._rebuild_parameter": _parameter,
        }
        if full not in plain:
            raise pickle.UnpicklingError(f"GLOBAL {full}")
        return plain[full]

    def persistent_load(self, pid: Any) -> Any:
        if not isinstance(pid, tuple) or len(pid) < 4:
            raise pickle.UnpicklingError("an unknown reference")
        word = pid[0].decode() if isinstance(pid[0], bytes) else pid[0]
        if word == "module":
            return pid[1]  # its source code, beside it, is not looked at
        if word != "storage" or pid[1] not in KINDS.values():
            raise pickle.UnpicklingError(f"a reference to {str(word)[:40]}")
        self.kinds[str(pid[2])] = pid[1]
        return Stored(str(pid[2]), pid[1])


def _tensor(stored: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Later:
    if not isinstance(stored, Stored):
        raise pickle.UnpicklingError("a tensor without numbers")
    return Later(stored.key, int(offset), tuple(map(int, size)), tuple(map(int, stride)))


def _parameter(data: Any, *_: Any) -> Any:
    return data


def is_legacy(path: Path) -> bool:
    """Whether a file begins as torch wrote it before 1.6."""
    with path.open("rb") as file:
        return file.read(16).startswith(pickle.dumps(MAGIC, 2)[:14])


def read_legacy(path: Path, known: Collection[str], stand_in: Callable[..., Any]) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the object, whose tensors are `Later`, and the numbers of its storages by key.

    Raises UnpicklingError where it names anything but `known` classes and tensors ("GLOBAL name"), or is cut off.
    """
    with path.open("rb") as file:
        for _ in range(3):
            _Reader(file, (), stand_in).load()
        reader = _Reader(file, known, stand_in)
        content = reader.load()
        keys = _Reader(file, (), stand_in).load()
        storages = {}
        for key in map(str, keys):
            (count,) = struct.unpack("<q", _exactly(file, 8))
            kind = np.dtype(reader.kinds[key])
            storages[key] = np.frombuffer(_exactly(file, count * kind.itemsize), kind)
    return content, storages


def _exactly(file: IO[bytes], count: int) -> bytes:
    content = file.read(count) if count >= 0 else b""
    if len(content) != count:
        raise pickle.UnpicklingError("the file is cut off")
    return content
