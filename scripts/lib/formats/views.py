"""From which side a film was taken, by the words that tables and headers use for it."""

from __future__ import annotations

import re
from functools import lru_cache

FRONTAL_WORDS = frozenset({"PA", "AP", "FRONTAL", "POSTEROANTERIOR", "ANTEROPOSTERIOR", "ANTERIOR", "POSTERIOR"})
# Lying on one side and oblique views count as not frontal, too.
LATERAL_WORDS = frozenset(
    {
        "LL",
        "RL",
        "LAT",
        "LATERAL",
        "LLAT",
        "RLAT",
        "LATL",
        "LATR",
        "LLD",
        "RLD",
        "XTABLE",
        "CROSSTABLE",
        "DECUB",
        "DECUBITUS",
    }
    | {"PROFILE", "SIDE", "OBLIQUE", "LAO", "RAO", "LPO", "RPO", "LLO", "RLO", "SWIMMERS", "SWIMMER"}
)
LETTERS = frozenset({"L", "R"})  # a view alone, a side beside another word ("PA L")
FRONTAL, LATERAL = "frontal", "lateral"


@lru_cache(maxsize=1024)
def side_of(view: str) -> str | None:
    """Return "frontal", "lateral" (anything that is known and not frontal), or None for words that say neither."""
    words = set(re.findall(r"[^\W\d_]+", view.upper()))
    if words & LATERAL_WORDS:
        return LATERAL
    if words & FRONTAL_WORDS:
        return FRONTAL
    return LATERAL if words and words <= LETTERS else None


def is_lateral(view: str) -> bool:
    """Whether a view is known, and not frontal."""
    return side_of(view) == LATERAL
