"""The grid of the answer: the sign and meaning of each verdict, and where the bars of intervals lie."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scripts.lib.reporting.page.comparisons import ComparisonRow

LEAST_SCALE = 0.1  # the bars of intervals reach at least from -0.1 to +0.1
MARKS = {"helps": "▲", "harms": "▼", "no difference": "≈", "undecided": "○", "not testable": "□"}
BEYOND = "its 95 % interval leaves out 0, and the corrected P value is below {alpha:g}"
MEANINGS = {
    "helps": f"the score gets better: {BEYOND}",
    "harms": f"the score gets worse: {BEYOND}",
    "no difference": "the whole interval lies within ±{wanted}: if there is a difference, it is too small to matter",
    "undecided": "neither: these trials and test films do not suffice to say",
    "not testable": "there is no interval; the sentence says why",
}


def scale_of(comparisons: Sequence[ComparisonRow]) -> float:
    """Return how far the bars of intervals reach to either side of 0: as far as the widest, 1 at most, in tenths."""
    ends = [abs(end) for one in comparisons for end in (one.low, one.high) if math.isfinite(end)]
    return min(1.0, math.ceil(10 * max([LEAST_SCALE, *ends]) - 1e-9) / 10)


def place(low: float, high: float, scale: float) -> str:
    """Return where the bar of an interval lies, as CSS: 0 is in the middle of its track, `scale` at the right end."""
    start, end = (50 + 50 * max(-1.0, min(1.0, value / scale)) for value in (low, high))
    return f"left:{start:.1f}%;right:{100 - end:.1f}%"
