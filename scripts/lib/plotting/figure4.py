"""Figure 4 of the paper: what radiologists preferred, how the generator followed them, and what it is worth.

A: sets of four films with their mean scores, best framed. B: share of held-out pairs that the tuned generator orders as
the raters did, by training step, how far it has moved from its start, and, with its 95 % interval, the share at the published
step of pairs of sets that have neither taught it nor chosen the step. C: real films alone against the arms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.plotting.arms import draw_arms
from scripts.lib.plotting.style import ALERT, GRID, INK, MM, SOFT, SYNTHETIC, journal_style

BEST = SYNTHETIC[3]
IMAGES = 4
ROW_HEIGHT, FREE_HEIGHT = 17, 22  # mm


@dataclass(frozen=True)
class RatedSet:
    """One set: its prompt or None, four films uint8 (4, H, W), their mean scores in [0, 5] (NaN where not rated), and the
    outline of its mask bool (H, W), or None."""

    prompt: str | None
    images: np.ndarray
    scores: np.ndarray
    outline: np.ndarray | None = None


def choose_sets(scores: pd.DataFrame, count: int) -> list[str]:
    """Return `count` set_ids whose four mean scores differ most, first of each kind in turn.

    `scores`: set_id, kind, image, score, one row a film.
    """
    spread = scores.groupby(["kind", "set_id"])["score"].agg(lambda values: values.max() - values.min())
    ranked = spread.reset_index().sort_values(["score", "set_id"], ascending=[False, True], kind="stable")
    ranked["turn"] = ranked.groupby("kind").cumcount()
    return ranked.sort_values(["turn", "kind"], kind="stable")["set_id"].head(count).tolist()


def rated_sets(latest: pd.DataFrame, sets: pd.DataFrame, pool: Cohort, count: int) -> list[RatedSet]:
    """Return the `count` sets of choose_sets with their films and mean scores over raters and aspects.

    `latest`: the scores that count (feedback.log.read_ratings); `sets`: set_id, kind, prompt, condition_id; controls and
    sets without a score are left out. Raises InputError when the pool lacks a set's films.
    """
    known = sets[sets["kind"] != "control"].set_index("set_id")
    of_sets = latest[latest["set_id"].isin(known.index)]
    means = of_sets.groupby(["set_id", "image"])["score"].mean().reset_index()
    means["kind"] = known["kind"].reindex(means["set_id"]).to_numpy()
    abouts, rated = known.to_dict("index"), []
    for set_id in choose_sets(means, count):
        about = abouts[set_id]
        index = pool.index[pool.index["condition_id"] == about["condition_id"]].sort_values("sample", kind="stable")
        if len(index) < IMAGES:
            raise InputError(
                f"{pool.folders[0]}: {len(index)} films of set {set_id}, expected {IMAGES}; sample it again"
            )
        rows = index.index.to_numpy()[:IMAGES]
        scores = means[means["set_id"] == set_id].set_index("image")["score"].reindex(range(IMAGES)).to_numpy()
        outline = pool.masks(rows[:1])[0] > 0 if pool.has_masks and pool.structures else None
        prompt = None if pd.isna(about["prompt"]) else str(about["prompt"])
        rated.append(RatedSet(prompt, pool.images(rows), scores, outline if outline is None or outline.any() else None))
    return rated


def draw_figure4(
    sets: Sequence[RatedSet],
    monitor: pd.DataFrame,
    accuracy: pd.DataFrame,
    table: pd.DataFrame,
    names: Mapping[str, str],
    width_mm: float = 183.0,
) -> Figure:
    """Return the figure. `monitor`: step, implicit_accuracy, distance; `accuracy`: preference_report.COLUMNS, with a row
    whose part is `report`; `table`: tidy rows of the figure's cell.
    """
    reported = accuracy[accuracy["part"] == "report"]
    if not sets or monitor.empty or table.empty or len(reported) != 1:
        raise InputError(
            "figure 4: it needs a rated set, a line of the monitor, one row of the report and a trial at least"
        )
    height = max(ROW_HEIGHT * len(sets) + FREE_HEIGHT, 88)
    with journal_style():
        figure = plt.figure(figsize=(width_mm * MM, height * MM), layout="constrained")
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[1, 1])[0]
        _draw_sets(left, sets)
        upper, lower = right.subplots(2, 1, height_ratios=[1, 1.25])
        _draw_monitor(upper, monitor, reported.iloc[0])
        upper.set_title("B   Preference tuning", loc="left", pad=7)
        draw_arms(lower, table, names)
        lower.set_title("C   Downstream gain", loc="left", pad=7)
    return figure


def _draw_sets(figure: SubFigure, sets: Sequence[RatedSet]) -> None:
    axes = figure.subplots(len(sets), IMAGES, squeeze=False)
    for row, rated in zip(axes, sets):
        best = np.nanmax(rated.scores) if np.isfinite(rated.scores).any() else np.nan
        for axis, image, score in zip(row, rated.images, rated.scores):
            axis.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            if rated.outline is not None:
                axis.contour(rated.outline, levels=[0.5], colors=[ALERT], linewidths=0.6)
            axis.set_xticks([])
            axis.set_yticks([])
            chosen = bool(score == best)
            axis.spines[:].set(visible=chosen, color=BEST, linewidth=1.6)
            text = "not rated" if np.isnan(score) else f"{score:.1f}"
            axis.set_title(text, fontsize=6, pad=1.5, color=BEST if chosen else SOFT)
        label = rated.prompt or "mask only"
        row[0].set_ylabel(_wrapped(label), rotation=0, ha="right", va="center", fontsize=6)
    figure.suptitle("A   Rated sets, mean score 0 to 5", x=0.01, ha="left", fontsize=8.5, fontweight="bold")


def _wrapped(text: str, width: int = 14) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width))


def _draw_monitor(axis: Axes, monitor: pd.DataFrame, reported: pd.Series) -> None:
    steps = monitor["step"]
    axis.plot(
        steps, monitor["implicit_accuracy"], "-o", ms=3, color=BEST, lw=1.2, zorder=3, label="sets that choose the step"
    )
    axis.axhline(0.5, color=SOFT, lw=0.7, ls=":")
    axis.set_ylim(0, 1)
    axis.set_xlabel("training step")
    axis.set_ylabel("pairs ordered as rated", color=BEST)
    axis.grid(axis="y", color=GRID, linewidth=0.6)
    step = int(reported["step"])
    low, high = (
        0 if np.isnan(end) else abs(end - reported["accuracy"]) for end in (reported["ci_low"], reported["ci_high"])
    )
    label = "sets apart, 95 % interval"
    axis.errorbar(
        step, reported["accuracy"], [[low], [high]], fmt="D", ms=4, color=INK, lw=1, capsize=2.5, zorder=4, label=label
    )
    # In the middle below all points: beside its own point the text would run into an axis.
    axis.text(0.5, 0.03, _reported_text(reported), transform=axis.transAxes, ha="center", fontsize=6, color=INK)
    axis.legend(loc="upper left", fontsize=5.8, labelspacing=0.25, borderaxespad=0.2)
    other = axis.twinx()
    other.plot(steps, monitor["distance"], color=ALERT, lw=0.9, ls="--")
    other.set_ylabel("distance from the start", color=ALERT)
    other.set_ylim(0, None)
    other.spines["right"].set_visible(True)


def _reported_text(reported: pd.Series) -> str:
    text = f"published: step {int(reported['step'])}; {int(reported['sets'])} sets apart: {reported['accuracy']:.2f}"
    if np.isnan(reported["ci_low"]):
        return text + ", no interval"
    return text + f" ({reported['ci_low']:.2f} to {reported['ci_high']:.2f})"
