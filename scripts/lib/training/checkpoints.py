"""Checkpoints of a training: outside the declared outputs, whole or absent, and bound to what they were made from."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.lib.core.atomic import atomic_dir, atomic_file
from scripts.lib.core.log import log
from scripts.lib.core.stop_requests import stop_requests

if TYPE_CHECKING:
    import torch

    from scripts.lib.training.devices import Placement


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

    def load(self, stage: str, tell: bool = True) -> tuple[int, dict[str, torch.Tensor]] | None:
        """Return (steps done, tensors) of a stage, or None to start afresh; `tell` writes to the log which."""
        from safetensors import SafetensorError, safe_open

        path = self.folder / f"{stage}.safetensors"
        note = log if tell else lambda _line: None
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                notes = file.metadata() or {}
                if notes.get("fingerprint") != self.fingerprint:
                    note(f"{path}: made from other code, settings or data; starting afresh")
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except (SafetensorError, OSError) as error:
            note(f"{path}: not readable ({error}); starting afresh")
            return None
        note(f"{stage}: resuming after step {notes['step']} from {path}")
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

    def forget(self, stage: str) -> None:
        """Remove the state of one stage, whose result is stored elsewhere."""
        (self.folder / f"{stage}.safetensors").unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget everything: the command has published its result."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def publish(out: Path, placement: Placement, checkpoints: Checkpoints) -> Iterator[Path | None]:
    """Yield the folder that becomes `out`, None in all processes but the first; then forget the checkpoints.

    Writing takes seconds and is not interrupted. A launcher of several processes that is asked to end meanwhile fails all
    the same; the checkpoints then stay, so that the next run only publishes again.
    """
    with stop_requests() as asked:
        if placement.rank == 0:
            for stale in Path(out).parent.glob(f".{Path(out).name}.*.part"):
                shutil.rmtree(stale, ignore_errors=True)
            with atomic_dir(out) as folder:
                yield folder
            if placement.world == 1 or not asked.is_set():
                checkpoints.clear()
        else:
            yield None
        placement.wait()
