"""The films of cohorts that have a report, and the changes that make a training film of a stored one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.prompts import null_text
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash
from scripts.lib.mgca.text import caption
from scripts.lib.training.films import foundation_rows
from scripts.lib.training.resolution import fit_images
from scripts.lib.training.settings import Section

# Sections of a report by the index column that holds them; a dataset whose reports are whole has them all in `report`.
COLUMNS = {"impression": "report", "findings": "findings"}


@dataclass(frozen=True)
class ReportPairs:
    """Films with a usable report and what it says; pixels stay in the cohorts' memory maps until they are asked for.

    `parts` are (cohort, its rows), in order; `captions` (N,) text; `silent` films had no usable report; `side` pixels.
    """

    parts: list[tuple[Cohort, np.ndarray]]
    captions: list[str]
    silent: int
    side: int
    content: str

    def __len__(self) -> int:
        return len(self.captions)

    def images(self, places: np.ndarray) -> np.ndarray:
        """Return the films at these places of the list, uint8 (b, side, side)."""
        out = np.empty((len(places), self.side, self.side), np.uint8)
        first = 0
        for cohort, rows in self.parts:
            here = (places >= first) & (places < first + len(rows))
            if here.any():
                out[here] = fit_images(cohort.images(rows[places[here] - first]), self.side)
            first += len(rows)
        return out


def read_pairs(folders: Sequence[Path], split: str | None, settings: Section, resolution: int) -> ReportPairs:
    """Return the rows of a split (None: those that models of the foundation learn from) that have a usable report.

    `settings` is the section `mgca`. Images come at the side `image.resize`, or as stored. Raises InputError for a cohort of another resolution.
    """
    parts, captions, hashes, silent = [], [], [], 0
    cohorts = [Cohort.open(folder) for folder in folders]
    columns = _columns(cohorts, settings["text"])
    for folder, cohort in zip(folders, cohorts, strict=True):
        if cohort.resolution != resolution:
            raise InputError(
                f"{folder}: {cohort.resolution} pixels, expected the study's {resolution}; prepare it anew"
            )
        rows = foundation_rows(cohort.index) if split is None else cohort.rows(split=split)
        texts = [caption(report, settings["text"]) for report in _reports(cohort, rows, columns)]
        has_text = np.array([text is not None for text in texts], dtype=bool)
        silent += int((~has_text).sum())
        parts.append((cohort, rows[has_text]))
        captions += [text for text in texts if text is not None]
        hashes += list(cohort.index["sha256"].iloc[rows[has_text]])
    side = settings["image"]["resize"] or resolution
    return ReportPairs(parts, captions, silent, side, content_hash(*hashes, *captions))


def _columns(cohorts: Sequence[Cohort], settings: Section) -> list[str]:
    """Return the index columns of `sections`; raises InputError for one that no cohort has."""
    sections = settings["sections"]
    if not sections or not set(sections) <= set(COLUMNS) or len(set(sections)) < len(sections):
        raise InputError(
            f"settings: {settings.name}.sections = {sections}: expected different ones of {', '.join(COLUMNS)}"
        )
    for column in (COLUMNS[section] for section in sections):
        if not any(column in cohort.index for cohort in cohorts):
            raise InputError(
                f"{', '.join(str(cohort.folders[0]) for cohort in cohorts)}: no column {column}, which {settings.name}.sections "
                f"asks for; only MIMIC-CXR's reports are kept by section: prepare that cohort anew, or set [impression]"
            )
    return [COLUMNS[section] for section in sections]


def _reports(cohort: Cohort, rows: np.ndarray, columns: Sequence[str]) -> list[str | None]:
    """Return what these columns say of each film, in that order; None where all are absent."""
    reports = cohort.index.iloc[rows].reindex(columns=list(columns))
    parts = ([text for text in map(null_text, row) if text] for row in reports.itertuples(index=False))
    return [" ".join(texts) or None for texts in parts]


def check_pairs(pairs: ReportPairs, folders: Sequence[Path]) -> None:
    """Raise InputError unless there are at least two different reports: with one there is nothing to tell apart."""
    names = ", ".join(map(str, folders))
    if not len(pairs):
        raise InputError(
            f"{names}: none of {pairs.silent} training films has a report that can be used; name a cohort with reports "
            f"(mimic), or lower mgca.text.min_words"
        )
    if len(set(pairs.captions)) < 2:
        raise InputError(
            f"{names}: all {len(pairs)} reports say {pairs.captions[0][:60]!r}; MGCA learns from films whose reports differ"
        )


def input_side(settings: Section, resolution: int) -> int:
    """Return the side of the films that the network sees; raises InputError when it is larger than what there is."""
    image = settings["image"]
    stored = image["resize"] or resolution
    side = image["image_size"] or stored
    if side > stored + 2 * image["pad"]:
        raise InputError(
            f"settings: mgca.image.image_size = {side}, but films of {stored} pixels with a border of {image['pad']} "
            f"on each side are smaller; raise mgca.image.resize or pad"
        )
    return side


def crop(images: np.ndarray, side: int, pad: int, noise: torch.Generator | None) -> Tensor:
    """Return squares of `side` pixels from uint8 images (B, H, W) with a black border of `pad`, float (B, 1, s, s) in [0, 1].

    Each place is equally likely; without `noise` it is the middle. Films are never mirrored: reports name sides.
    """
    bordered = torch.nn.functional.pad(torch.from_numpy(images), (pad, pad, pad, pad))
    count, room = len(images), bordered.shape[-1] - side
    if noise is None:
        corners = torch.full((count, 2), room // 2)
    else:
        corners = torch.randint(0, room + 1, (count, 2), generator=noise)
    steps = torch.arange(side)
    rows, columns = corners[:, :1] + steps, corners[:, 1:] + steps
    taken = bordered[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return taken[:, None].float() / 255
