"""The real workflow, killed with -9 in the middle: the same command goes on, and ends with the bytes of an undisturbed run."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import copy_repository
from tests.helpers.held_workflow import wait_until

pytestmark = [pytest.mark.workflow, pytest.mark.long]
KEPT = (".npy", ".parquet", ".csv", ".md", ".tsv", ".safetensors", ".json", ".png", ".pdf", ".svg", ".dcm", ".jpg")
SKIPPED = ("logs", "benchmarks", "checkpoints")
# One dataset, from its raw tree to its trials; each of the trainings has a test of its own that kills it.
TARGETS = (
    *(f"results/siim/trials/{arm}/fraction-0.5/trial-0.parquet" for arm in ("real", "original")),
    "results/siim/pools/original/fraction-0.5/sheet.png",
)


def digests(results: Path) -> dict[str, str]:
    """Return {relative path: sha256} of every result file."""
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.rglob("*"))
        if path.suffix in KEPT and path.is_file() and path.relative_to(results).parts[0] not in SKIPPED
    }


def test_kill_9_in_the_middle_and_the_same_command_give_the_same_bytes(tmp_path: Path, forked_jobs: str) -> None:
    whole, killed = (
        replace(copy_repository(tmp_path / name), interpreter=forked_jobs) for name in ("a whole run", "killed")
    )
    # Killed in each training, and in what runs beside it.
    for begun in ("train_base/base.log", "train_controlnet/controlnet.log"):
        process = killed.begin(*TARGETS, output=tmp_path / "killed.txt")
        wait_until((killed.root / "results" / "logs" / begun).exists)
        time.sleep(0.3)
        # Pools and trials come after each of the trainings, and take seconds: it has not ended before.
        assert process.poll() is None, (tmp_path / "killed.txt").read_text()[-3000:]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for workflow in (whole, killed):
        done = workflow.run(*TARGETS)
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    expected, found = digests(whole.root / "results"), digests(killed.root / "results")
    assert {target.removeprefix("results/") for target in TARGETS} <= found.keys()
    assert found == expected
