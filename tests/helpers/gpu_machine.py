"""A machine with fake GPUs, on which tests start commands that want them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HOLDER = [sys.executable, "-I", "-S", str(ROOT / "tests" / "helpers" / "gpu_holder.py")]
SCHEDULED = ("SLURM_", "LSB_", "PBS_", "FLUX_", "CUDA_", "SYNTHORAX_")


def hear_interrupts() -> None:
    """A shell starts its background jobs deaf to SIGINT, and what they start inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Machine:
    """A machine with fake GPUs: an nvidia-smi of its own on PATH, and a folder of locks."""

    def __init__(self, folder: Path, listing: str | None = "") -> None:
        self.folder = folder
        self.events = folder / "events"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.list(listing)
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(SCHEDULED)}
        self.environment |= {"PATH": f"{self.bin}:/usr/bin:/bin", "SYNTHORAX_GPU_LOCKS": str(folder / "locks")}

    def list(self, listing: str | None) -> None:
        """Let nvidia-smi -L print this; None takes it away."""
        tool = self.bin / "nvidia-smi"
        tool.unlink(missing_ok=True)
        if listing is not None:
            tool.write_text(f"#!/bin/sh\ncat <<'END'\n{listing}\nEND\n")
            tool.chmod(0o755)

    def start(self, *options: object, command: list[str] | None = None, **variables: str) -> subprocess.Popen[str]:
        argv = [
            sys.executable,
            "-m",
            "scripts.lib.engine.gpu_slot",
            *map(str, options),
            "--",
            *(command or self.holder()),
        ]
        own = {**self.environment, **variables}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(argv, cwd=ROOT, env=own, text=True, preexec_fn=hear_interrupts, **pipes)

    def run(self, *options: object, command: list[str] | None = None, **variables: str) -> tuple[int, str, str]:
        """Return (status, stdout, stderr)."""
        process = self.start(*options, command=command or SHOW, **variables)
        out, error = process.communicate(timeout=300)
        return process.returncode, out.strip(), error.strip()

    def holder(self, seconds: float = 0.0, linger: float = 0.0) -> list[str]:
        return [*HOLDER, str(self.folder), str(seconds), str(linger)]

    def told(self, what: str) -> list[list[str]]:
        """Return the events of a kind: [time, kind, pid, launcher, devices]."""
        lines = self.events.read_text().splitlines() if self.events.exists() else []
        return [line.split() for line in lines if line.split()[1] == what]


SHOW = ["/bin/sh", "-c", "echo $CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER"]
TWO = "GPU 0: NVIDIA A (UUID: GPU-aaaa-1)\nGPU 1: NVIDIA A (UUID: GPU-bbbb-2)"
SLICED = TWO + "\n  MIG 1g.5gb      Device  0: (UUID: MIG-cccc-3)\n  MIG 1g.5gb      Device  1: (UUID: MIG-dddd-4)"


def until(condition: Callable[[], Any], seconds: float = 300.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found
