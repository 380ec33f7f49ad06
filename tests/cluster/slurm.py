"""A throw-away SLURM of one node below one folder: munged, slurmctld and slurmd, started by hand, with fake GPUs.

Debian's slurm-wlm and munge; nothing in /etc is touched and no systemd is needed. The GPUs are device files without a
driver behind them (major 195 is nvidia's), so jobs get distinct CUDA_VISIBLE_DEVICES and compute on the CPU.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("srun", "sbatch", "squeue", "scancel", "scontrol", "sinfo", "sacct", "sacctmgr", "sshare")
NODE = "node1"
CONFIGURATION = """\
ClusterName=synthorax
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={root}/run/munge.sock
SlurmctldPort={controller_port}
SlurmdPort={node_port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmdPidFile={root}/run/slurmd.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd.log
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmdParameters=config_overrides
EnforcePartLimits=ALL
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=5,sched_interval=5,batch_sched_delay=0
GresTypes=gpu
DefMemPerCPU=100
MinJobAge=3600
KillWait=30
SlurmdTimeout=60
PropagateResourceLimits=NONE
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={node_port} CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=10 State=UP OverSubscribe=NO
PartitionName=short Nodes=ALL MaxTime=60 State=UP OverSubscribe=NO
"""


def missing() -> str | None:
    """Say what this machine lacks for such a cluster; None when it has all."""
    absent = [name for name in (*DAEMONS, "squeue", "sbatch") if shutil.which(name, path=_search_path()) is None]
    if absent:
        return f"{', '.join(absent)} not installed (Debian: apt-get install slurm-wlm munge)"
    return None


def _search_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


def wait_for(what: str, condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until `condition` holds; raises TimeoutError that names `what`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.1)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Slurm:
    """One cluster below `root`; `environment` is that of a user on its login node."""

    def __init__(self, root: Path, cpus: int = 4, memory: int = 16000, gpus: int = 2) -> None:
        self.root, self.cpus, self.memory, self.gpus = root, cpus, memory, gpus
        self.configuration = root / "etc" / "slurm.conf"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLURM_")},
            "SLURM_CONF": str(self.configuration),
            "PATH": os.pathsep.join([str(root / "bin"), _search_path()]),
        }
        self.environment.pop("CUDA_VISIBLE_DEVICES", None)

    def start(self) -> None:
        """Start all daemons and wait for the node to be idle; raises RuntimeError or TimeoutError."""
        for name in ("etc", "log", "run", "state", "spool", "dev", "bin"):
            (self.root / name).mkdir(parents=True)
        (self.root / "munge").mkdir(mode=0o700)
        self._write_files()
        self._start_munge()
        self.start_controller()
        self._daemon("slurmd", "-N", NODE)
        wait_for("the node", lambda: self.query("sinfo", "-h", "-t", "idle", "-o", "%N").strip() == NODE)

    def _write_files(self) -> None:
        controller_port, node_port = free_ports(2)
        text = CONFIGURATION.format(
            root=self.root,
            host=socket.gethostname().split(".")[0],
            user="root" if os.getuid() == 0 else os.environ["USER"],
            controller_port=controller_port,
            node_port=node_port,
            node=NODE,
            cpus=self.cpus,
            memory=self.memory,
            gpus=self.gpus,
        )
        self.configuration.write_text(text)
        (self.root / "etc" / "gres.conf").write_text(f"Name=gpu File={self._devices()}\n")
        (self.root / "etc" / "cgroup.conf").write_text("CgroupPlugin=autodetect\nIgnoreSystemd=yes\n")
        # Snakemake's plugin removes SLURM_CONF inside jobs, so the commands set it again.
        for name in CLIENTS:
            wrapper = self.root / "bin" / name
            wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={self.configuration} exec {shutil.which(name)} "$@"\n')
            wrapper.chmod(0o755)

    def _devices(self) -> str:
        """Make the device files of the fake GPUs; without the right to do so two terminals serve."""
        try:
            for number in range(self.gpus):
                os.mknod(self.root / "dev" / f"nvidia{number}", 0o600 | stat.S_IFCHR, os.makedev(195, number))
        except PermissionError:
            return f"/dev/tty[1-{self.gpus}]"
        return f"{self.root}/dev/nvidia[0-{self.gpus - 1}]"

    def _start_munge(self) -> None:
        key = self.root / "munge" / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        run, log = self.root / "run", self.root / "log"
        self._daemon(
            *("munged", f"--key-file={key}", f"--socket={run}/munge.sock", f"--pid-file={run}/munged.pid"),
            *(f"--log-file={log}/munged.log", f"--seed-file={key.parent}/seed"),
        )
        wait_for("munge", (run / "munge.sock").exists)

    def _daemon(self, name: str, *arguments: str) -> None:
        program = shutil.which(name, path=_search_path())
        done = subprocess.run([program, *arguments], env=self.environment, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr}{done.stdout}")

    def start_controller(self) -> None:
        """Start slurmctld; with jobs that it knew when it was stopped."""
        self._daemon("slurmctld")
        wait_for("slurmctld", lambda: "is UP" in self.query("scontrol", "ping"))

    def stop_controller(self) -> None:
        """Stop slurmctld; jobs go on."""
        self._end("slurmctld")

    def stop(self) -> None:
        """End the jobs and all daemons."""
        if (self.root / "run" / "slurmctld.pid").exists():
            self.query("scancel", "--user", str(os.getuid()))
            wait_for("the end of the jobs", lambda: not self.query("squeue", "-h", "-t", "RUNNING,COMPLETING"), 60)
        for name in ("slurmd", "slurmctld", "munged"):
            self._end(name)

    def _end(self, name: str) -> None:
        file = self.root / "run" / f"{name}.pid"
        if not file.exists():
            return
        number = int(file.read_text())
        for chosen in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(number, chosen)
                wait_for(name, lambda: not Path(f"/proc/{number}").exists(), seconds=15)
                break
            except ProcessLookupError:
                break
            except TimeoutError:
                continue
        file.unlink(missing_ok=True)

    def query(self, *command: str) -> str:
        """Return what a client command prints; its failures are empty answers."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False).stdout

    def jobs(self) -> dict[str, tuple[str, str]]:
        """Return {id: (state, comment)} of all jobs that the controller remembers; the comment names the rule."""
        lines = self.query("squeue", "-h", "--states=all", "-o", "%i|%T|%k").splitlines()
        return {parts[0]: (parts[1], parts[2]) for parts in (line.split("|", 2) for line in lines)}


@contextmanager
def running(**sizes: int) -> Iterator[Slurm]:
    """Yield a cluster that ends with the block.

    In a folder that everybody may enter, which munged insists on; its socket's path has to be short.
    """
    with TemporaryDirectory(prefix="synthorax-slurm-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        cluster = Slurm(Path(folder), **sizes)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
