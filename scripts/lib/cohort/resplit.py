"""Split a prepared cohort anew under another seed, and take over its decoded films: decoding a large dataset takes hours.

What does not depend on the seed stays: pixels, masks, order, quarantine, notes. The new cohort is the one that decoding the films
again would give. Where that is not sure, films are decoded again: patients whose films differ as published and are one picture
once squared.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.census import census
from scripts.lib.cohort.splits import Labels, draw_splits, linked_groups, take_generator
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError

WRITTEN = ("index.parquet", "cohort.json")  # all other files of a cohort stay the same
BLOCK = 1024  # films whose masks are looked through at a time


def split_anew(decoded: Path, settings: Mapping[str, Any], resolution: int, seed: int, out: Path) -> bool:
    """Write to `out` the cohort `decoded` with the splits of `seed`; files that stay the same are linked, or copied.

    settings  of the dataset, as those under which `decoded` was prepared

    Returns False, and writes nothing, where the old splits do not follow from its index, so that films must be decoded.
    Raises InputError where `decoded` is no cohort, or one of other settings.
    """
    old = Cohort.open(decoded)
    known = old.meta.get("settings", {})
    differ = [key for key, value in settings.items() if key in known and value is not None and known[key] != value]
    differ += ["resolution"] * (old.resolution != resolution)
    if differ:
        raise InputError(
            f"{decoded}: prepared with other settings ({', '.join(differ)}); prepare it anew, or set replication.films: null"
        )
    groups, _ = linked_groups(list(old.index["patient_id"]), list(old.index["sha256"]))
    given = list(old.index["split"])
    labels = _labels(old)
    before, noted = _splits(groups, given, labels, known["split"], old.meta["seed"], old.meta["dataset"])
    # A dataset's own split says `train` where a part of it went to the generator.
    after, warnings = _splits(groups, given, labels, known["split"], seed, old.meta["dataset"])
    present = _present(old)
    counted = [_counted(old, splits, present, known) for splits in (before, after)]
    tail = [*noted, *counted[0]["warnings"]]
    said = old.meta["warnings"]
    if before != given or said[len(said) - len(tail) :] != tail:
        return False
    meta = {**old.meta, "seed": seed, "splits": counted[1]["splits"]}
    meta["warnings"] = [*said[: len(said) - len(tail)], *warnings, *counted[1]["warnings"]]
    _write(decoded, out, old.index.assign(split=pd.array(after, dtype="string")), meta)
    return True


def _splits(
    groups: Sequence[str], given: Sequence[str], labels: Labels, wanted: Any, seed: int, dataset: str
) -> tuple[list[str], list[str]]:
    if isinstance(wanted, Mapping) and not wanted.get("given"):
        return draw_splits(groups, wanted, seed, dataset, labels)
    if not isinstance(wanted, Mapping) or not wanted.get("generator", 0):
        return list(given), []
    sides = ["train" if split == "generator" else split for split in given]
    return take_generator(groups, sides, wanted, seed, dataset, labels)


def _labels(cohort: Cohort) -> Labels:
    """Return what is known of each film, as its tables said it when it was prepared."""
    columns = [[None if pd.isna(value) else int(value) for value in cohort.index[label]] for label in cohort.labels]
    return [dict(zip(cohort.labels, values)) for values in zip(*columns)] or [{} for _ in range(len(cohort))]


def _present(cohort: Cohort) -> list[int]:
    """Return the union of the bits of each film's mask."""
    if not cohort.has_masks:
        return [0] * len(cohort)
    blocks = (cohort.masks(slice(first, first + BLOCK)) for first in range(0, len(cohort), BLOCK))
    return [int(bits) for block in blocks for bits in np.bitwise_or.reduce(block, axis=(1, 2))]


def _counted(
    cohort: Cohort, splits: Sequence[str], present: Sequence[int], settings: Mapping[str, Any]
) -> dict[str, Any]:
    columns = [name for name in ("patient_id", "annotated", *cohort.labels) if name in cohort.index]
    rows = cohort.index[columns].astype(object).to_dict("records")
    known = [{str(key): None if pd.isna(value) else value for key, value in row.items()} for row in rows]
    counts = census(known, splits, cohort.labels, cohort.structures, present)
    one_sided = settings["reader"].get("positives_only", settings["format"] == "siim")
    return {**counts, "warnings": [] if one_sided else counts["warnings"]}


def _write(decoded: Path, out: Path, index: pd.DataFrame, meta: Mapping[str, Any]) -> None:
    same = [path.name for path in sorted(decoded.iterdir()) if path.is_file() and path.name not in WRITTEN]
    with ExitStack() as stack:
        paths = {name: stack.enter_context(atomic_file(out / name)) for name in (*same, *WRITTEN)}
        for name in same:
            try:
                os.link(decoded / name, paths[name])
            except OSError:  # another file system, or one without links
                shutil.copyfile(decoded / name, paths[name])
        index.to_parquet(paths["index.parquet"], index=False)
        paths["cohort.json"].write_text(json.dumps(meta, indent=1, sort_keys=True) + "\n")
