"""The nearest pairs of a pool, worst first, with what a picture says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.fidelity.memorisation import CopyGate
from scripts.lib.fidelity.sources import Taught


@dataclass(frozen=True)
class NearestPairs:
    """Images and their nearest films, uint8 (n, H, H); captions (two lines, whether a near-copy), and what is shown."""

    images: np.ndarray
    films: np.ndarray
    captions: list[tuple[str, str, bool]]
    about: str


def nearest_pairs(
    pool: Sequence[Path], nearest: pd.DataFrame, learned: Taught, gate: CopyGate, most: int
) -> NearestPairs:
    """Return the `most` images with the most similar training films; a film whose mirror image is nearest is shown mirrored.

    No film is shown twice before every other: a pool that repeats one film would fill the picture with it.
    """
    opened = Cohort.open(pool)
    if nearest.empty:
        raise InputError(f"{pool[0]}: no image was compared with training films; raise memorisation.share")
    ordered = nearest.sort_values(["similarity", "image_id"], ascending=[False, True], kind="stable")
    again = ordered.duplicated(["film_dataset", "film"])
    shown = pd.concat([ordered[~again], ordered[again]]).head(most)
    shown = shown.sort_values(["similarity", "image_id"], ascending=[False, True], kind="stable")
    rows = pd.Index(opened.index["image_id"]).get_indexer(pd.Index(shown["image_id"]))
    places = pd.MultiIndex.from_frame(learned.index[["dataset", "image_id"]].astype(str)).get_indexer(
        pd.MultiIndex.from_frame(shown[["film_dataset", "film"]].astype(str))
    )
    if (rows < 0).any() or (places < 0).any():
        raise InputError(f"{pool[0]}: the table of nearest films names others than these; match this pool anew")
    films = learned.images(places)
    films = np.stack([film[:, ::-1] if mirrored else film for film, mirrored in zip(films, shown["mirrored"])])
    captions = []
    for _, pair in shown.iterrows():
        copy = bool(pair["similarity"] > gate.threshold)
        turned = ", mirrored" if pair["mirrored"] else ""
        captions.append((f"likeness {pair['similarity']:.3f}{', near-copy' * copy}{turned}", f"{pair['image_id']} | {pair['film_dataset']} {pair['film']}", copy))  # fmt: skip
    counts = [
        f"{np.mean(above):.1%} of {len(above):,} {what} ({int(above.sum()):,})"
        for above, what in (
            (gate.copies(nearest["similarity"].to_numpy()), "images"), (gate.copies(gate.heldout), "held-out real films")
        )
    ]  # fmt: skip
    return NearestPairs(
        opened.images(rows), films, captions,
        f"near-copies (red): likeness above {gate.threshold:.3f}; so are {' and '.join(counts)}",
    )  # fmt: skip
