"""What all writers share: the tree being written, which of its files are odd, CSV tables, and annotation rows."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.lib.core.seeds import rng
from scripts.lib.phantom.film import draw_film
from scripts.lib.phantom.reports import FilmReport, write_report
from scripts.lib.phantom.spec import Film, FilmSpec
from scripts.lib.phantom.study import film_stream
from scripts.lib.phantom.writers.dicom import Identity, uid


@dataclass(frozen=True)
class Tree:
    """A dataset on its way to disk.

    `key` seeds every identifier; `missing` and `unlisted` are the seeds of films that have a table row but no file,
    or a file but no row; `track` wraps the loop over films, e.g. in a progress bar.
    """

    root: Path
    settings: dict[str, Any]
    key: int
    films: Sequence[FilmSpec]
    track: Callable[[Iterable[FilmSpec]], Iterable[FilmSpec]] = iter
    missing: frozenset[int] = field(default_factory=frozenset)
    unlisted: frozenset[int] = field(default_factory=frozenset)

    def draw(self, spec: FilmSpec) -> Film:
        """Draw a film at the size of this dataset."""
        return draw_film(spec, self.settings["size"], film_stream(spec))

    def stream(self, spec: FilmSpec, what: str) -> np.random.Generator:
        """Return a random stream of this film's file, apart from the one its pixels come from."""
        return rng(spec.seed, what)

    def visit_stream(self, spec: FilmSpec, what: str) -> np.random.Generator:
        """Return a random stream shared by all films of one visit."""
        return rng(self.key, spec.patient.number, spec.study, what)

    def report(self, spec: FilmSpec) -> FilmReport:
        """Return the report of the film's visit."""
        return write_report(spec, self.visit_stream(spec, "report"))

    def identity(self, spec: FilmSpec, patient_id: str) -> Identity:
        """Return the DICOM identifiers of a film."""
        visit = (self.key, spec.patient.number, spec.study)
        return Identity(
            patient_id, uid(*visit, "study"), uid(*visit, spec.view_number, "series"), uid(spec.seed, "sop")
        )


def grow_tree(
    root: Path,
    settings: dict[str, Any],
    key: int,
    films: Sequence[FilmSpec],
    track: Callable[[Iterable[FilmSpec]], Iterable[FilmSpec]] = iter,
) -> Tree:
    """Return a tree whose missing and unlisted films are drawn from the frontal training films."""
    usual = [spec.seed for spec in films if spec.split == "train" and spec.view_number == 1]
    missing, unlisted = settings["missing_files"], settings["unlisted_files"]
    order = rng(key, "odd").permutation(len(usual))[: missing + unlisted]
    odd = [usual[k] for k in order]
    return Tree(root, settings, key, films, track, frozenset(odd[:missing]), frozenset(odd[missing:]))


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with Unix line ends; None becomes a blank field."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([["" if value is None else value for value in row] for row in rows])


def annotation_parts(mask: NDArray[np.bool_], stream: np.random.Generator) -> list[NDArray[np.bool_]]:
    """Split a mask now and then into two overlapping parts, as several annotation rows of one image are."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size < 8 or stream.random() > 0.15:
        return [mask]
    cut = int(rows[rows.size // 2])
    upper, lower = mask.copy(), mask.copy()
    upper[cut + 2 :] = False
    lower[: cut - 1] = False
    return [upper, lower]
