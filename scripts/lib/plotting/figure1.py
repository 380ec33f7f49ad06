"""Figure 1: the pipeline, drawn from the stages that the study really has, with films of the run itself in each box."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from scripts.lib.core.errors import InputError
from scripts.lib.plotting.style import ALERT, INK, MM, SOFT, SYNTHETIC, journal_style

COLUMNS = 4
BOX_HEIGHT, GAP = 42.0, 7.0  # mm
MARGIN = 2.0  # mm
LETTER, LINE = 0.95, 2.2  # mm of a caption
TONES = {"data": "#f3f6f9", "model": "#e4eef7", "judge": "#fdf1e7"}


@dataclass(frozen=True)
class OutlinedFilm:
    """A film uint8 (H, W), with the outline of a mask bool (H, W), a frame and a caption where there are any."""

    image: np.ndarray
    outline: np.ndarray | None = None
    framed: bool = False
    caption: str = ""


@dataclass(frozen=True)
class DrawnStage:
    """One box: title, pictures in a row, lines of text; or `bars` (label, value) in place of pictures."""

    title: str
    text: Sequence[str]
    pictures: Sequence[OutlinedFilm] = ()
    tone: str = "data"
    bars: Sequence[tuple[str, float]] = field(default=())


def draw_figure1(stages: Sequence[DrawnStage], width_mm: float = 183.0) -> Figure:
    """Return the figure: boxes row by row, every second row from right to left, joined by arrows."""
    if not stages:
        raise InputError("figure 1: no stage to draw")
    rows = -(-len(stages) // COLUMNS)
    height_mm = rows * BOX_HEIGHT + (rows - 1) * GAP + 2 * MARGIN
    box_mm = (width_mm - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS
    with journal_style():
        figure = plt.figure(figsize=(width_mm * MM, height_mm * MM))
        page = figure.add_axes((0, 0, 1, 1))
        page.set(xlim=(0, width_mm), ylim=(height_mm, 0))
        page.axis("off")
        corners = [_corner(number, box_mm) for number in range(len(stages))]
        for stage, corner in zip(stages, corners):
            _draw_stage(figure, page, stage, corner, box_mm, (width_mm, height_mm))
        for before, after in zip(corners, corners[1:]):
            _draw_arrow(page, before, after, box_mm)
    return figure


def _corner(place: int, box_mm: float) -> tuple[float, float]:
    """Return the upper left corner of a box in mm."""
    row, column = divmod(place, COLUMNS)
    column = column if row % 2 == 0 else COLUMNS - 1 - column
    return MARGIN + column * (box_mm + GAP), MARGIN + row * (BOX_HEIGHT + GAP)


def _draw_stage(
    figure: Figure, page: Axes, stage: DrawnStage, corner: tuple[float, float], box_mm: float, size: tuple[float, float]
) -> None:
    x, y = corner
    shape = FancyBboxPatch(
        (x, y), box_mm, BOX_HEIGHT, boxstyle="round,pad=0,rounding_size=1.6", fc=TONES[stage.tone], ec=INK, lw=0.6
    )
    page.add_patch(shape)
    page.text(x + 2, y + 3.8, stage.title, fontsize=7.5, fontweight="bold", va="center")
    room = BOX_HEIGHT - 7 - 3.2 * len(stage.text) - 2
    if stage.bars:
        _draw_bars(figure, stage.bars, (x + 6, y + 7.5, box_mm - 8, room - 4), size)
    elif stage.pictures:
        _draw_pictures(figure, stage.pictures, (x + 2, y + 7, box_mm - 4, room), size)
    for line, text in enumerate(reversed(stage.text)):
        page.text(x + 2, y + BOX_HEIGHT - 2.4 - 3.2 * line, text, fontsize=5.8, color=SOFT, va="center")


def _axes(figure: Figure, box: tuple[float, float, float, float], size: tuple[float, float]) -> Axes:
    """Return axes over a rectangle given in mm from the upper left: x, y, width, height."""
    x, y, width, height = box
    return figure.add_axes((x / size[0], 1 - (y + height) / size[1], width / size[0], height / size[1]))


def _draw_pictures(
    figure: Figure, pictures: Sequence[OutlinedFilm], room: tuple[float, float, float, float], size: tuple[float, float]
) -> None:
    x, y, width, height = room
    widest = (width - 1.5 * (len(pictures) - 1)) / len(pictures)
    captions = [textwrap.fill(picture.caption, int(widest / LETTER)) for picture in pictures]
    below = max(LINE * (caption.count("\n") + 1) + 1 if caption else 0 for caption in captions)
    side = min(widest, height - below)
    left = x + (width - side * len(pictures) - 1.5 * (len(pictures) - 1)) / 2
    y += (height - side - below) / 2
    for number, picture in enumerate(pictures):
        axis = _axes(figure, (left + number * (side + 1.5), y, side, side), size)
        axis.imshow(picture.image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        if picture.outline is not None and picture.outline.any():
            axis.contour(picture.outline, levels=[0.5], colors=[ALERT], linewidths=0.6)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(visible=picture.framed, color=SYNTHETIC[3], linewidth=1.5)
        if captions[number]:
            axis.set_xlabel(captions[number], fontsize=5, labelpad=1.5, color=INK)


def _draw_bars(
    figure: Figure,
    bars: Sequence[tuple[str, float]],
    room: tuple[float, float, float, float],
    size: tuple[float, float],
) -> None:
    axis = _axes(figure, room, size)
    axis.patch.set_alpha(0)
    colours = ["#ffffff", *SYNTHETIC]
    values = [value for _, value in bars]
    axis.bar(range(len(bars)), values, 0.7, color=colours[: len(bars)], edgecolor=INK, linewidth=0.5)
    axis.set_xticks(range(len(bars)), [name for name, _ in bars], fontsize=5)
    axis.tick_params(axis="y", labelsize=5, length=1.5, pad=1)
    axis.tick_params(axis="x", pad=1)
    axis.set_ylim(0, np.nanmax([*values, 0.05]) * 1.1)


def _draw_arrow(page: Axes, before: tuple[float, float], after: tuple[float, float], box_mm: float) -> None:
    middle = BOX_HEIGHT / 2
    if before[1] == after[1]:
        right = after[0] > before[0]
        start = (before[0] + (box_mm if right else 0), before[1] + middle)
        end = (after[0] + (0 if right else box_mm), after[1] + middle)
    else:
        start, end = (before[0] + box_mm / 2, before[1] + BOX_HEIGHT), (after[0] + box_mm / 2, after[1])
    page.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=7, color=INK, lw=0.9, shrinkA=1, shrinkB=1)
    )
