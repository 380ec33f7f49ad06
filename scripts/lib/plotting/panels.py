"""What figures of several panels share: a letter and a title for each, and the figure that says why there is none."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from typing import TypeVar

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.lib.plotting.style import MM, journal_style

T = TypeVar("T")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")  # Okabe and Ito
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # the same series differ in shape, for print and for every eye
NARROW = 0.62  # of a page's width: a figure of one column
FOOT, LINE = 4.0, 5.0  # mm below the panels, and for each line of a legend
CHARACTER, KEY, BETWEEN = 1.3, 6.8, 5.3  # mm: a character, the line before a name, and between two entries of a legend


def letter(place: int) -> str:
    """Return the letter of a panel by its place, from 0."""
    return string.ascii_uppercase[place % 26]


def look(place: int) -> tuple[str, str]:
    """Return colour and marker of a series by its place, from 0."""
    return COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]


def titled_panels(axes: np.ndarray, panels: Sequence[tuple[str, T]], first: int = 0) -> Iterator[tuple[Axes, T]]:
    """Yield the axes of each panel (title, what it shows), titled from the letter `first` on; axes beyond the last panel are hidden."""
    for number, axis in enumerate(axes.flat):
        if number >= len(panels):
            axis.set_visible(False)
            continue
        title, shown = panels[number]
        axis.set_title(f"{letter(first + number)}   {title}", loc="left", pad=7)
        yield axis, shown


def legend_entries(axes: np.ndarray) -> dict[str, Artist]:
    """Return the entries of the legends of all axes, each name once."""
    return {text: handle for axis in axes.flat for handle, text in zip(*axis.get_legend_handles_labels())}


def legend_room(names: Sequence[str], width_mm: float) -> tuple[int, float]:
    """Return how many entries of these names a legend across a figure has in a line, and how many mm all of its lines need.

    No entry is cut off.
    """
    entry = CHARACTER * max(map(len, names), default=0) + KEY + BETWEEN
    beside = max(1, min(len(names), int((width_mm + BETWEEN) // entry)))
    return beside, FOOT + LINE * -(-len(names) // beside)


def without_panels(width_mm: float, why: str) -> Figure:
    """Return a figure that says why nothing is drawn."""
    with journal_style():
        figure = plt.figure(figsize=(width_mm * MM * NARROW, 20 * MM))
        figure.text(0.5, 0.5, why, ha="center", va="center")
    return figure
