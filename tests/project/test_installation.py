"""envs/install.sh notices a broken environment, mends it, and says in one line what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

INSTALL = ROOT / "envs" / "install.sh"
UV = """#!/bin/sh
# Stands for uv: puts one package, and Snakemake's command, into the environment, unless it is to fail.
[ "$1" = --version ] && exit 0
echo "$@" >> calls
[ -e refuse ] && exit 1
packages=.venv/lib/python3/site-packages
mkdir -p $packages/toy-1.dist-info $packages/toy/parts
echo toy/parts/one.py,sha256=1,2 > $packages/toy-1.dist-info/RECORD
cp "$0" .venv/bin/snakemake
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a lock, and a uv that installs a toy."""
    (tmp_path / "requirements.lock").write_text((ROOT / "requirements.lock").read_text())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "uv").write_text(UV)
    (tmp_path / "bin" / "uv").chmod(0o755)
    return tmp_path


def install(place: Path, *words: str, python: str = sys.executable, **environment: str) -> tuple[int, str]:
    path = f"{place / 'bin'}:{os.environ['PATH']}"
    words = words or ("install", ".venv", python)
    done = subprocess.run(
        ["sh", str(INSTALL), *words],
        cwd=place,
        env={**os.environ, "PATH": path, "NEEDED_MB": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def whole(place: Path) -> bool:
    return install(place, "check", ".venv")[0] == 0


def calls(place: Path) -> list[str]:
    return (place / "calls").read_text().splitlines()


def test_an_install_is_whole_and_pinned_by_hashes(place: Path) -> None:
    assert not whole(place)
    status, text = install(place)
    assert status == 0, text
    assert whole(place)
    assert calls(place)[-1].startswith("pip sync") and "--require-hashes requirements.lock" in calls(place)[-1]
    assert "lib/python3/site-packages/toy-1.dist-info" in (place / ".venv" / ".ready").read_text().splitlines()


@pytest.mark.parametrize(
    "lost",
    [
        "bin/python",
        "bin/snakemake",
        *(f"lib/python3/site-packages{part}" for part in ("", "/toy-1.dist-info", "/toy", "/toy/parts")),
    ],
)
def test_what_got_lost_is_noticed_and_mended(place: Path, lost: str) -> None:
    install(place)
    path = place / ".venv" / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert not whole(place)
    status, text = install(place)
    assert status == 0 and whole(place), text
    # uv takes a package for installed as long as its dist-info is there.
    assert ("--reinstall-package toy" in calls(place)[-1]) is (Path(lost).name in ("toy", "parts")), text


def test_a_python_that_went_away_is_noticed_and_replaced(place: Path) -> None:
    install(place)
    for name in ("python", "python3"):
        (place / ".venv" / "bin" / name).unlink(missing_ok=True)
    (place / ".venv" / "bin" / "python").symlink_to("/nowhere/python3.11")
    assert not whole(place)
    status, text = install(place)
    assert status == 0 and "no working Python" in text and whole(place)


def test_an_interrupted_install_begins_again_with_every_package(place: Path) -> None:
    (place / "refuse").touch()
    status, text = install(place)
    assert status == 1 and text.count("Error: ") == 1 and not whole(place)
    (place / "refuse").unlink()
    assert install(place)[0] == 0 and whole(place)
    assert ["--reinstall" in call for call in calls(place)] == [False, True]


@pytest.mark.parametrize(
    ("environment", "python", "message"),
    [
        ({"NEEDED_MB": "999999999"}, sys.executable, "MB of disk"),
        ({}, "no-such-python", "Python 3.11 or newer"),
        ({}, "/bin/false", "Python 3.11 or newer"),
    ],
)
def test_what_the_machine_lacks_is_one_line(
    place: Path, environment: dict[str, str], python: str, message: str
) -> None:
    status, text = install(place, python=python, **environment)
    assert status == 1 and message in text and text.count("\n") == 1, text
    assert not (place / ".venv").exists()


def test_uv_is_in_the_lock_with_its_hashes() -> None:
    entry = (ROOT / "requirements.lock").read_text().split("\nuv==")[1].split("\n# ")[0]
    assert "--hash=sha256:" in entry.split("# via")[0]
