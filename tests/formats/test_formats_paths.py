"""Paths and identifiers in tables: none leads out of the root of a dataset, through a link or otherwise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.formats import paths
from scripts.lib.formats.record import Rejected

HOSTILE = [
    "../x.png",
    "a/../../x.png",
    "/etc/passwd",
    "~/x",
    "C:/x.png",
    "c:x",
    "https://x.org/a.png",
    "a\0b",
    "a\\b",
    " ",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_paths_that_leave_the_root_stop_the_run(text: str) -> None:
    with pytest.raises(InputError, match=r"t\.csv row 2: path"):
        paths.safe_path(text, "t.csv row 2")


@pytest.mark.parametrize("text", ["a/b", "../b", "..", "."])
def test_identifiers_that_hold_a_path_stop_the_run(text: str) -> None:
    with pytest.raises(InputError, match="identifier"):
        paths.safe_name(text, "t.csv row 2")


def test_harmless_paths() -> None:
    assert paths.safe_path("./a//b..c/d e'.png", "") == "a/b..c/d e'.png"


def test_links_pipes_and_devices(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "sub").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_text("x")
    (root / "own").write_text("y")
    (root / "inner").symlink_to(root / "own")
    (root / "outer").symlink_to(outside / "secret")
    (root / "folder").symlink_to(outside)
    os.mkfifo(root / "pipe")
    assert paths.read_inside(root, "inner") == b"y"
    for name, message in (
        ("outer", "outside"),
        ("folder/secret", "outside"),
        ("pipe", "named pipe"),
        ("sub", "folder"),
    ):
        with pytest.raises(InputError, match=message):
            paths.read_inside(root, name)
    (root / "null").symlink_to("/dev/null")
    with pytest.raises(InputError, match="outside"):
        paths.read_inside(root, "null")
    (root / "loop").symlink_to(root / "loop")
    (root / "empty").touch()
    for name in ("loop", "missing", "empty", "own/below"):
        with pytest.raises(Rejected):
            paths.read_inside(root, name)


def test_a_root_that_is_itself_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "own").write_text("y")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert paths.read_inside(tmp_path / "link", "own") == b"y"
