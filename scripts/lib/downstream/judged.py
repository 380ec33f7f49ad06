"""What a judge finds on images: of a pool, the same for any number and order of its shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.masks import side_of
from scripts.lib.core.errors import InputError
from scripts.lib.downstream.judges import Judge
from scripts.lib.downstream.models import Network
from scripts.lib.downstream.predict import TEST_BATCH, to_images
from scripts.lib.fidelity.agreement import MASKS
from scripts.lib.fidelity.chosen import hashes
from scripts.lib.training.devices import Placement

OTHERS = 8  # masks of other images that a finding is held against, to say what chance reaches


def judge_pool(
    judge: Judge, folders: Sequence[Path], shows: Sequence[str], most: int, placement: Placement
) -> pd.DataFrame:
    """Return what the judge finds on images of a pool (fidelity/agreement.py), by image_id.

    shows  the labels, or the one structure, that its images are asked for
    most   how many images are judged, those with the lowest hash; 0 = all

    Every image counts as a draw of its own. Raises InputError for an image that occurs twice, and for a pool without
    what it is to show.
    """
    pool = Cohort.open(folders)
    names = pool.index["image_id"]
    if names.duplicated().any():
        raise InputError(f"{folders[0]}: image {names[names.duplicated().to_numpy().argmax()]} occurs twice; give each shard once")  # fmt: skip
    if missing := [name for name in shows if name not in (pool.structures if judge.masks else pool.labels)]:
        raise InputError(f"{folders[0]}: no {'structure' if judge.masks else 'label'} {missing[0]}; this pool has {pool.structures if judge.masks else pool.labels}")  # fmt: skip
    order = np.argsort(hashes(names.tolist(), "images"), kind="stable")
    rows = order[:most] if most else order
    rows = rows[np.argsort(names.iloc[rows].to_numpy(dtype=str), kind="stable")]
    return findings(judge, pool, rows, shows, placement, "image_id")


def findings(
    judge: Judge, images: Cohort, rows: np.ndarray, shows: Sequence[str], placement: Placement, group: str
) -> pd.DataFrame:
    """Return what it finds on these images, a row each (agreement.py); `group`: the index column of what belongs together.

    `shows`: the labels that images are asked for, or the one structure. Raises InputError for one that it does not know,
    or images of another side.
    """
    if unknown := [name for name in shows if name not in judge.names]:
        raise InputError(f"{images.folders[0]}: {unknown[0]}: this judge tells {', '.join(judge.names)} alone; name films with it in faithfulness.sources")  # fmt: skip
    if images.resolution != judge.resolution:
        raise InputError(f"{images.folders[0]}: images of side {images.resolution}, but the judge learned from {judge.resolution}; train it anew")  # fmt: skip
    about = images.index.iloc[rows].reset_index(drop=True)
    about = pd.DataFrame({"image_id": about["image_id"], "group": about[group]})
    about["group"] = about["group"].fillna(about["image_id"])
    about = about.astype("string")
    if judge.masks:
        return _mask_findings(judge, images, rows, about, placement)
    logits = np.concatenate([np.zeros((0, len(judge.names))), *answers(judge.model, images, rows, placement)])
    for name in shows:
        about[f"asked_{name}"] = images.index[name].iloc[rows].to_numpy(float, na_value=np.nan)
        about[f"found_{name}"] = 1 / (1 + np.exp(-logits[:, judge.names.index(name)]))
    return about


@torch.inference_mode()
def answers(model: Network, images: Cohort, rows: np.ndarray, placement: Placement) -> Iterator[np.ndarray]:
    """Yield the logits (b, L) or (b, H, W), float64, of these images, a batch at a time."""
    model.eval()
    for first in range(0, len(rows), TEST_BATCH):
        with placement.autocast():
            logits = model(to_images(images.images(rows[first : first + TEST_BATCH]), placement))
        scores = logits.double().cpu().numpy()
        yield scores[:, 0] if scores.ndim == 4 else scores


def _mask_findings(
    judge: Judge, images: Cohort, rows: np.ndarray, about: pd.DataFrame, placement: Placement
) -> pd.DataFrame:
    structure = judge.names[0]
    others, whose = _other_masks(images, rows, structure)
    parts = []
    for number, logits in enumerate(answers(judge.model, images, rows, placement)):
        here = rows[number * TEST_BATCH : number * TEST_BATCH + len(logits)]
        fields, found = images.masks(here), logits > 0
        asked = (fields & images.bit(structure)) != 0
        lungs = (fields & images.bit("lungs")) != 0 if "lungs" in images.structures else [None] * len(here)
        same = images.index["image_id"].iloc[here].to_numpy()[:, None] == whose
        each = np.stack([dice(found, np.broadcast_to(other, found.shape)) for other in others], 1) if len(others) else np.full((len(here), 1), np.nan)  # fmt: skip
        parts.append(
            pd.DataFrame(
                {
                    "asked": asked.sum((1, 2)),
                    "found": found.sum((1, 2)),
                    "dice": dice(found, asked),
                    "by_chance": _mean(np.where(same, np.nan, each) if len(others) else each),
                    "side_asked": [side_of(mask, sides) for mask, sides in zip(asked, lungs)],
                    "side_found": [side_of(mask, sides) for mask, sides in zip(found, lungs)],
                }
            )
        )
    table = pd.concat([about, pd.concat(parts, ignore_index=True)], axis=1)[list(MASKS)]
    return table.astype({"side_asked": "string", "side_found": "string", "asked": "int64", "found": "int64"})


def _other_masks(images: Cohort, rows: np.ndarray, structure: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the masks bool (k, H, W), none empty, of the OTHERS images with the lowest hash, and their image_id (k,)."""
    names = images.index["image_id"].iloc[rows].to_numpy()
    order = np.lexsort((names.astype(str), hashes(names.tolist(), "other masks")))
    masks: list[np.ndarray] = []
    whose: list[str] = []
    for place in order:
        mask = images.mask(rows[[place]], structure)[0]
        if mask.any():
            masks.append(mask)
            whose.append(names[place])
        if len(masks) == OTHERS:
            break
    return np.array(masks, bool).reshape(len(masks), images.resolution, images.resolution), np.array(whose, object)


def dice(found: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return each image's Dice (n,) of two masks bool (n, H, W); NaN where the asked one is empty."""
    sizes = asked.sum((1, 2))
    whole = np.where(sizes > 0, found.sum((1, 2)) + sizes, np.nan)
    return np.asarray(2 * (found & asked).sum((1, 2)) / whole)


def _mean(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    return np.where(known, values, 0).sum(1) / np.where(known.any(1), known.sum(1), np.nan)
