"""A SLURM of one node with two fake GPUs, for the tests that `-m cluster` selects (make test-cluster)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cluster.slurm import Slurm, missing, running
from tests.conftest import Workflow, copy_repository
from tests.helpers.gpu_machine import hear_interrupts

# Two GPUs, one a job; the rest as on a real cluster, but with less patience.
STUDY = "compute: {gpus: 1}\n"
IMPATIENT = ("--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "10")


@dataclass(frozen=True)
class ClusterWorkflow(Workflow):
    """A copy of the repository whose jobs go to a SLURM."""

    slurm: Slurm = field(kw_only=True)

    def command(self, *arguments: str, study: str | None = "studies/tiny.yaml") -> list[str]:
        profile = ["--workflow-profile", "profiles/slurm", *IMPATIENT]
        overlays = ["--configfile", study, "cluster.yaml"] if study else []
        # One thread, as in a run without a scheduler: low bits of a training depend on their number.
        return [sys.executable, "-m", "snakemake", *profile, "--max-threads", "1", *arguments, *overlays]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the run and leave it alone; its output goes to run.log."""
        with (self.root / "run.log").open("w") as log:
            return subprocess.Popen(
                self.command(*arguments),
                cwd=self.root,
                env=self.slurm.environment,
                stdout=log,
                stderr=log,
                text=True,
                preexec_fn=hear_interrupts,
            )

    def run(self, *arguments: str, study: str | None = "studies/tiny.yaml") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments, study=study),
            cwd=self.root,
            env=self.slurm.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def log(self) -> str:
        return (self.root / "run.log").read_text()


def cluster_workflow(slurm: Slurm, target: Path, overlay: str = STUDY) -> ClusterWorkflow:
    """Copy the repository to `target`, for runs on the cluster with `overlay` on top of the tiny study."""
    copied = copy_repository(target)
    (copied.root / "cluster.yaml").write_text(overlay)
    return ClusterWorkflow(copied.root, slurm=slurm)


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    if lack := missing():
        pytest.skip(lack)
    with running() as cluster:
        yield cluster
