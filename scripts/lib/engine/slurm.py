"""What a study asks of SLURM, held against what the cluster allows, before the first job is submitted.

Without this a wrong partition or a time above its limit fails job by job, at every retry, with a page of text each.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from scripts.lib.core.errors import InputError

PATIENCE = 60  # seconds for the controller, which answers slowly under load
TIME = re.compile(r"(?:(\d+)-)?(\d+):(\d+):(\d+)")
HOWTO = "see `sinfo`, and the keys marked CLUSTER in profiles/slurm/profile.yaml"


@dataclass(frozen=True)
class Partition:
    """A partition of the cluster: `longest` = minutes that a job may ask for, None without a limit."""

    name: str
    longest: int | None
    state: str


def minutes(text: str) -> int | None:
    """Return the whole minutes in SLURM's D-HH:MM:SS; None for UNLIMITED."""
    match = TIME.fullmatch(text)
    if not match:
        return None
    days, hours, mins, seconds = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + mins + (seconds > 0)


def parse_partitions(text: str) -> dict[str, Partition]:
    """Return {name: Partition} from the output of `scontrol show partition -o`, a line a partition."""
    partitions = {}
    for line in text.splitlines():
        keys = dict(part.split("=", 1) for part in line.split() if "=" in part)
        if name := keys.get("PartitionName"):
            partitions[name] = Partition(name, minutes(keys.get("MaxTime", "UNLIMITED")), keys.get("State", "UP"))
    return partitions


def cluster_partitions() -> dict[str, Partition]:
    """Ask the cluster for its partitions; raises InputError when it does not answer."""
    try:
        done = subprocess.run(
            ["scontrol", "show", "partition", "-o"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise InputError(
            "this machine has no scontrol, so it is no SLURM login node; start there, or without "
            "--workflow-profile profiles/slurm"
        ) from None
    except subprocess.TimeoutExpired:
        raise InputError(f"SLURM has not answered scontrol in {PATIENCE} s; try again when `sinfo` answers") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split()) or f"status {done.returncode}"
        raise InputError(f"SLURM does not answer scontrol ({said}); try again when `sinfo` answers")
    return parse_partitions(done.stdout)


def check_partitions(wanted: Mapping[str, int], longest_job: int, partitions: Mapping[str, Partition]) -> None:
    """Hold {partition: minutes of the longest job in it} against the cluster; raises InputError with one line.

    longest_job  compute.longest_job, up to which the minutes of a job grow at its retries
    """
    for name, longest in wanted.items():
        if name not in partitions:
            raise InputError(f"SLURM has no partition {name!r}; it has {', '.join(sorted(partitions))}; {HOWTO}")
        partition = partitions[name]
        if partition.state != "UP":
            raise InputError(f"SLURM's partition {name} is {partition.state}, so jobs would wait for ever; {HOWTO}")
        if partition.longest is None or max(longest, longest_job) <= partition.longest:
            continue
        if longest > longest_job:
            raise InputError(
                f"SLURM's partition {name} ends jobs after {partition.longest} minutes, but set-resources asks for "
                f"{longest}; lower it there, or choose another partition; {HOWTO}"
            )
        raise InputError(
            f"SLURM's partition {name} ends jobs after {partition.longest} minutes, but compute.longest_job is "
            f"{longest_job}; set compute.longest_job: {partition.longest} (trainings go on from their checkpoint at the "
            f"next attempt), or choose another partition; {HOWTO}"
        )


def check_arrays(arrays: str | None, jobs: int | None) -> None:
    """Refuse job arrays with a bounded number of jobs; raises InputError.

    snakemake-executor-plugin-slurm 2.8.0 holds a job of an array back while others of its rule are ready, and forgets it
    when the bound kept those out: the run would wait for ever.
    """
    if arrays and jobs is not None:
        raise InputError(
            f"slurm-array-jobs ({arrays}) together with jobs: {jobs} can leave jobs that are never submitted; set "
            "jobs: unlimited, or remove slurm-array-jobs from the profile"
        )
