"""Which GPUs a job may choose from: those of CUDA_VISIBLE_DEVICES, those that a scheduler gave, or all of the machine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scripts.lib.core.errors import InputError

# The variables by which a scheduler's job knows itself; SLURM divides a job into steps with devices of their own.
SCHEDULERS = {
    "SLURM": ("SLURM_JOB_ID", "SLURM_STEP_ID"),
    "LSF": ("LSB_JOBID", "LSB_JOBINDEX"),
    "PBS": ("PBS_JOBID",),
    "Flux": ("FLUX_JOB_ID",),
}
GIVEN = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
NONE_VISIBLE = {"", "-1", "NoDevFiles", "void", "none"}
FORMS = re.compile(r"\d+|GPU-[0-9A-Za-z-]+|MIG-[0-9A-Za-z-]+(/\d+/\d+)?")
GPU_LINE = re.compile(r"GPU (\d+): .*\(UUID: (GPU-[^)]+)\)")
MIG_LINE = re.compile(r"\s+MIG .*\(UUID: (MIG-[^)]+)\)")
PATIENCE = 60  # seconds for nvidia-smi, which hangs on some faults of a driver


@dataclass(frozen=True)
class Device:
    """A GPU or MIG instance: `name` as CUDA_VISIBLE_DEVICES has it, `key` the same for every name of one device."""

    name: str
    key: str

    @property
    def is_slice(self) -> bool:
        """Whether this is a MIG instance; CUDA gives a process one of them at most."""
        return self.name.startswith("MIG-") or self.key.startswith("MIG-")


@dataclass(frozen=True)
class Gpu:
    """A line of `nvidia-smi -L` with the MIG instances below it."""

    index: str
    uuid: str
    slices: tuple[str, ...]

    def device(self, name: str) -> Device:
        """Return this GPU under `name`; where it is cut into MIG instances CUDA takes the first for the whole."""
        return Device(name, self.slices[0] if self.slices else self.uuid)


def parse_listing(text: str) -> list[Gpu]:
    """Return the GPUs in the output of `nvidia-smi -L`; lines about a device that it cannot reach are left out."""
    gpus: list[Gpu] = []
    for line in text.splitlines():
        if match := GPU_LINE.match(line):
            gpus.append(Gpu(match[1], match[2], ()))
        elif gpus and (match := MIG_LINE.match(line)):
            last = gpus.pop()
            gpus.append(Gpu(last.index, last.uuid, (*last.slices, match[1])))
    return gpus


def list_gpus() -> list[Gpu] | None:
    """Return the GPUs that nvidia-smi lists now, None without nvidia-smi; raises InputError when it finds none."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired:
        raise InputError(
            f"nvidia-smi -L has not answered in {PATIENCE} s; the driver hangs: restart this machine"
        ) from None
    listed = parse_listing(done.stdout)
    if not listed:
        said = (done.stdout + done.stderr).strip().splitlines() or [f"status {done.returncode}"]
        raise InputError(f"nvidia-smi -L lists no GPU ({said[0]}); set compute.gpus: 0 to run on the CPU")
    return listed


def names_in(text: str) -> list[str]:
    """Return the ids in a value of CUDA_VISIBLE_DEVICES; raises InputError for one that CUDA does not know."""
    if text.strip() in NONE_VISIBLE:
        raise InputError(f"CUDA_VISIBLE_DEVICES={text!r} hides every GPU; unset it, or set compute.gpus: 0")
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if not FORMS.fullmatch(name):
            raise InputError(
                f"CUDA_VISIBLE_DEVICES={text}: {name!r} is no GPU; expected a number, GPU-<uuid> or MIG-<uuid>"
            )
    return list(dict.fromkeys(names))


def find(name: str, gpus: Sequence[Gpu]) -> Device | None:
    """Return the device that CUDA means by `name` (uuids may be cut short), None when it is not there."""
    for gpu in gpus:
        if name == gpu.index or (name.startswith("GPU-") and gpu.uuid.startswith(name)):
            return gpu.device(name)
        for part in gpu.slices:
            if name.startswith("MIG-") and part.startswith(name):
                return Device(name, part)
    return None


def machine_pool(visible: str | None) -> tuple[list[Device], list[str]]:
    """Return the devices of `visible` (CUDA_VISIBLE_DEVICES; None = all) and the names in it that are not there."""
    names = None if visible is None else names_in(visible)
    gpus = list_gpus()
    if names is None:
        if gpus is None:
            raise InputError(
                "this machine has no nvidia-smi, so no GPU can be handed out; name GPUs in CUDA_VISIBLE_DEVICES, or "
                "set compute.gpus: 0 to run on the CPU"
            )
        return [Device(part, part) for gpu in gpus for part in gpu.slices or (gpu.uuid,)], []
    if gpus is None:
        return [Device(name, name) for name in names], []
    devices = {name: find(name, gpus) for name in names}
    missing = [name for name, device in devices.items() if device is None]
    return list({device.key: device for device in devices.values() if device}.values()), missing


def scheduler_job(environment: Mapping[str, str]) -> str | None:
    """Return a name for the scheduler's job (and step) that this process runs in, e.g. SLURM-71-0; None outside."""
    for scheduler, variables in SCHEDULERS.items():
        if variables[0] in environment:
            return "-".join([scheduler, *(environment[name] for name in variables if name in environment)])
    return None


def given_pool(job: str, environment: Mapping[str, str]) -> list[Device]:
    """Return the devices that a scheduler gave a job. Their ids may mean something in this job alone: so do the keys."""
    return [Device(name, f"{job}-{name}") for name in names_in(environment["CUDA_VISIBLE_DEVICES"])]
