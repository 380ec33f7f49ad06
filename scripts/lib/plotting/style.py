"""How every figure looks: type, lines and colours for print, and files whose bytes depend on the data alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402 - the backend is chosen first
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.layout_engine import ConstrainedLayoutEngine, TightLayoutEngine  # noqa: E402
from matplotlib.typing import RcKeyType  # noqa: E402

from scripts.lib.core.atomic import atomic_file  # noqa: E402
from scripts.lib.core.phantom import LINE, phantoms  # noqa: E402

MM = 1 / 25.4
INK = "#1b2430"
SOFT = "#66707c"
GRID = "#e3e6ea"
ALERT = "#b3261e"
# One hue from light to dark: the order survives grey print and every kind of colour vision.
SYNTHETIC = ("#c6dbef", "#8fbcdd", "#4f93c4", "#1d5f9b", "#0a3055")
REAL = "#ffffff"
STRIP = 0.13  # inches below a figure of phantom films

SETTINGS: dict[RcKeyType, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 7.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.6,
    "xtick.major.size": 0,
    "text.color": INK,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "synthorax",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
# What a format would otherwise stamp into the file: the time, or the version of the library.
METADATA = {
    ".pdf": {"CreationDate": None, "Creator": "Synthorax", "Producer": None},
    ".svg": {"Date": None, "Creator": "Synthorax"},
    ".png": {"Software": None},
}

CLIP = re.compile(r'(?<=clipPath id=")p[0-9a-f]{10}(?=")|(?<=url\(#)p[0-9a-f]{10}(?=\))')


@contextmanager
def journal_style() -> Iterator[None]:
    """Draw with SETTINGS inside the block and leave matplotlib as it was."""
    with plt.rc_context(SETTINGS):
        yield


def shades(count: int) -> list[str]:
    """Return `count` colours for ascending multipliers, spread over the light-to-dark scale."""
    if count <= len(SYNTHETIC):
        step = (len(SYNTHETIC) - 1) / max(count - 1, 1)
        return [SYNTHETIC[round(place * step)] for place in range(count)] if count > 1 else [SYNTHETIC[2]]
    scale = matplotlib.colors.LinearSegmentedColormap.from_list("synthetic", SYNTHETIC)
    return [matplotlib.colors.to_hex(scale(place / (count - 1))) for place in range(count)]


def _say_phantom(figure: Figure) -> None:
    """Make the figure a strip taller, and write there that its films are a phantom's."""
    width, height = figure.get_size_inches()
    share = STRIP / (height + STRIP)
    figure.set_size_inches(width, height + STRIP)
    engine = figure.get_layout_engine()
    for legend in figure.legends:
        # Its place is a share of the figure too, and stays one when the figure is drawn at another resolution.
        left, bottom, wide, high = figure.transFigure.inverted().transform_bbox(legend.get_bbox_to_anchor()).bounds
        corner = (left, share + bottom * (1 - share), wide, high * (1 - share))
        legend.set_bbox_to_anchor(corner, transform=figure.transFigure)
    if isinstance(engine, ConstrainedLayoutEngine):
        left, bottom, wide, high = engine.get()["rect"]  # what a figure keeps free for its legend stays free
        engine.set(rect=(left, share + bottom * (1 - share), wide, high * (1 - share)))
    elif isinstance(engine, TightLayoutEngine):
        left, bottom, right, top = engine.get()["rect"]
        engine.set(rect=(left, share + bottom * (1 - share), right, share + top * (1 - share)))
    else:
        for axes in figure.axes:
            left, bottom, wide, high = axes.get_position().bounds
            axes.set_position((left, share + bottom * (1 - share), wide, high * (1 - share)))
    for text in figure.texts:
        text.set_y(share + text.get_position()[1] * (1 - share))
    figure.text(0.995, share * 0.5, LINE, ha="right", va="center", fontsize=5, color="#57606a")


def _number_clips(path: Path) -> None:
    """Name the clips of an SVG by their order. matplotlib hashes their places, whose last bits the layout does not repeat."""
    names: dict[str, str] = {}
    text = CLIP.sub(lambda found: names.setdefault(found[0], f"clip{len(names)}"), path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")


def save(figure: Figure, paths: Sequence[Path], dpi: int = 300) -> None:
    """Write the figure to every path, all of them or none; a path's suffix, e.g. ".pdf", chooses the format.

    In a study with phantom films a strip below the figure says so.
    """
    if phantoms():
        _say_phantom(figure)
    with ExitStack() as stack, journal_style():  # fonts and identifiers are settled when a file is written
        for path in paths:
            part = stack.enter_context(atomic_file(path))
            figure.savefig(part, format=path.suffix.lstrip("."), dpi=dpi, metadata=METADATA.get(path.suffix))
            if path.suffix == ".svg":
                _number_clips(part)
    plt.close(figure)
