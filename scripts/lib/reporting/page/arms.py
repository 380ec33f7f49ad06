"""What every other comparison of the study came to: other arms against the real films, and arms against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scripts.lib.reporting.page.comparisons import VERDICTS, ComparisonRow
from scripts.lib.study.arms import REAL


@dataclass(frozen=True)
class ArmRow:
    """All comparisons of one arm with another: how many, and how many have each verdict, in the order of VERDICTS."""

    arm: str
    against: str
    total: int
    counts: tuple[int, ...]


def other_comparisons(comparisons: Sequence[ComparisonRow], arm: str) -> list[ArmRow]:
    """Return one row a pair of arms, without `arm` against the real films, which the answer tells in full."""
    pairs = dict.fromkeys((one.arm, one.against) for one in comparisons)
    rows = []
    for pair in pairs:
        if pair == (arm, REAL):
            continue
        compared = [one for one in comparisons if (one.arm, one.against) == pair]
        counts = tuple(sum(one.verdict == name for one in compared) for name in VERDICTS)
        rows.append(ArmRow(*pair, len(compared), counts))
    return rows
