"""Where a run's jobs start: from a job server where that computes the same, each by itself elsewhere."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.lib.engine import job_client
from scripts.lib.engine.snakemake_patches import count_forks
from scripts.lib.study.fingerprint import ROOT

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

SWITCH = "SYNTHORAX_JOB_SERVER"  # "off": each job starts by itself
# What Snakemake sets for a job, of one thread here.
THREADS = ("OMP_NUM", "GOTO_NUM", "OPENBLAS_NUM", "MKL_NUM", "VECLIB_MAXIMUM", "NUMEXPR_NUM")
SOCKET = 60  # characters of the folder for temporary files: a socket's path has at most 107
GPUS = (Path("/dev/nvidia0"), Path("/dev/kfd"))  # a library may open one when it is imported; a fork could not use it


def start_jobs_from_server(workflow: Workflow) -> None:
    """Let `python` be the client of a job server in the shells of this run, if the server suits it (`suits`)."""
    if os.environ.get(SWITCH) == "off" or not suits(workflow):
        return
    folder = Path(tempfile.mkdtemp(prefix="synthorax-jobs-"))
    if not works(write_client(folder)):
        shutil.rmtree(folder)
        return
    start_server(folder)
    os.environ["PATH"] = os.pathsep.join([str(folder / "bin"), os.environ.get("PATH", os.defpath)])
    count_forks(folder)


def suits(workflow: Workflow) -> bool:
    """Whether the jobs of this run may be forks: on this machine, a Linux without a GPU, in the environment of this Snakemake."""
    return (
        sys.platform == "linux"
        and workflow.is_main_process
        and workflow.local_exec
        and not (workflow.dryrun or workflow.touch)
        and not workflow.deployment_settings.deployment_method
        and not getattr(workflow.global_resources.get("gpu"), "value", None)
        and not any(path.exists() for path in GPUS)
        and len(tempfile.gettempdir()) < SOCKET
    )


def write_client(folder: Path) -> Path:
    """Write the `python` that jobs find first into the folder's `bin`; return it."""
    client = folder / "bin" / "python"
    client.parent.mkdir()
    client.write_text(f"#!{sys.executable} -IS\n{Path(job_client.__file__).read_text()}")
    client.chmod(0o755)
    return client


def works(client: Path) -> bool:
    """Whether this system starts it: not from a folder where nothing may be run, nor if its first line is too long."""
    try:
        return subprocess.run([client, "-c", "pass"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def start_server(folder: Path) -> int:
    """Start a server for the client in `folder`, which it removes when it ends.

    It ends after its last job when the end of a pipe that this returns is closed, which the end of this process does.
    """
    environment = {**os.environ, **{f"{name}_THREADS": "1" for name in THREADS}, "PYTHONPATH": str(ROOT)}
    life, held = os.pipe()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
        listening.listen(64)
        number = listening.fileno()
        words = [sys.executable, "-m", "scripts.lib.engine.job_server", str(number)]
        subprocess.Popen(words, stdin=life, stdout=subprocess.DEVNULL, pass_fds=[number], env=environment, start_new_session=True)  # fmt: skip
    os.close(life)
    return held
