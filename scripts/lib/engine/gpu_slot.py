"""Run a command with GPUs of its own: nobody else who starts commands this way gets them while it runs.

    python -m scripts.lib.engine.gpu_slot --gpus 1 -- python -m scripts.train_trials ...
    python -m scripts.lib.engine.gpu_slot --gpus 1 --share 4 -- COMMAND     up to 4 such commands on one GPU

The GPUs come from CUDA_VISIBLE_DEVICES (numbers, GPU-<uuid> or MIG-<uuid>) or, where it is not set, are all that
`nvidia-smi -L` lists; numbers are nvidia-smi's. Inside a job of a scheduler they are those that it gave to the job. While
they are taken the command waits. All runs of a user on this machine share the locks (folder: SYNTHORAX_GPU_LOCKS). The
lease ends with the command, however it ends. SIGTERM, SIGUSR1, SIGINT and SIGHUP go to the command; the exit status is
the command's, 128 + n after signal n, and 143 when it failed after it was asked to stop.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from types import FrameType

from scripts.lib.core.errors import InputError
from scripts.lib.core.stop_requests import STOPS, TERMINATED
from scripts.lib.engine.commands import run
from scripts.lib.engine.gpu_devices import GIVEN, Device, given_pool, machine_pool, scheduler_job
from scripts.lib.engine.gpu_leases import Lease, Leases, lock_folder

FORWARDED = (*STOPS, signal.SIGINT, signal.SIGHUP)
PARENT_DEATH_SIGNAL, CHILD_SUBREAPER = 1, 36  # of prctl(2)
RENEWAL = 3600  # seconds


def note(line: str) -> None:
    """Write one line to stderr, the rule's log file."""
    print(f"gpu_slot: {line}", file=sys.stderr, flush=True)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def parse(argv: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", type=int, required=True, help="GPUs of the command")
    parser.add_argument("--share", type=int, default=1, help="commands of this kind on one GPU (default 1)")
    parser.add_argument("--wanted", type=int, help="GPUs that the configuration asks for, if more than --gpus")
    parser.add_argument("command", nargs="+", help="the command, after --")
    args = parser.parse_args(argv)
    if args.gpus < 1 or args.share < 1 or (args.share > 1 and args.gpus > 1):
        raise InputError(f"--gpus {args.gpus} --share {args.share}: both start at 1, and only one GPU can be shared")
    return args


def enough(devices: Sequence[Device], count: int, where: str, missing: Sequence[str] = ()) -> list[Device]:
    """Return the devices that can serve a job for `count` of them; raises InputError when they are too few."""
    usable = [device for device in devices if count == 1 or not device.is_slice]
    gone = f", and nvidia-smi does not list {', '.join(missing)}" if missing else ""
    if len(usable) >= count:
        if missing:
            note(
                f"CUDA_VISIBLE_DEVICES names GPUs that nvidia-smi does not list: {', '.join(missing)}; using the others"
            )
        return usable
    shown = ", ".join(device.name for device in devices) or "none"
    slices = "; MIG instances cannot be joined" if len(usable) < len(devices) else ""
    raise InputError(f"{count} GPUs are wanted, but {where} has {shown}{gone}{slices}; lower compute.gpus")


def lease_for(args: Namespace, environment: Mapping[str, str]) -> Lease | None:
    """Wait for the devices of a command; None where a scheduler gave devices without naming them."""
    visible, job = environment.get("CUDA_VISIBLE_DEVICES"), scheduler_job(environment)
    if job and visible is None and any(name in environment for name in GIVEN):
        return None
    if job and visible is not None:
        # The scheduler keeps other jobs away; the lease divides what it gave among commands of this one.
        devices, where = enough(given_pool(job, environment), args.gpus, job), job
    else:
        where = "this machine" if visible is None else f"CUDA_VISIBLE_DEVICES={visible}"
        pool, missing = machine_pool(visible)
        devices = enough(pool, args.gpus, where, missing)
    names = ", ".join(device.name for device in devices)
    leases = Leases(lock_folder())
    wish = "a place on one" if args.share > 1 else str(args.gpus)
    waited: list[bool] = []

    def tell() -> None:
        waited.append(True)
        note(f"all taken; waiting for {wish} of the GPUs {names} of {where}")

    lease = leases.wait(devices, args.gpus, args.share, tell)
    if waited and not job:
        _refuse_lost(lease, visible)
    return lease


def _refuse_lost(lease: Lease, visible: str | None) -> None:
    """Look at the GPUs again after a wait, in which one may have failed."""
    there = {device.key for device in machine_pool(visible)[0]}
    if lost := [device.name for device in lease.devices if device.key not in there]:
        raise InputError(
            f"GPU {', '.join(lost)} was lost while this waited: nvidia-smi no longer lists it; start again"
        )


def start(command: Sequence[str], lease: Lease | None, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the command. It inherits the locks, so they live as long as it does, and is asked to end if we are killed."""
    process = os.getpid()
    descriptors = lease.descriptors if lease else []

    def in_child() -> None:
        _prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != process:
            os._exit(TERMINATED)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)

    try:
        return subprocess.Popen(command, env=environment, pass_fds=descriptors, preexec_fn=in_child)
    except OSError as error:
        raise InputError(f"{command[0]}: cannot be started ({error.strerror})") from None


def follow(child: subprocess.Popen[bytes], lease: Lease | None) -> int:
    """Wait for the command, passing signals on; return the exit status."""
    asked: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        child.send_signal(number)

    for number in FORWARDED:
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    status = _wait(child, lease)
    end_descendants()
    if status and any(number in STOPS for number in asked):
        return TERMINATED
    return status if status >= 0 else 128 - status


def _wait(child: subprocess.Popen[bytes], lease: Lease | None) -> int:
    """Wait for the command and renew the locks now and then; an old kernel only lets us wait."""
    try:
        ended = os.pidfd_open(child.pid)
    except (AttributeError, OSError):
        return child.wait()
    while not select.select([ended], [], [], RENEWAL)[0]:
        if lease:
            lease.keep()
    return child.wait()


def end_descendants() -> None:
    """Kill what the command has left behind: workers of a killed launcher would go on without the lease."""
    import psutil

    while left := psutil.Process().children(recursive=True):
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=5)


def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    if args.wanted and args.wanted > args.gpus:
        note(
            f"{args.gpus} GPUs instead of the {args.wanted} of compute.gpus: Snakemake may use no more (--resources gpu). "
            "The result is the same up to rounding; it takes longer"
        )
    environment = dict(os.environ)
    lease = lease_for(args, environment)
    if lease:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(device.name for device in lease.devices)
        environment.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        note(f"GPUs {environment['CUDA_VISIBLE_DEVICES']}")
    # torch's launcher of several processes passes on the signals named here.
    environment.setdefault("TORCHELASTIC_SIGNALS_TO_HANDLE", "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1")
    _prctl(CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    raise SystemExit(follow(start(args.command, lease, environment), lease))


if __name__ == "__main__":
    run(main)
