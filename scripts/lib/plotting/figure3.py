"""Figure 3 of the paper: synthetic films with their proxy scores, and what training on the chosen ones is worth.

Left, one row a label: films from the lowest to the highest score, those that were kept framed. Right, real films alone
against the synthetic arms: a bar is the mean, each dot one trial, a star a significant gain over real films alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from scripts.lib.core.errors import InputError
from scripts.lib.plotting.arms import draw_arms
from scripts.lib.plotting.style import MM, SOFT, journal_style

KEPT = "#1d5f9b"
ROW_HEIGHT, FREE_HEIGHT = 14.5, 24  # mm


@dataclass(frozen=True)
class ScoredImage:
    """One film of the left panel: pixels uint8 (H, W), its label, its proxy score, and whether it was kept."""

    image: np.ndarray
    label: str
    score: float
    kept: bool


def choose_samples(scores: pd.DataFrame, kept: pd.DataFrame, labels: Sequence[str], count: int) -> pd.DataFrame:
    """Return `count` rows of `scores` for each label, evenly spaced over its ranking, lowest first, with column `kept`.

    `scores`: condition_id, sample, label, score, one row an image; `kept`: condition_id, sample. Raises InputError when
    a label has no image.
    """
    chosen = set(zip(kept["condition_id"], kept["sample"]))
    parts = []
    for label in labels:
        ranked = scores[scores["label"] == label].sort_values(["score", "condition_id", "sample"], kind="stable")
        if ranked.empty:
            raise InputError(
                f"figure 3: no image of label {label!r} among the scores; it has {sorted(set(scores['label']))}"
            )
        places = np.unique(np.linspace(0, len(ranked) - 1, min(count, len(ranked))).round().astype(int))
        parts.append(ranked.iloc[places])
    rows = pd.concat(parts)
    return rows.assign(kept=[key in chosen for key in zip(rows["condition_id"], rows["sample"])])


def draw_figure3(
    table: pd.DataFrame, samples: Sequence[ScoredImage], names: Mapping[str, str], width_mm: float = 183.0
) -> Figure:
    """Return the figure for the tidy table of Figure 3 and the films of its left panel, grouped by label in order.

    `names`: how arms and labels are called in print.
    """
    labels = list(dict.fromkeys(sample.label for sample in samples))
    if not labels or table.empty:
        raise InputError("figure 3: it needs at least one scored film and one trial")
    height = max(ROW_HEIGHT * len(labels) + FREE_HEIGHT, 70)
    with journal_style():
        figure = plt.figure(figsize=(width_mm * MM, height * MM), layout="constrained")
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[1.3, 1])[0]
        _draw_samples(left, samples, labels, names)
        axis = right.subplots()
        draw_arms(axis, table, names)
        axis.set_title("B   Downstream gain", loc="left", pad=7)
    return figure


def _draw_samples(
    figure: SubFigure, samples: Sequence[ScoredImage], labels: Sequence[str], names: Mapping[str, str]
) -> None:
    columns = max(sum(sample.label == label for sample in samples) for label in labels)
    axes = figure.subplots(len(labels), columns, squeeze=False)
    for row, label in enumerate(labels):
        shown = [sample for sample in samples if sample.label == label]
        for column, axis in enumerate(axes[row]):
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)
            if column < len(shown):
                _draw_film(axis, shown[column])
        axes[row, 0].set_ylabel(
            names.get(label, label).replace(" ", "\n"), rotation=0, ha="right", va="center", fontsize=6.5
        )
    figure.suptitle("A   Synthetic films by proxy score", x=0.01, ha="left", fontsize=8.5, fontweight="bold")
    mark = Rectangle((0, 0), 1, 1, facecolor="none", edgecolor=KEPT, linewidth=1.6, label="kept by the filter")
    figure.legend(
        handles=[mark], loc="outside lower center", title="score: cosine of film and prompt", title_fontsize=6.5
    )


def _draw_film(axis: Axes, sample: ScoredImage) -> None:
    axis.imshow(sample.image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    colour = KEPT if sample.kept else SOFT
    axis.set_title(f"{sample.score:.2f}", fontsize=6, pad=1.5, color=colour, fontweight="bold" if sample.kept else None)
    if sample.kept:
        axis.spines[:].set(visible=True, color=KEPT, linewidth=1.6)
