"""The boxes of films as arrays: of a cohort's own table where it has some, else of the connected parts of its masks.

An array of boxes is float32 (b, K, 5): kind, left, top, right and bottom edge in pixels of the film. A row of kind -1 is none.
A row without edges (NaN) says that nobody looked for this kind on the film: it is neither there nor absent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from scripts.lib.cohort.boxes import BOXES, EDGES, part_boxes, read_boxes
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash

NONE = -1.0  # the kind of a row that is no box
UNKNOWN = 2  # value of a stored mask of a structure that nobody looked for
LEAST_SIDE = 1.0  # pixels of a moved box that are still on the film


class Outlines:
    """The boxes of a cohort or pool, by structure: of its table where that has some of the structure, else of its masks."""

    def __init__(self, cohort: Cohort, structures: Sequence[str]) -> None:
        self.cohort, self.structures = cohort, tuple(structures)
        self.tables: dict[str, dict[int, np.ndarray]] = {}
        folder = cohort.folders[0]
        # A pool has no table: its boxes are what its masks show.
        if len(cohort.folders) == 1 and (folder / BOXES).is_file() and len(cohort) == cohort.stored:
            table = read_boxes(folder)
            for name, rows in table[table["structure"].isin(self.structures)].groupby("structure"):
                edges = rows[list(EDGES)].to_numpy(np.float32)
                numbers = rows["row"].to_numpy()
                self.tables[str(name)] = {int(row): edges[numbers == row] for row in np.unique(numbers)}
        for name in self.structures:
            if name not in self.tables:
                cohort.bit(name)
                if not cohort.has_masks:
                    raise InputError(
                        f"{folder}: neither masks nor a box of {name}; take it out of the target, or annotate it"
                    )

    def boxes(self, rows: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Return the boxes of these rows, (b, K, 5), kind k those of `names[k]`; K is that of the film with the most."""
        fields = self.cohort.masks(rows) if any(name not in self.tables for name in names) else None
        films: list[list[np.ndarray]] = []
        for place, row in enumerate(rows):
            parts = []
            for kind, name in enumerate(names):
                if name in self.tables:
                    edges = self.tables[name].get(int(row), np.empty((0, 4), np.float32))
                else:
                    assert fields is not None  # read for names without a table
                    edges = part_boxes(fields[place] & self.cohort.bit(name))
                parts.append(np.column_stack([np.full(len(edges), kind, np.float32), edges]).astype(np.float32))
            films.append(parts)
        return padded([np.concatenate(parts) for parts in films])

    def digest(self) -> str:
        """Return a hash of what the tables hold; masks have hashes of their own."""
        rows = [
            (name, row, edges.tolist())
            for name, table in sorted(self.tables.items())
            for row, edges in sorted(table.items())
        ]
        return content_hash(str(rows))


def padded(films: Sequence[np.ndarray]) -> np.ndarray:
    """Return the boxes (k, 5) of several films as one array (b, K, 5)."""
    most = max((len(film) for film in films), default=0)
    out = np.full((len(films), most, 5), NONE, np.float32)
    for place, film in enumerate(films):
        out[place, : len(film)] = film
    return out


def without_unknown(boxes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return boxes (b, K, 5) with a row without edges for each kind that `known` bool (b, kinds) says nobody looked for."""
    if known.all():
        return boxes
    films = []
    for film, seen in zip(boxes, known):
        kinds = film[:, 0].astype(int)
        kept = film[(kinds >= 0) & seen[np.maximum(kinds, 0)]]
        unknown = np.full((np.count_nonzero(~seen), 5), np.nan, np.float32)
        unknown[:, 0] = np.flatnonzero(~seen)
        films.append(np.concatenate([kept, unknown]))
    return padded(films)


def joined(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the targets of two parts of a batch as one array; boxes of fewer rows are filled up."""
    if one.ndim == 3 and one.shape[1] != other.shape[1]:
        return padded([*one, *other])
    return np.concatenate([one, other])


def of_kind(film: np.ndarray, kind: int) -> np.ndarray | None:
    """Return the edges (k, 4) of a film's boxes (K, 5) of a kind; None where nobody looked for it."""
    edges = film[film[:, 0] == kind, 1:]
    return None if np.isnan(edges).any() else edges


def moved_boxes(boxes: Tensor, matrices: Tensor, side: int) -> Tensor:
    """Return boxes (B, K, 5) where films went that were read at the places of `matrices` (B, 2, 3), which do not turn.

    Places run from -1 to 1 across the film. Boxes end where the film does; one of which less than a pixel is left is dropped.
    """
    shift = torch.stack([matrices[:, 0, 2], matrices[:, 1, 2]], dim=1).repeat(1, 2)[:, None]
    scale = torch.stack([matrices[:, 0, 0], matrices[:, 1, 1]], dim=1).repeat(1, 2)[:, None]
    ends = ((boxes[:, :, 1:] * (2 / side) - 1) - shift) / scale
    ends = ((ends + 1) * (side / 2)).clamp(0, side)
    low, high = torch.minimum(ends[..., :2], ends[..., 2:]), torch.maximum(ends[..., :2], ends[..., 2:])
    kind = boxes[:, :, :1]
    lost = ((high - low) < LEAST_SIDE).any(dim=2, keepdim=True)  # never of a row without edges
    return torch.cat([torch.where(lost, torch.full_like(kind, NONE), kind), low, high], dim=2)
