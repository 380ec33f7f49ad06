"""What a study asks of SLURM against what the cluster allows: one clear line before any job."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.engine.slurm import (
    Partition,
    check_arrays,
    check_partitions,
    cluster_partitions,
    minutes,
    parse_partitions,
)

# As SLURM 22.05 prints it, a line a partition, cut to a few keys.
LISTING = """\
PartitionName=main AllowGroups=ALL Default=YES DefaultTime=00:10:00 MaxTime=1-00:00:00 MinNodes=0 State=UP TotalCPUs=4
PartitionName=gpu AllowGroups=ALL Default=NO MaxTime=UNLIMITED State=UP TotalCPUs=4 TRES=cpu=4,gres/gpu=2
PartitionName=old MaxTime=02:30:01 State=DOWN
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    # 1 day = 24 * 60; 2 days 3:04 = 2 * 1440 + 3 * 60 + 4; a started minute counts
    [("1-00:00:00", 1440), ("2-03:04:00", 3064), ("00:30:00", 30), ("02:30:01", 151), ("UNLIMITED", None)],
)
def test_times_of_slurm(text: str, expected: int | None) -> None:
    assert minutes(text) == expected


def test_partitions_are_read_from_scontrol() -> None:
    assert parse_partitions(LISTING) == {
        "main": Partition("main", 1440, "UP"),
        "gpu": Partition("gpu", None, "UP"),
        "old": Partition("old", 151, "DOWN"),
    }


@pytest.mark.parametrize(
    ("wanted", "longest_job", "said"),
    [
        ({"nope": 10}, 10, "no partition 'nope'; it has gpu, main, old"),
        ({"gpu": 10, "old": 10}, 10, "old is DOWN"),
        ({"main": 60}, 2880, "set compute.longest_job: 1440"),
        ({"main": 5000}, 1440, "set-resources asks for 5000"),
    ],
)
def test_a_request_beyond_the_cluster_is_refused(wanted: dict[str, int], longest_job: int, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        check_partitions(wanted, longest_job, parse_partitions(LISTING))
    assert "\n" not in str(caught.value)


def test_what_fits_passes() -> None:
    check_partitions({"main": 1440, "gpu": 99999}, 1440, parse_partitions(LISTING))
    check_arrays(None, 100)
    check_arrays("sample_pool", None)


def test_arrays_with_a_bounded_number_of_jobs_are_refused() -> None:
    with pytest.raises(InputError, match="jobs: unlimited"):
        check_arrays("sample_pool", 100)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("echo 'slurm_load_partitions: Unable to contact slurm controller' >&2; exit 1", "Unable to contact"),
        (None, "no scontrol"),
    ],
)
def test_a_cluster_that_does_not_answer(
    body: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if body:
        (tmp_path / "scontrol").write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}" if body is None else f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(InputError, match=said):
        cluster_partitions()


def test_a_hanging_controller_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_arguments: object, **_options: object) -> None:
        raise subprocess.TimeoutExpired("scontrol", 60)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(InputError, match="not answered scontrol in 60 s"):
        cluster_partitions()
