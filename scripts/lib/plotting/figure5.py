"""Figure 5: from words to masks, images and boxes, and what these images are worth.

A: examples beside real films. B: masks held against real ones. C: what experts accept. Then a panel for each task: real films
alone and with images of each arm; a bar is the mean, a dot one trial, a line the 95 % interval, a star a significant gain, the
dashed line the best answer that needs no image. Last: what readers said, where any read.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from scripts.lib.conditions.mask_picture import PALETTE, conditioning_image
from scripts.lib.conditions.mask_prompts import ANATOMY
from scripts.lib.core.errors import InputError
from scripts.lib.plotting.figure5_examples import Example, ShownFilm
from scripts.lib.plotting.figure5_worth import draw_legend, draw_shares, draw_task, say
from scripts.lib.plotting.panels import letter, look
from scripts.lib.plotting.style import GRID, INK, MM, SOFT, journal_style

ROW_HEIGHT, MEASURES_HEIGHT, TASKS_HEIGHT = 21, 52, 68  # mm
COLUMNS = ("anatomy", "with findings", "image", "its boxes", "real film", "its boxes")
MEASURES = {
    "shown_if_asked": "shows what was asked for",
    "side_agreement": "... on the side asked for",
    "validity": "can be (validity)",
    "copies": "copies of learned masks",
    "co_occurrence": "correlations of findings, off by",
    "two_sample_auroc": "told from real (0.5: not at all)",
}
ALL, KEPT = "all", "kept"


def draw_figure5(
    examples: Sequence[Example],
    structures: Sequence[str],
    masks: Mapping[str, pd.DataFrame],
    acceptance: pd.DataFrame | None,
    bars: pd.DataFrame,
    shares: pd.DataFrame | None,
    names: Mapping[str, str],
    width_mm: float = 183.0,
) -> Figure:
    """Return the figure.

    masks       masks.csv of the generated masks and of the control, by arm
    acceptance  what experts accept (voting.ACCEPTANCE), None where none vote
    bars        evidence/table2.arm_bars
    shares      what readers said (table2.SHARES), None where nobody read
    names       how arms are called in print
    """
    if not examples or bars.empty:
        raise InputError("figure 5: it needs an example and the trials of a dataset at least")
    top = ROW_HEIGHT * len(examples) + 12
    height = top + MEASURES_HEIGHT + TASKS_HEIGHT
    with journal_style():
        figure = plt.figure(figsize=(width_mm * MM, height * MM), layout="constrained")
        upper, middle, lower = figure.subfigures(
            3, 1, squeeze=False, height_ratios=[top, MEASURES_HEIGHT, TASKS_HEIGHT]
        )[:, 0]
        _draw_examples(upper, examples, structures)
        left, right = middle.subplots(1, 2, width_ratios=[1.1, 1])
        drawn = list(dict.fromkeys(bars.loc[bars["kind"] == "mean", "arm"]))
        shown = [arm for arm in dict.fromkeys([*drawn, *masks]) if arm != "real"]
        colours = {arm: look(place)[0] for place, arm in enumerate(shown)}
        _draw_measures(left, masks, names, colours)
        _draw_acceptance(right, acceptance)
        datasets = list(dict.fromkeys(bars["dataset"]))
        axes = lower.subplots(1, len(datasets) + 1, width_ratios=[*[1.0] * len(datasets), 0.55], squeeze=False)[0]
        for place, (axis, dataset) in enumerate(zip(axes, datasets)):
            draw_task(axis, bars[bars["dataset"] == dataset], colours, letter(place + 3))
        draw_shares(axes[-1], shares, letter(len(datasets) + 3), colours[next(iter(masks))])
        starred = bool(bars["significant"].fillna(False).astype(bool).any())
        draw_legend(lower, {arm: colours[arm] for arm in shown if arm in drawn}, names, starred)
    return figure


def _draw_examples(figure: SubFigure, examples: Sequence[Example], structures: Sequence[str]) -> None:
    axes = figure.subplots(len(examples), len(COLUMNS), squeeze=False)
    anatomy = np.uint8(sum(1 << bit for bit, name in enumerate(structures) if name in ANATOMY))
    for row, example in zip(axes, examples):
        row[0].imshow(conditioning_image(example.made.field & anatomy, structures), interpolation="nearest")
        row[1].imshow(conditioning_image(example.made.field, structures), interpolation="nearest")
        _draw_film(row[2], example.made, False)
        _draw_film(row[3], example.made, True)
        _draw_film(row[4], example.real, False)
        _draw_film(row[5], example.real, True)
        text = textwrap.fill(example.words, 18)
        row[0].set_ylabel(text, rotation=0, ha="right", va="center", fontsize=6.3, labelpad=4)
        for axis in row:
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)
    for axis, title in zip(axes[0], COLUMNS):
        axis.set_title(title, fontsize=6.8, fontweight="normal", pad=3)
    figure.suptitle("A   From words to boxes", x=0.01, ha="left", fontsize=8.5, fontweight="bold")
    shown = [name for name in structures if name in ANATOMY or any(name in dict(one.made.boxes) for one in examples)]
    marks = [Patch(facecolor=_colour(name), label=name.replace("_", " ")) for name in shown if name in PALETTE]
    figure.legend(
        handles=marks, loc="outside lower center", ncols=len(marks), fontsize=6.3, handlelength=1.1, columnspacing=1.2
    )


def _colour(structure: str) -> tuple[float, float, float]:
    red, green, blue = PALETTE.get(structure, (255, 255, 255))
    return red / 255, green / 255, blue / 255


def _draw_film(axis: Axes, film: ShownFilm | None, with_boxes: bool) -> None:
    if film is None:
        axis.text(0.5, 0.5, "no real test film\nshows the same", ha="center", va="center", fontsize=5.8, color=SOFT, transform=axis.transAxes)  # fmt: skip
        return
    axis.imshow(film.image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    for name, (x0, y0, x1, y1) in film.boxes if with_boxes else ():
        axis.add_patch(
            Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, edgecolor=_colour(name), linewidth=1.0)
        )


def _draw_measures(
    axis: Axes, masks: Mapping[str, pd.DataFrame], names: Mapping[str, str], colours: Mapping[str, str]
) -> None:
    for place, (arm, table) in enumerate(masks.items()):
        whole = table[table["of"] == ALL].set_index("measure")
        colour, marker = colours[arm], look(place)[1]
        for row, measure in enumerate(MEASURES):
            if measure not in whole.index or np.isnan(whole["value"][measure]):
                continue
            value, low, high = (float(whole[name][measure]) for name in ("value", "low", "high"))
            y = row + (place - (len(masks) - 1) / 2) * 0.28
            axis.plot([low, high], [y, y], color=colour, lw=1)
            axis.plot(value, y, marker, ms=4, color=colour, label=names.get(arm, arm) if row == 0 else None)
            if place == 0 and not np.isnan(float(whole["floor"][measure])):
                axis.plot([whole["floor"][measure]] * 2, [row - 0.34, row + 0.34], color=INK, lw=1.1)
    axis.plot([], [], color=INK, lw=1.1, label="real against real")
    axis.set_yticks(range(len(MEASURES)), list(MEASURES.values()))
    axis.set_ylim(len(MEASURES) - 0.4, -0.6)
    axis.set_xlim(-0.02, 1.02)
    axis.grid(axis="x", color=GRID, linewidth=0.6)
    axis.legend(loc="upper center", bbox_to_anchor=(0.35, -0.1), ncols=3, fontsize=6.3, columnspacing=1.0)
    axis.set_title("B   Masks against real masks", loc="left", pad=7)


def _draw_acceptance(axis: Axes, table: pd.DataFrame | None) -> None:
    axis.set_title("C   What experts accept", loc="left", pad=7)
    if table is None:
        say(axis, "no arm of this study asks experts")
        return
    experts = list(dict.fromkeys(table["expert"]))
    counts = sorted(set(table.loc[table["by"] == "findings", "value"]), key=int)
    shades = plt.get_cmap("viridis")(np.linspace(0.1, 0.9, max(len(counts), 1)))
    for row, expert in enumerate(experts):
        votes = table[table["expert"] == expert]
        whole = votes[votes["by"] == ALL].iloc[0]
        if np.isnan(whole["share"]):
            axis.text(0.01, row, "no vote", va="center", fontsize=6, color=SOFT)
            continue
        axis.barh(row, whole["share"], 0.62, color=GRID if expert != KEPT else "#cfe0ef", edgecolor=INK, linewidth=0.5)
        axis.plot([whole["low"], whole["high"]], [row, row], color=INK, lw=0.9)
        for colour, count in zip(shades, counts):
            part = votes[(votes["by"] == "findings") & (votes["value"] == count)]
            if len(part) and not np.isnan(part["share"].iloc[0]):
                axis.plot(part["share"].iloc[0], row, "o", ms=3.6, mfc=colour, mec="white", mew=0.4, zorder=4)
    axis.set_yticks(range(len(experts)), [name if name != KEPT else "kept" for name in experts])
    axis.set_ylim(len(experts) - 0.4, -0.6)
    axis.set_xlim(0, 1.02)
    axis.set_xlabel("share of the images", labelpad=2)
    marks = [Line2D([], [], marker="o", ls="", ms=3.6, mfc=colour, mec="white", mew=0.4, label=count) for colour, count in zip(shades, counts)]  # fmt: skip
    axis.legend(handles=marks, title="dots: images with so many findings", title_fontsize=6.3, loc="upper center",
                bbox_to_anchor=(0.45, -0.2), ncols=max(len(marks), 1), fontsize=6.3, handletextpad=0.1, columnspacing=0.9)  # fmt: skip
