"""Where a rater is: the places of one rater's order, what is scored at each, and which one comes next."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.feedback.log_values import ASPECTS, ROLES

KIND_ASPECTS = {"text": ("text",), "mask": ("mask",), "both": ASPECTS, "control": ("text",)}
Scores = Mapping[tuple[int, int, str], int]  # (place, image = sample number, aspect): the score that counts


@dataclass(frozen=True)
class Place:
    """One set as one rater sees it: `order[k]` is the sample number that stands at position k of the screen."""

    number: int
    set_id: str
    role: str
    aspects: tuple[str, ...]
    order: tuple[int, ...]


def read_places(assignments: pd.DataFrame, sets: Mapping[str, tuple[str, int]], source: str) -> dict[str, list[Place]]:
    """Return the places of each rater, in order, from the assignments table; `sets` is {set_id: (kind, images)}.

    InputError, naming `source` and the row, for an unknown set, role or kind, an order that is no permutation of the
    set's images, or places that are not 0, 1, 2...
    """
    places: dict[str, list[Place]] = {}
    for row, line in enumerate(assignments.to_dict("records")):
        try:
            places.setdefault(str(line["rater"]), []).append(_read_place(line, sets))
        except (InputError, ValueError, TypeError) as error:
            raise InputError(f"{source}: row {row}: {error}; sample the rating sets again") from None
    for rater, of_rater in places.items():
        of_rater.sort(key=lambda place: place.number)
        if [place.number for place in of_rater] != list(range(len(of_rater))):
            raise InputError(
                f"{source}: places of {rater!r} are not 0 to {len(of_rater) - 1}; sample the rating sets again"
            )
    return places


def is_complete(place: Place, scores: Scores) -> bool:
    """Whether every image of this place has a score in every aspect it has."""
    return all((place.number, image, aspect) in scores for image in place.order for aspect in place.aspects)


def next_open(places: Sequence[Place], scores: Scores, start: int) -> int | None:
    """Return the first place from `start` on that is not complete, going on from the beginning; None when all are."""
    for place in (*places[start:], *places[:start]):
        if not is_complete(place, scores):
            return place.number
    return None


def count_done(places: Sequence[Place], scores: Scores) -> int:
    """Return how many places are complete."""
    return sum(is_complete(place, scores) for place in places)


def on_screen(place: Place, scores: Scores) -> dict[str, list[int | None]]:
    """Return {aspect: one score an image} in the order of the screen, None where there is none yet."""
    return {aspect: [scores.get((place.number, image, aspect)) for image in place.order] for aspect in place.aspects}


def _read_place(line: Mapping[Hashable, Any], sets: Mapping[str, tuple[str, int]]) -> Place:
    set_id, role, number = line["set_id"], line["role"], line["place"]
    order = json.loads(str(line["order"]))
    if set_id not in sets:
        raise InputError(f"set {set_id!r} is not in the table of sets")
    kind, images = sets[set_id]
    if kind not in KIND_ASPECTS:
        raise InputError(f"set {set_id!r} has kind {kind!r}, expected one of {', '.join(KIND_ASPECTS)}")
    if role not in ROLES:
        raise InputError(f"role {role!r}, expected one of {', '.join(ROLES)}")
    if not isinstance(order, list) or sorted(order) != list(range(images)):
        raise InputError(f"order {order!r}, expected a permutation of 0 to {images - 1}")
    return Place(int(number), str(set_id), str(role), KIND_ASPECTS[kind], tuple(order))
