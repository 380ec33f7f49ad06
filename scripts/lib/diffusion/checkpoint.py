"""Checkpoints of a training: outside the declared outputs, whole or absent, and bound to what they were made from."""

from __future__ import annotations

import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from scripts.lib.atomic import atomic_file

if TYPE_CHECKING:
    import torch


def log(line: str) -> None:
    """Write one line to stderr, the rule's log file."""
    print(line, file=sys.stderr, flush=True)


class Checkpoints:
    """The checkpoints of one command: `{folder}/{stage}.safetensors`, tensors and step, no pickle.

    A checkpoint that another code, configuration or data has written is set aside with a line in the log: resuming
    from it would end in weights that no configuration describes.
    """

    def __init__(self, folder: Path, fingerprint: str, every_seconds: float) -> None:
        self.folder = Path(folder)
        self.fingerprint = fingerprint
        self.every_seconds = every_seconds
        self._last = time.monotonic()

    def load(self, stage: str) -> tuple[int, dict[str, torch.Tensor]] | None:
        """Return (steps done, tensors) of a stage, or None to start afresh."""
        from safetensors import SafetensorError, safe_open

        path = self.folder / f"{stage}.safetensors"
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                notes = file.metadata() or {}
                if notes.get("fingerprint") != self.fingerprint:
                    log(f"{path}: made from other code, settings or data; starting afresh")
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except (SafetensorError, OSError) as error:
            log(f"{path}: not readable ({error}); starting afresh")
            return None
        log(f"{stage}: resuming after step {notes['step']} from {path}")
        return int(notes["step"]), tensors

    def save(self, stage: str, step: int, tensors: Mapping[str, torch.Tensor]) -> None:
        """Store the state of a stage after `step` steps."""
        from safetensors.torch import save_file

        for stale in self.folder.glob(f".{stage}.safetensors.*.part"):
            stale.unlink(missing_ok=True)
        with atomic_file(self.folder / f"{stage}.safetensors") as path:
            save_file(
                {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
                path,
                metadata={"fingerprint": self.fingerprint, "step": str(step)},
            )
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to store the state again."""
        return time.monotonic() - self._last >= self.every_seconds

    def clear(self) -> None:
        """Forget everything: the command has published its result."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """Yield an event that is set by SIGTERM, so that a loop can store its state before it ends (status 143)."""
    asked = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.signal(signal.SIGTERM, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)
