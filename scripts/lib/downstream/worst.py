"""The images of a pool that agree least with what they were asked to show, for the eye."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.downstream.judged import answers
from scripts.lib.downstream.judges import Judge
from scripts.lib.fidelity.agreement import agreement, asked_and_found
from scripts.lib.training.devices import Placement


@dataclass(frozen=True)
class Worst:
    """Images that agree least with what they were asked to show.

    `tiles` uint8 (n, k, H, H): the asked mask, the image and the mask that the judge finds, or the image alone; `lines`: two
    lines of each; `usual` (n,): how usual a real film would be that agrees as little; `about`: what the images are, and what is
    said of them.
    """

    tiles: np.ndarray
    lines: list[tuple[str, str]]
    usual: np.ndarray
    about: tuple[str, str]

    def captions(self, least: float) -> list[tuple[str, str, bool]]:
        """Return the lines with whether the image is denied: `least` of real films would agree less."""
        return [(*lines, bool(value < least)) for lines, value in zip(self.lines, self.usual)]


def worst_images(
    judge: Judge, folders: Sequence[Path], found: pd.DataFrame, real: pd.DataFrame, shows: Sequence[str], most: int,
    placement: Placement,
) -> Worst:  # fmt: skip
    """Return the `most` images of a pool that agree least, worst first; `found`, `real`: findings on images and held-out films."""
    pool = Cohort.open(folders)
    usual = agreement(found, real, [] if judge.masks else shows)
    # Images whose agreement no real film has stand in the order of what is measured: Dice, or the probability.
    order = np.lexsort((found["image_id"], _measured(found, shows, judge.masks), usual))[:most]
    rows = pd.Index(pool.index["image_id"]).get_indexer(pd.Index(found["image_id"].iloc[order]))
    if (rows < 0).any():
        raise InputError(f"{folders[0]}: the findings name other images than this pool's; judge it anew")
    images, chosen = pool.images(rows), found.iloc[order]
    tiles, title, said = images[:, None], "label", "; judge: the probability that it gives the label"
    if judge.masks:
        masks = pool.mask(rows, shows[0])
        guessed = np.concatenate([logits > 0 for logits in answers(judge.model, pool, rows, placement)])
        tiles, title, said = np.stack([masks * np.uint8(255), images, guessed * np.uint8(255)], axis=1), "mask", ""  # fmt: skip
        lines = [f"Dice {row.dice:.2f}{'' if row.found else ', nothing found'}" if row.asked else f"asked for none, found {row.found} pixels" for row in chosen.itertuples()]  # fmt: skip
    else:
        lines = [_told(row, shows) for _, row in chosen.iterrows()]
    about = (
        f"images that agree least with their {title}, worst first",
        f"per cent: so many real films agree as little with their own {title}; red: the judge denies the image{said}",
    )
    under = [f"{value:.1%} of real films | {image}" for value, image in zip(usual[order], chosen["image_id"])]
    return Worst(tiles, list(zip(lines, under)), usual[order], about)


def _measured(found: pd.DataFrame, shows: Sequence[str], masks: bool) -> np.ndarray:
    if masks:
        return np.where(found["asked"] > 0, found["dice"], -found["found"])
    asked, shown = asked_and_found(found, shows)
    return np.nan_to_num(np.where(asked == 1, shown, 1 - shown), nan=1.0).min(axis=1)


def _told(row: pd.Series, shows: Sequence[str]) -> str:
    """Return what the image was asked to show, and the label that the judge is farthest off in."""
    off = {name: abs(row[f"asked_{name}"] - row[f"found_{name}"]) for name in shows if pd.notna(row[f"asked_{name}"])}
    if not off:
        return "asked for nothing"
    name = max(off, key=lambda one: off[one])
    return f"asked: {'' if row[f'asked_{name}'] else 'no '}{name.replace('_', ' ')}; judge {row[f'found_{name}']:.2f}"
