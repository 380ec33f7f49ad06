"""Leases of GPUs: locks that die with their holders, taken all at once or not at all, in the order of asking.

A device has one lock file. A job that wants the device alone locks it exclusively; one that shares it with K - 1 others
takes a shared lock, and one of K places. Locks are taken under a short common lock (the turn), so nobody ever holds one
device while it waits for another. Who waits leaves a ticket, itself locked, that says what it wants; a later job leaves
enough devices to those before it, so that a job for two devices is not overtaken for ever by jobs for one.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scripts.lib.core.errors import InputError
from scripts.lib.engine.gpu_devices import Device

FOLDER = "SYNTHORAX_GPU_LOCKS"
FIRST_PAUSE, LAST_PAUSE = 0.1, 1.0  # seconds between two looks at the locks


def lock_folder() -> Path:
    """Return the folder that all runs of this user on this machine share, made if need be.

    Not TMPDIR, which a run may set for itself. Raises InputError when the folder is not the user's own.
    """
    folder = Path(os.environ.get(FOLDER) or f"/tmp/synthorax-gpus-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.lstat().st_uid
    except OSError as error:
        raise InputError(f"{folder}: cannot hold the locks of GPUs ({error}); set {FOLDER} to another folder") from None
    if owner != os.getuid() or folder.is_symlink():
        raise InputError(f"{folder}: belongs to somebody else or is a link; set {FOLDER} to a folder of your own")
    return folder


@dataclass
class Lease:
    """Devices that are held as long as one of the descriptors is open, here or in a child that inherited it."""

    devices: list[Device]
    descriptors: list[int] = field(default_factory=list)

    def keep(self) -> None:
        """Renew the files' times, so that no cleaner of temporary files takes a held lock for an old file."""
        for descriptor in self.descriptors:
            os.utime(descriptor)

    def release(self) -> None:
        """Close the locks in this process."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = []


def _lock(path: Path, kind: int) -> int | None:
    """Return a descriptor of `path` with a lock of this kind, None when another process is in the way."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            # A cleaner may have removed the file in between: a lock on a file without a name keeps nobody out.
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass
        os.close(descriptor)


class Leases:
    """The locks below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, key: str, place: int | None = None) -> Path:
        safe = re.sub(r"[^0-9A-Za-z.-]", "_", key)
        return self.folder / (f"{safe}.lock" if place is None else f"{safe}.place-{place}.lock")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        descriptor = os.open(self.folder / "turn.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError as error:
                raise InputError(
                    f"{self.folder}: no file locks here ({error}); set {FOLDER} to a local folder"
                ) from None
            yield
        finally:
            os.close(descriptor)

    def _take_device(self, key: str, shares: int) -> list[int] | None:
        whole = _lock(self._path(key), fcntl.LOCK_EX if shares == 1 else fcntl.LOCK_SH)
        if whole is None or shares == 1:
            return None if whole is None else [whole]
        for share in range(shares):
            lock = _lock(self._path(key, share), fcntl.LOCK_EX)
            if lock is not None:
                return [whole, lock]
        os.close(whole)
        return None

    def _is_free(self, key: str, shares: int) -> bool:
        held = self._take_device(key, shares)
        for descriptor in held or []:
            os.close(descriptor)
        return held is not None

    def _claimed(self, before: int | None) -> set[str]:
        """Return the keys that those who wait with a lower number need: free ones first."""
        claimed: set[str] = set()
        for number, path in self._tickets():
            if before is not None and number >= before:
                break
            stale = _lock(path, fcntl.LOCK_EX)
            if stale is not None:
                path.unlink(missing_ok=True)
                os.close(stale)
                continue
            try:
                wish = json.loads(path.read_text())
            except FileNotFoundError:
                continue
            open_keys = [key for key in wish["keys"] if key not in claimed]
            open_keys.sort(key=lambda key: not self._is_free(key, wish["shares"]))
            claimed.update(open_keys[: wish["count"]])
        return claimed

    def _tickets(self) -> list[tuple[int, Path]]:
        return sorted((int(path.suffix[1:]), path) for path in self.folder.glob("waiting.*"))

    def take(self, devices: Sequence[Device], count: int, shares: int, before: int | None = None) -> Lease | None:
        """Return a lease of `count` of these devices, or None and hold nothing; call it in turn."""
        claimed, lease = self._claimed(before), Lease([])
        for device in devices:
            held = None if device.key in claimed else self._take_device(device.key, shares)
            if held is not None:
                lease.devices.append(device)
                lease.descriptors += held
            if len(lease.devices) == count:
                return lease
        lease.release()
        return None

    def _queue(self, devices: Sequence[Device], count: int, shares: int) -> tuple[int, Path, int]:
        """Leave a ticket; return its number, file and locked descriptor. Call it in turn."""
        number = max((number for number, _ in self._tickets()), default=0) + 1
        path = self.folder / f"waiting.{number}"
        descriptor = _lock(path, fcntl.LOCK_EX)
        if descriptor is None:
            raise RuntimeError(f"{path}: locked by another process in our turn")
        os.write(
            descriptor,
            json.dumps({"keys": [device.key for device in devices], "count": count, "shares": shares}).encode(),
        )
        return number, path, descriptor

    def wait(self, devices: Sequence[Device], count: int, shares: int, note: Callable[[], None]) -> Lease:
        """Return a lease of `count` devices; while they are taken, wait, after calling `note` once."""
        with self._turn():
            lease = self.take(devices, count, shares)
            if lease is not None:
                return lease
            number, ticket, held = self._queue(devices, count, shares)
        note()
        try:
            while True:
                # Who is next looks often; the others need not.
                ahead = sum(other < number for other, _ in self._tickets())
                time.sleep(min(LAST_PAUSE, FIRST_PAUSE * (1 + ahead)))
                with self._turn():
                    lease = self.take(devices, count, shares, number)
                    if lease is not None:
                        return lease
        finally:
            ticket.unlink(missing_ok=True)
            os.close(held)
