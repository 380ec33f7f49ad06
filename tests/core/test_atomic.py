"""Outputs appear whole or not at all."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lib.core.atomic import atomic_dir, atomic_file


def test_a_file_appears_only_after_the_block(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "table.csv"
    with atomic_file(target) as temporary:
        temporary.write_text("a\n")
        assert not target.exists()
    assert target.read_text() == "a\n"
    assert [path.name for path in target.parent.iterdir()] == ["table.csv"]


def test_a_failed_block_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="stop"), atomic_file(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stop")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "generator"
    target.mkdir()
    (target / "stale").write_text("x")
    with atomic_dir(target) as temporary:
        (temporary / "weights").write_text("new")
        (temporary / "base").symlink_to("../elsewhere")
    assert sorted(path.name for path in target.iterdir()) == ["base", "weights"]
    with pytest.raises(KeyError), atomic_dir(target) as temporary:
        raise KeyError("stop")
    assert sorted(path.name for path in target.iterdir()) == ["base", "weights"]
    assert list(tmp_path.iterdir()) == [target]


def test_kill_9_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    program = (
        "import os, signal\nfrom scripts.lib.core.atomic import atomic_file\n"
        f"with atomic_file({str(target)!r}) as part:\n"
        "    part.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    assert target.read_text() == "old"


def test_what_a_killed_process_left_goes_with_the_next_try_and_that_of_others_stays(tmp_path: Path) -> None:
    target = tmp_path / "cohort"
    program = (
        "import os, signal\nfrom scripts.lib.core.atomic import atomic_dir\n"
        f"with atomic_dir({str(target)!r}) as part:\n"
        "    (part / 'half').write_text('x')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], env=os.environ, check=False)
    (left,) = tmp_path.glob(".cohort.*.part")
    dead = left.name.split(".")[-2]
    elsewhere = (
        tmp_path / f".cohort.another-machine.{dead}.part"
    )  # a number says nothing about another machine's processes
    alive = tmp_path / f".cohort.{platform.node()}.{os.getppid()}.part"
    elsewhere.mkdir()
    alive.mkdir()
    with atomic_dir(target) as part:
        (part / "whole").write_text("x")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["cohort", elsewhere.name, alive.name])
