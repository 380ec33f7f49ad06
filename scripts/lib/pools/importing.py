"""A pool made elsewhere becomes a store that trials open like any pool: checked, without repeats, without real films among it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.quarantine import write_quarantine
from scripts.lib.cohort.store import Cohort, read_index
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.formats.record import Rejection
from scripts.lib.pools.reading import BATCH, read_pool, read_quarantine
from scripts.lib.study.tasks import of_structures, targets_of

SCRATCH = ".reading."
COPIED = ("view", "age", "sex", "report", "source_file", "mask_sha256")


@dataclass(frozen=True)
class PoolRequest:
    """Which pool becomes the store of which arm; `cohorts`: folders of the study's real films, which no image may be."""

    path: Path
    dataset: str
    arm: str
    cohorts: Sequence[Path]


def import_pool(request: PoolRequest, settings: Mapping[str, Any], resolution: int, out: Path, threads: int = 1) -> int:
    """Write the store and its quarantine.tsv to `out`; return how many images it has.

    settings: see `read_pool`, and `allow_one_class`. Raises InputError, one line, where labels are missing, all images are of one
    class, or an image has the pixels of a real film.
    """
    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob(f"{SCRATCH}*"):  # of a run that was killed, as large as the pool
        shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=SCRATCH) as scratch:
        pool = read_pool(request.path, settings, f"{request.arm} ({request.path})", resolution, Path(scratch), threads)
        kept, repeats = first_of_each(pool.index)
        _refuse_real(pool.index.iloc[kept], request)
        present = _present(pool, kept, settings)
        _refuse_one_class(pool.index.iloc[kept], present, settings, request)
        rejected = [Rejection(*row) for row in read_quarantine(Path(scratch))] + repeats
        meta = {
            "dataset": request.dataset,
            "arm": request.arm,
            "made_from": str(request.path),
            "n_listed": len(pool) + len(rejected) - len(repeats),
            "n_quarantined": len(rejected),
            "n_repeated": len(repeats),
        }
        with (
            atomic_file(out / "quarantine.tsv") as quarantine,
            CohortWriter(out, resolution, pool.structures, pool.labels, meta, pool.has_masks) as writer,
        ):
            for image, mask, row in _rows(pool, kept, present):
                writer.add(image, mask, row)
            write_quarantine(quarantine, rejected)
        log(
            f"{request.dataset}, arm {request.arm}: {len(kept)} images of {request.path}; quarantined {len(rejected)}, of which "
            f"{len(repeats)} are the same image twice"
        )
        return len(kept)


def first_of_each(index: pd.DataFrame) -> tuple[np.ndarray, list[Rejection]]:
    """Return the rows that are the first with their pixels, and why the others are not taken."""
    first = index.groupby("sha256", sort=False)["image_id"].transform("first")
    repeated = index["sha256"].duplicated().to_numpy()
    rejected = [
        Rejection(_text(file), name, f"the same pixels as {original}", _text(digest))
        for file, name, original, digest in index.assign(first=first)
        .loc[repeated, ["source_file", "image_id", "first", "sha256"]]
        .itertuples(index=False)
    ]
    return np.flatnonzero(~repeated), rejected


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value)


def _refuse_real(index: pd.DataFrame, request: PoolRequest) -> None:
    """Raise InputError where an image has the pixels of a real film: it would be tested on, or learned twice."""
    for folder in request.cohorts:
        real = read_index(folder, ["image_id", "sha256", "split"]).drop_duplicates("sha256").set_index("sha256")
        copies = index.loc[index["sha256"].isin(real.index)]
        if len(copies):
            film = real.loc[copies["sha256"].iloc[0]]
            raise InputError(
                f"{request.path}: {len(copies)} images have the pixels of real films of {folder}, e.g. {copies['image_id'].iloc[0]} "
                f"is {film['image_id']} (split {film['split']}); a pool holds no film of the study: take them out"
            )


def _present(pool: Cohort, rows: np.ndarray, settings: Mapping[str, Any]) -> np.ndarray | None:
    """Return for each image whether its mask shows the target, int8 (n,); None where no masks are learned."""
    if not of_structures(settings):
        return None
    bits = np.uint8(sum(pool.bit(name) for name in targets_of(settings)))
    shown = np.empty(len(rows), np.int8)
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        shown[start : start + len(part)] = (pool.masks(part) & bits != 0).any(axis=(1, 2))
    return shown


def _refuse_one_class(
    index: pd.DataFrame, present: np.ndarray | None, settings: Mapping[str, Any], request: PoolRequest
) -> None:
    """Raise InputError where a model could learn nothing of the target, or only that synthetic is diseased."""
    if present is not None:
        if not present.any():
            raise InputError(
                f"{request.path}: no mask shows {', '.join(targets_of(settings))}, so there is nothing to find"
            )
        return
    names = targets_of(settings)
    classes = {name: index[name].dropna().unique() for name in names}
    if max(len(values) for values in classes.values()) > 1 or settings.get("allow_one_class"):
        return
    said = ", ".join(
        f"{name} = {'/'.join(str(one) for one in values) or 'unknown'}" for name, values in classes.items()
    )
    raise InputError(
        f"{request.path}: all {len(index)} images are of one class ({said}), so a model could learn to tell real from synthetic "
        f"instead of the disease; add images of the other class, or set arms.{request.arm}.allow_one_class: true"
    )


def _rows(
    pool: Cohort, kept: np.ndarray, present: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray | None, dict[str, Any]]]:
    """Yield image, mask and index row of the images that are kept."""
    copied = [name for name in (*COPIED, *pool.labels) if name in pool.index]
    for start in range(0, len(kept), BATCH):
        part = kept[start : start + BATCH]
        masks = pool.masks(part) if pool.has_masks else [None] * len(part)
        for number, (row, image, mask) in enumerate(zip(part, pool.images(part), masks)):
            said = pool.index.iloc[row]
            name = str(said["image_id"])
            made = {name_: said[name_] for name_ in copied}
            made |= {
                "image_id": name,
                "patient_id": name,
                "split": "train",
                "sha256": said["sha256"],
                "synthetic": True,
            }
            if present is not None:
                made["present"] = int(present[start + number])
            yield image, mask, made
