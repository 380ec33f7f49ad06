"""What jobs ask a scheduler for: GPUs by what they can use, CPUs by the number of processes, minutes within the limit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SHEET = "results/siim/pools/original/fraction-0.5/sheet.png"


@pytest.mark.parametrize(
    ("overlay", "training", "sampling"),
    [
        ("compute: {longest_job: 2880}\n", {"gpu": 0, "cpus_per_task": 1, "runtime": 2880}, {"gpu": 0, "runtime": 720}),
        # 3 GPUs: a training of 3 processes with 2 threads each has 6 CPUs; a sampler takes one GPU
        (
            "compute: {gpus: 3, longest_job: 600}\n",
            {"gpu": 3, "cpus_per_task": 6, "runtime": 600},
            {"gpu": 1, "runtime": 600},
        ),
    ],
    ids=["CPU", "3 GPUs"],
)
def test_resources_follow_the_configuration(
    overlay: str, training: dict[str, int], sampling: dict[str, int], tmp_path: Path
) -> None:
    (tmp_path / "overlay.yaml").write_text(overlay)
    jobs = tmp_path / "jobs.json"
    study = ["--configfile", ROOT / "studies" / "tiny.yaml", tmp_path / "overlay.yaml"]
    options = ["--snakefile", ROOT / "Snakefile", "--directory", tmp_path, "--cores", "2", *study, "--", SHEET]
    command = [sys.executable, "-m", "scripts.lib.engine.dry_run", jobs, *options]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    asked = {job["rule"]: job["resources"] for job in json.loads(jobs.read_text())}
    assert asked["train_base"] | training == asked["train_base"]
    assert asked["sample_pool"] | sampling == asked["sample_pool"]
    assert asked["draw_sheet"]["runtime"] == 10 and not asked["draw_sheet"].get("gpu")
