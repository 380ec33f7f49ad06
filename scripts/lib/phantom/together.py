"""Which findings films of ChestX-Det show together: the counts of its training set as quotas, exact up to rounding.

Of its 3,025 training films 547, 843, 905, 491 and 239 show none, one, two, three, and four or more findings; 1,349 show a
consolidation, 1,185 an effusion, and 838 both. The phantom draws six of its thirteen classes.
"""

from __future__ import annotations

import numpy as np

from scripts.lib.phantom.spec import FINDINGS, ONE_SIDED, SIDES, Finding

FILMS = 3025
BY_COUNT = (547, 843, 905, 491, 239)
CONSOLIDATION, EFFUSION, BOTH = 1349, 1185, 838
PAIR = ("consolidation", "pleural effusion")
# Its other classes that a phantom has, with how many training films show them about as often as each other.
OTHERS = {"cardiomegaly": 0.38, "atelectasis": 0.26, "pneumothorax": 0.22, "rib fracture": 0.14}
TWO_SIDED = 0.35  # share of consolidations and of effusions that lie on both sides


def cells() -> dict[tuple[int, tuple[str, ...]], float]:
    """Return the share of films by number of findings and which of PAIR are among them; the shares sum to 1.

    Both findings need a count of two or more and one of them a count of one or more. Within these, each goes to the counts in
    proportion to their films, which keeps all of the published totals.
    """
    left = np.array(BY_COUNT, dtype=float) / FILMS
    shares: dict[tuple[int, tuple[str, ...]], float] = {}
    one, two = (CONSOLIDATION - BOTH) / FILMS, (EFFUSION - BOTH) / FILMS
    for shown, share, least in ((PAIR, BOTH / FILMS, 2), (PAIR[:1], one, 1), (PAIR[1:], two, 1)):
        taken = np.where(np.arange(len(left)) >= least, left, 0.0)
        taken *= share / taken.sum()
        left -= taken
        shares |= {(count, shown): float(part) for count, part in enumerate(taken) if count >= least}
    return shares | {(count, ()): float(part) for count, part in enumerate(left)}


def plan_together(count: int, stream: np.random.Generator) -> list[tuple[Finding, ...]]:
    """Return the findings of `count` films, shuffled, in the proportions of `cells` (largest remainder)."""
    shares = cells()
    exact = np.array(list(shares.values())) * count
    whole = np.floor(exact + 1e-9).astype(int)
    for place in np.argsort(-(exact - whole), kind="stable")[: count - whole.sum()]:
        whole[place] += 1
    planned = [cell for cell, times in zip(shares, whole, strict=True) for _ in range(times)]
    return [_findings(planned[place][0], planned[place][1], stream) for place in stream.permutation(count)]


def _findings(count: int, shown: tuple[str, ...], stream: np.random.Generator) -> tuple[Finding, ...]:
    names = list(OTHERS)
    weights = np.array(list(OTHERS.values()))
    extra = stream.choice(names, size=count - len(shown), replace=False, p=weights / weights.sum())
    drawn: list[Finding] = []
    for name in (*shown, *map(str, extra)):
        sides = [str(side) for side in stream.permutation(list(SIDES))]
        severity = stream.uniform(0.15, 1.0, 2).round(4)
        both = name in PAIR and stream.random() < TWO_SIDED
        if name not in ONE_SIDED:
            drawn.append(Finding(name, None, float(severity[0])))
            continue
        drawn += [Finding(name, side, float(strength)) for side, strength in zip(sides[: 1 + both], severity)]
    return tuple(sorted(drawn, key=lambda finding: FINDINGS.index(finding.name)))
