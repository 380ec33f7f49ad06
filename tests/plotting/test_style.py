"""Files of figures have the same bytes whenever they are drawn."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from scripts.lib.plotting.style import save


def drawn(path: Path, apart: float) -> str:
    """Return the SVG of a picture and a curve, whose axes lie `apart` (a share of the figure) from their place."""
    figure = plt.figure(figsize=(3, 2))
    for left in (0.1, 0.6):
        axes = figure.add_axes((left + apart, 0.2, 0.3, 0.6))
        axes.imshow(np.eye(3))
        axes.plot([0, 2], [0, 2])
    save(figure, [path])
    return path.read_text()


def test_the_last_bits_of_a_layout_change_no_byte(tmp_path: Path) -> None:
    # 3 inches x 72 points x 1e-13 = 2e-11 points: less than any digit that is written, and enough for another hash of the clips.
    first, second = drawn(tmp_path / "a.svg", 0.0), drawn(tmp_path / "b.svg", 1e-13)
    assert first == second


def test_each_clip_has_a_name_and_is_named_where_it_is_used(tmp_path: Path) -> None:
    text = drawn(tmp_path / "a.svg", 0.0)
    clips = re.findall(r'<clipPath id="(\w+)"', text)
    assert sorted(clips) == ["clip0", "clip1"]
    assert set(re.findall(r"url\(#(\w+)\)", text)) == set(clips)


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_other_formats_are_left_as_they_are_written(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        figure = plt.figure(figsize=(1, 1))
        figure.text(0.1, 0.5, "pa1b2c3d4e5")
        save(figure, [tmp_path / f"{name}{suffix}"])
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
