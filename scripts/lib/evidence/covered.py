"""Designs in which 95 % intervals do not hold the truth in 93 to 97 % of simulated studies (`python -m benchmarks.coverage`)."""

from __future__ import annotations


def coverage_note(metric: str, trials: int, films: int) -> str:
    """Return what a row must say of its interval, "" where the simulation found nothing to say."""
    return ""
