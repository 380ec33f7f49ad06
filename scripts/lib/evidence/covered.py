"""Designs in which 95 % intervals hold the truth in less than 93 or more than 97 % of simulated studies.

`python -m benchmarks.coverage` simulates them; docs/statistics.md has its table. From five trials and 30 films on, the shares of
differences lie between 95 and 97 %, within the error of the simulation.
"""

from __future__ import annotations

TRIALS, FILMS = 5, 30  # with fewer the note says so
TWO_TRIALS = "91 to 97 %"  # of simulated studies of two trials, the lowest and the highest share


def coverage_note(trials: int, films: int) -> str:
    """Return what a row must say of its interval, "" where the simulation found nothing to say.

    One trial has a note of its own: its interval does not count trials at all.
    """
    notes = []
    if 1 < trials < TRIALS:
        notes.append(
            f"fewer than {TRIALS} trials: with two such an interval holds the truth in {TWO_TRIALS} of studies"
        )
    if films < FILMS:
        notes.append(f"fewer than {FILMS} test films: too few to say how often such an interval holds the truth")
    return "; ".join(notes)
