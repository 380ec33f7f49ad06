"""Where the files of a table lie: in one folder, or in several that a pattern fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.formats.locating import Places, folder_of
from tests.helpers.touched_files import touched


@pytest.mark.parametrize(
    ("given", "name", "path"),
    [
        ("", "x/a.png", "x/a.png"),
        ("x", "a.png", "x/a.png"),
        ("x/", "./a.png", "x/a.png"),
        ("part_*", "b.png", "part_2/b.png"),
        ("part_*", "deep/c.png", "part_2/deep/c.png"),
        ("*", "b.png", "part_2/b.png"),
        ("part_*", "nowhere.png", "part_1/nowhere.png"),  # the quarantine names it
    ],
)
def test_a_path_starts_in_the_folder_that_has_it(tmp_path: Path, given: str, name: str, path: str) -> None:
    root = touched(tmp_path, "part_1/a.png", "part_2/b.png", "part_2/deep/c.png", "part_3")
    assert Places(root, given, "images").path(name, "row 2") == path


def test_two_files_of_one_name_and_a_pattern_of_no_folder_are_one_line(tmp_path: Path) -> None:
    root = touched(tmp_path, "part_1/a.png", "part_2/a.png")
    with pytest.raises(
        InputError, match=r"row 2: a.png lies in part_1 and in part_2, both of reader.images: part_\*; write"
    ):
        Places(root, "part_*", "images").path("a.png", "row 2")
    with pytest.raises(InputError, match=r"reader.masks: no folder m\* below"):
        Places(root, "m*", "masks")
    with pytest.raises(InputError, match=r"holds '\.\.'"):
        Places(root, "../*", "images")


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["p1/a.png", "p2/b.png"], "p*"),
        (["p1/x/a.png", "p10/x/b.png"], "p*/x"),
        (["north/films/a.png", "south/films/b.png"], "*/films"),
        (["north/a.png", "south/films/b.png"], "north"),  # not side by side
        (["p1/a.png", "p2/b.png", "p3/a.png"], "p1"),  # nobody knows which a.png is meant
        (["a.png", "p1/b.png"], ""),
    ],
)
def test_folders_side_by_side_become_a_pattern(tmp_path: Path, files: list[str], found: str) -> None:
    assert folder_of(touched(tmp_path, *files), ["a.png", "b.png"]) == found
