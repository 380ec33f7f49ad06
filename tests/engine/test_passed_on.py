"""What a Snakemake hands on to that of a seed: where and how jobs run, never what is made."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.engine.inner_run import run_snakemake
from scripts.lib.engine.passed_on import passed_on
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("typed", "cores", "found"),
    [
        ("replicate --cores all --configfile a.yaml b.yaml --config x=1", 4, "--cores 4"),
        ("-c 2 replicate -n -F -R prepare_cohort --directory runs/a", 2, "--cores 2"),
        ("replicate --resources gpu=2 mem_mb=5 --retries=3", 1, "--cores 1 --resources gpu=2 mem_mb=5 --retries 3"),
        ("replicate --workflow-profile profiles/slurm -j 50", None, "--workflow-profile profiles/slurm -j 50"),
        ("-k --jobs 5 replicate --slurm-qos high", None, "-k --jobs 5 --slurm-qos high"),
        ("replicate -T -1 -- --jobs 3", None, "-T -1"),
    ],
)
def test_only_how_jobs_run_is_handed_on(
    typed: str, cores: int | None, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PWD", str(tmp_path))
    assert passed_on(typed.split(), cores) == found.split()


def test_a_profile_beside_the_user_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("PWD", str(tmp_path))
    assert passed_on(["--profile", "mine"], None) == ["--profile", str(tmp_path / "mine")]


def test_a_run_that_fails_is_one_line() -> None:
    with pytest.raises(InputError, match="seed 2: its Snakemake ended with status"):
        run_snakemake(["--no-such-option"], "seed 2")


@pytest.mark.parametrize("ignored", [False, True], ids=["foreground", "background"])
def test_a_run_whose_job_is_ended_is_interrupted_and_waited_for(tmp_path: Path, ignored: bool) -> None:
    """A shell without a terminal starts what it puts into the background with SIGINT ignored."""
    stub = tmp_path / "stub"
    stub.write_text(
        f"#!/bin/sh\ntrap 'sleep 0.3; touch {tmp_path}/ended; exit 1' INT\nsleep 0.5\ntouch {tmp_path}/begun\nwhile :; do sleep 0.05; done\n"
    )
    stub.chmod(0o755)
    code = (
        f"import signal, sys\nsignal.signal(signal.SIGINT, signal.{'SIG_IGN' if ignored else 'default_int_handler'})\n"
        "from scripts.lib.core.stop_requests import end_on_request\n"
        "from scripts.lib.engine.inner_run import run_snakemake\n"
        f"end_on_request()\nsys.executable = {str(stub)!r}\nrun_snakemake([], 'seed 2')\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as process:
        deadline = time.monotonic() + 20
        while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.terminate()
        try:
            assert process.wait(20) == 143
        finally:
            process.kill()
    assert (tmp_path / "ended").exists()
