"""The floor of memorisation: how near held-out films come to training films, and which planted copies of these are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from scripts.lib.core.log import log
from scripts.lib.fidelity.chosen import hashes
from scripts.lib.fidelity.matching import SearchedFilms
from scripts.lib.fidelity.memorisation import HELDOUT
from scripts.lib.fidelity.planted import KINDS, planted
from scripts.lib.fidelity.sources import Taught, nearest_table
from scripts.lib.fidelity.thumbnails import thumbnails

MOST_HELDOUT = 10_000  # films with the lowest hash: more would not sharpen a threshold that one in a hundred passes


def open_films(learned: Taught, results: Path, network: str) -> SearchedFilms:
    """Return the training films to which images are compared, from their thumbnails and features."""
    return SearchedFilms(
        learned.features(files(learned, results, "pixels")), learned.features(files(learned, results, network))
    )


def files(films: Taught, results: Path, network: str) -> dict[str, Path]:
    """Return the file of a network's features for each dataset."""
    return {name: results / name / "features" / f"{network}.npy" for name in films.cohorts}


def measure_floor(
    learned: Taught, others: Taught, results: Path, network: str, candidates: int, copies: int
) -> pd.DataFrame:
    """Return a row for each held-out film and each planted copy: kind, patient_id, and its nearest training film.

    Copies are looked for by their pixels alone: it is harder so, and no network needs to be opened.
    """
    films = open_films(learned, results, network)
    chosen = _lowest(others, MOST_HELDOUT)
    parts = []
    if len(chosen):
        pixels = chosen.features(files(chosen, results, "pixels"))
        near = nearest_table(
            films,
            learned,
            chosen.index["image_id"],
            pixels,
            chosen.features(files(chosen, results, network)),
            candidates,
        )
        parts.append(near.assign(kind=HELDOUT, patient_id=chosen.index["dataset"] + "/" + chosen.index["patient_id"]))
    names = learned.index["dataset"] + "/" + learned.index["image_id"]
    places = np.sort(np.argsort(hashes(names.tolist(), "planted"), kind="stable")[:copies])
    source = learned.images(places)
    sample = learned.index.iloc[places]
    for kind in KINDS:
        near = nearest_table(films, learned, sample["image_id"], thumbnails(planted(kind, source)), None, candidates)
        parts.append(near.assign(kind=kind, patient_id=(sample["dataset"] + "/" + sample["patient_id"]).to_numpy()))
    log(
        f"{len(learned)} films taught the generator; {len(chosen)} held-out films, {len(places)} planted copies of each kind"
    )
    return pd.concat(parts, ignore_index=True)


def _lowest(films: Taught, most: int) -> Taught:
    """Return the films with the lowest hash, by dataset and row."""
    names = films.index["dataset"] + "/" + films.index["image_id"]
    places = np.sort(np.argsort(hashes(names.tolist(), "held-out"), kind="stable")[:most])
    return Taught(films.cohorts, films.index.iloc[places].reset_index(drop=True))
