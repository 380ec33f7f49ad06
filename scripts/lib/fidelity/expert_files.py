"""Experts read from their files: what they say of a pool's images, and of real films."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.core.parquet import read_parquet
from scripts.lib.fidelity import experts
from scripts.lib.fidelity.agreement import IDS, MASKS
from scripts.lib.fidelity.faithfulness import of_images
from scripts.lib.fidelity.sources import likeness_of, read_floor, read_nearest
from scripts.lib.study.arms import CLASSIFIER, COPY, PROXY, REALISM, SEGMENTER, VOTERS

HELD = "held.parquet"  # what a judge found on real films held out
ASKED, FOUND = "asked_", "found_"


def read_expert(name: str, images: Path, films: Path, names: pd.Series, structure: str = "") -> experts.Expert:
    """Return an expert from its tables; `names`: image_id of the pool's images, in order. An expert from elsewhere is NAME:KIND.

    films      a table, or the folder of a judge
    structure  what the segmenter finds

    Raises InputError for another name, a table without what the expert says, or an image of which it says nothing.
    """
    name, _, kind = name.partition(":")
    kind = kind or name
    held = films / HELD if films.is_dir() else films
    judged, real = (read_parquet(path, f"table of the expert {name}", "make it anew") for path in (images, held))
    wanted = MASKS if kind == SEGMENTER else IDS
    for path, table in ((images, judged), (held, real)):
        if missing := [column for column in wanted if column not in table]:
            which = "; the segmenter is a judge of masks" if kind == SEGMENTER else ""
            raise InputError(f"{path}: no column {missing[0]}{which}; judge anew")
    judged = of_images(judged, names, images)
    if kind == SEGMENTER:
        return experts.of_masks(name, real, judged, structure or "mask")
    if kind not in (CLASSIFIER, PROXY, REALISM):
        raise InputError(f"expert {name}: unknown; known are {', '.join(VOTERS)} (copy by its own files)")
    labels = [column.removeprefix(ASKED) for column in map(str, judged) if column.startswith(ASKED) and column in real]
    labels = [label for label in labels if f"{FOUND}{label}" in judged and f"{FOUND}{label}" in real]
    if not labels or (kind == REALISM and labels != [experts.REALISM]):
        raise InputError(
            f"{images}: no {ASKED}LABEL and {FOUND}LABEL of a label that is in {held}, too; make both anew"
        )
    if kind == REALISM:
        return experts.of_realism(name, real, judged)
    return experts.of_labels(name, real, judged, labels)


def read_copies(nearest: Sequence[Path], floor: Path, names: pd.Series, percentile: float) -> experts.Expert:
    """Return the expert on copies from the files of the memory filter; raises InputError as these do."""
    similarity = likeness_of(read_nearest(nearest), names, nearest[0])
    return experts.of_copies(COPY, read_floor(floor), similarity, percentile)
