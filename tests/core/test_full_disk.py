"""A full disk ends in one line, leaves nothing half-written, and keeps what was there; with room the same run succeeds."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from scripts.lib.cohort.store import FILES, Cohort
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.atomic import atomic_dir, atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.core.full_disk import FullDiskError, full_disk, full_disk_line, size
from scripts.lib.engine.locks import clear_stale_locks
from scripts.lib.engine.start import one_line

ROOT = Path(__file__).resolve().parents[2]
ROOM = 256 * 1024  # bytes of the small disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with 256 kB; skipped where no disk can be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(disk)]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def small_files() -> Iterator[None]:
    """Files of at most 256 kB, a limit that every user can set; Python then gets EFBIG in place of ENOSPC."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_file(folder: Path, count: int) -> None:
    with atomic_file(folder / "out.bin") as path:
        path.write_bytes(b"x" * count)


def write_folder(folder: Path, count: int) -> None:
    with atomic_dir(folder / "out") as path:
        (path / "part").mkdir()
        (path / "part" / "weights").write_bytes(b"x" * count)


def write_cohort(folder: Path, count: int) -> None:
    rows = count // 4096
    with CohortWriter(folder / "cohort", 64, ["lung"], ["edema"], {}) as writer:
        for number in range(rows):
            writer.add(np.full((64, 64), number % 251, np.uint8), None, {"image_id": str(number), "edema": 1})


def write_generator_checkpoint(folder: Path, count: int) -> None:
    import torch

    from scripts.lib.training.checkpoints import Checkpoints

    Checkpoints(folder / "state", "fingerprint", 1.0).save("unet", count, {"weight": torch.zeros(count // 4)})


def write_trial_checkpoint(folder: Path, count: int) -> None:
    from torch import nn, optim

    from scripts.lib.downstream.checkpoint import Progress, state_of
    from scripts.lib.training.checkpoints import Checkpoints

    model = nn.Linear(count // 4, 1, bias=False)
    state = state_of(model, optim.SGD(model.parameters()), Progress(step=count))
    Checkpoints(folder / "state", "f", 1.0).save("multiplier-1", count, state)


WRITERS = [write_file, write_folder, write_cohort, write_generator_checkpoint, write_trial_checkpoint]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def full_then_room(write: Callable[[Path, int], None], folder: Path, reason: str) -> str:
    """Write what fits, then too much: the first stays, whole; return the line."""
    write(folder, 40 * 1024)
    before = content(folder)
    with pytest.raises(FullDiskError) as caught:
        write(folder, 4 * ROOM)
    line = str(caught.value)
    assert reason in line and "make room and start again" in line and "\n" not in line
    assert content(folder) == before, "the old output is whole and nothing is beside it"
    write(folder, 44 * 1024)
    assert content(folder).keys() == before.keys() and content(folder) != before
    return line


@pytest.mark.parametrize("write", WRITERS)
def test_an_output_on_a_full_disk(write: Callable[[Path, int], None], small_disk: Path) -> None:
    line = full_then_room(write, small_disk, "the disk is full")
    assert f"are free in {small_disk}" in line


@pytest.mark.parametrize("write", WRITERS)
def test_an_output_beyond_the_limit_of_a_file(
    write: Callable[[Path, int], None], tmp_path: Path, small_files: None
) -> None:
    full_then_room(write, tmp_path, "ulimit -f")


def test_a_new_cohort_on_a_full_disk_leaves_nothing(small_disk: Path) -> None:
    with pytest.raises(FullDiskError, match=r"images\.npy: the disk is full: 1\d\d\.\d kB of it were written"):
        write_cohort(small_disk, 4 * ROOM)
    assert content(small_disk) == {}
    write_cohort(small_disk, 40 * 1024)
    assert len(Cohort.open(small_disk / "cohort")) == 10
    assert sorted(path.name for path in (small_disk / "cohort").iterdir()) == sorted(FILES)


def test_the_end_of_a_cohort_on_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pixels fitted, the index did not."""

    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pandas.DataFrame.to_parquet", refuse)
    with pytest.raises(FullDiskError, match="the disk is full"):
        write_cohort(tmp_path, 40 * 1024)
    assert content(tmp_path) == {}


def test_a_command_says_it_in_one_line(small_disk: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom scripts.lib.core.atomic import atomic_dir\nfrom scripts.lib.engine.commands import run\n"
        "def main():\n    with atomic_dir(sys.argv[1]) as out:\n        for number in range(99):\n"
        "            (out / f'{number}.bin').write_bytes(bytes(9999))\nrun(main)\n"
    )
    command = [sys.executable, "-c", program, str(small_disk / "films")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"-c: error: {small_disk / 'films'}: the disk is full: ")
    assert done.stderr.count("\n") == 1 and done.stdout == ""
    assert list(small_disk.iterdir()) == []


def test_snakemake_says_it_before_it_starts(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even the record of the run has room."""
    (small_disk / "runs").mkdir()
    with pytest.raises(OSError, match="No space"):
        (small_disk / "fill").write_bytes(bytes(2 * ROOM))
    with pytest.raises(SystemExit):
        one_line(clear_stale_locks, small_disk, False)
    where = small_disk / "runs"
    assert capsys.readouterr().err.startswith(
        f"Error: {where}: the disk is full, 0 bytes are free in {where}; make room"
    )
    assert sorted(path.name for path in small_disk.rglob("*")) == [".guard", "fill", "runs"]


def test_an_error_that_a_library_wrapped_is_recognised() -> None:
    try:
        try:
            raise OSError(errno.EDQUOT, "Disk quota exceeded", "/data/x.npy")
        except OSError as error:
            raise RuntimeError("cannot save") from error
    except RuntimeError as error:
        assert full_disk(error) == errno.EDQUOT
        assert str(full_disk_line(error)).startswith("/data/x.npy: your quota is used up, ")
    assert full_disk(ValueError("I/O error: No space left on device (os error 28)")) == errno.ENOSPC
    assert full_disk(InputError("film.dcm: File too large")) is None
    assert full_disk_line(OSError(errno.EACCES, "Permission denied")) is None


def test_sizes_to_read() -> None:
    assert [size(0), size(999), size(1500), size(2_340_000), size(10**13)] == [
        "0 bytes",
        "999 bytes",
        "1.5 kB",
        "2.3 MB",
        "10.0 TB",
    ]


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Permission") as caught, atomic_file(tmp_path / "out"):
        raise OSError(errno.EACCES, "Permission denied", os.fspath(tmp_path))
    assert not isinstance(caught.value, FullDiskError)
