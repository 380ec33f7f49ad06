"""What the test films of a study can tell at best: how far a score of theirs may be off by chance, before anything trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf, sqrt
from typing import Any

from scripts.lib.cohort.looking import SHOWN, Look
from scripts.lib.reporting.check_needs import WARNING, CheckLine
from scripts.lib.study.tasks import of_structures, targets_of

Z = 1.96  # of a 95 % interval
RIGHT = 0.8  # share of the films of each class that a model of use may call right
DICE_SPREAD = 0.25  # standard deviation of the Dice of single films, of a model of use
COARSE = 0.1  # half width of an interval from which a gain of usual size cannot be told


def few_tested(look: Look, section: Mapping[str, Any]) -> Iterator[CheckLine]:
    """Yield a warning where the test films are too few to tell a gain of 0.1, for the target of which there are fewest."""
    test = look.films[look.films["split"] == "test"]
    masks = of_structures(section)
    widths = {}
    for target in targets_of(section):
        if masks and target in look.structures:
            shown = int(((test[SHOWN].to_numpy() >> look.structures.index(target)) & 1).sum())
            widths[target] = (dice_half_width(shown), f"{shown} of {len(test)} test films show {target}")
        elif not masks and target in test:
            ill = int((test[target] == 1).sum())
            well = int((test[target] == 0).sum())
            widths[target] = (accuracy_half_width(ill, well), f"{ill} test films with {target} and {well} without")
    if not widths:
        return
    width, what = max(widths.values())
    if COARSE < width < inf:  # a class that is not there at all is a finding of its own
        score = "a Dice" if masks else "a share of right answers"
        yield CheckLine(
            WARNING,
            look.name,
            f"{what}: {score} is known to about ± {width:.2f} of them, and a smaller gain cannot be told from chance",
            f"add films, or raise the share of the test (datasets.{look.name}.split); undecided will be the likely answer",
        )


def accuracy_half_width(ill: int, well: int) -> float:
    """Return half of the 95 % interval of the mean of sensitivity and specificity, each 0.8, on so many films of each class."""
    if not ill or not well:
        return inf
    return Z / 2 * sqrt(RIGHT * (1 - RIGHT) * (1 / ill + 1 / well))


def dice_half_width(shown: int) -> float:
    """Return half of the 95 % interval of a mean Dice over so many films, whose own Dice spread by 0.25."""
    return Z * DICE_SPREAD / sqrt(shown) if shown else inf
