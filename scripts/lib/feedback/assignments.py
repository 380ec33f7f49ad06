"""Who rates what, in which order: shared sets for agreement, repeated ones for self-agreement, controls, own ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng
from scripts.lib.feedback.sets import CONTROL
from scripts.lib.feedback.sets_films import largest_remainder

COLUMNS = ("rater", "place", "set_id", "role", "order")
MOST_REPEATS = 0.5  # repeats are of the first half of an order and shown later
APART = 0.35  # share of an order that lies between a set and its repeat, where there is room


def deal_sets(sets: pd.DataFrame, raters: Sequence[str], settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """Return the assignments: one row for each set that a rater sees, by rater and place.

    `settings`: shared_share of the sets that all raters see, repeat_share of a rater's sets that come twice, images in
    a set. All raters see all controls. The others are dealt kind by kind, so raters differ by one set at most. `order`
    is a permutation of the images as JSON, another for the repeat. Neither the order of `sets` nor of `raters` matters.
    """
    names = _checked_raters(raters)
    shared_share, repeat_share = settings["shared_share"], settings["repeat_share"]
    for key, value, most in (("shared_share", shared_share, 1), ("repeat_share", repeat_share, MOST_REPEATS)):
        if not 0 <= value <= most:
            raise InputError(f"sets.{key} = {value}: expected a share from 0 to {most}")
    if not len(sets):
        raise InputError("sets: none to deal; sample sets first")
    roles = _roles(sets, names, shared_share, seed)
    rows = []
    for rater in names:
        order = _order(roles[rater], repeat_share, rater, seed)
        for place, (set_id, role) in enumerate(order):
            stream = rng(seed, "assignments", "images", rater, set_id, role == "repeat")
            rows.append((rater, place, set_id, role, json.dumps(stream.permutation(settings["images"]).tolist())))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.astype({"rater": "string", "place": "int64", "set_id": "string", "role": "string", "order": "string"})


def _checked_raters(raters: Sequence[str]) -> list[str]:
    names = sorted(raters)
    if not names:
        raise InputError("--raters: no name given; expected one at least")
    if len(set(names)) < len(names):
        raise InputError(f"--raters {' '.join(names)}: a name is given twice; each rater needs a name of their own")
    for name in names:
        if not name.strip() or not name.isprintable() or len(name) > 100:
            raise InputError(f"--raters: {name!r}: expected 1 to 100 printable characters")
    return names


def _roles(sets: pd.DataFrame, raters: Sequence[str], share: float, seed: int) -> dict[str, dict[str, str]]:
    """Return {rater: {set_id: role}} without repeats."""
    kinds = {str(kind): sorted(rows["set_id"]) for kind, rows in sets.groupby("kind", sort=True)}
    controls = kinds.pop(CONTROL, [])
    total = sum(map(len, kinds.values()))
    wanted = round(share * total)
    shares = {kind: len(rows) / total for kind, rows in kinds.items()}
    shared_of = largest_remainder(shares, wanted) if total else {}
    roles: dict[str, dict[str, str]] = {rater: dict.fromkeys(controls, CONTROL) for rater in raters}
    turn = 0
    for kind, rows in kinds.items():
        mixed = [rows[k] for k in rng(seed, "assignments", "deal", kind).permutation(len(rows))]
        for place, set_id in enumerate(mixed):
            if place < shared_of[kind]:
                for rater in raters:
                    roles[rater][set_id] = "shared"
            else:
                roles[raters[turn % len(raters)]][set_id] = "own"
                turn += 1
    return roles


def _order(roles: Mapping[str, str], repeat_share: float, rater: str, seed: int) -> list[tuple[str, str]]:
    """Return (set_id, role) in the order in which one rater sees them, repeats after and apart from what they repeat."""
    stream = rng(seed, "assignments", "order", rater)
    names = sorted(roles)
    mixed = [names[k] for k in stream.permutation(len(names))]
    keyed = [((place + 0.5) / len(mixed), set_id, roles[set_id]) for place, set_id in enumerate(mixed)]
    rated = [(at, set_id) for at, set_id, role in keyed if role != CONTROL]
    early = rated[: (len(rated) + 1) // 2]
    chosen = sorted(stream.permutation(len(early))[: round(repeat_share * len(rated))])
    for number in chosen:
        at, set_id = early[number]
        keyed.append((at + APART + stream.random() * max(1 - at - APART, 0.1), set_id, "repeat"))
    return [(set_id, role) for _, set_id, role in sorted(keyed)]
