"""How often a 95 % interval of differences.csv holds the truth: simulated studies whose truth is known.

    python -m benchmarks.coverage
    python -m benchmarks.coverage --metrics auroc --trials 2 --films 30 --studies 200

A study has two arms on the same test films, one or two of a patient. A film is harder or easier for all models, for one arm,
and for one trial; a trial is better or worse in both arms and in each. The truth is the metric of endless films, averaged over
endless trials. Beside ours stand the plain percentiles of a hierarchical bootstrap, trials and patients drawn with replacement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtr

from scripts.lib.core.seeds import rng as seeded
from scripts.lib.engine.commands import make_parser, progress, run, set_threads
from scripts.lib.evidence.bootstrap import interval
from scripts.lib.evidence.predicted import Member, Predicted
from scripts.lib.evidence.resampling import resample

POSITIVE = 0.35  # share of the films with the label
PATIENT, FILM, ARM, TRIAL = 0.5, 0.5, 0.4, 0.7  # standard deviations of a film's difficulty, in logits
SCATTER = float(np.sqrt(PATIENT**2 + FILM**2 + ARM**2 + TRIAL**2))
SKILL, GAIN = 1.2, 0.4  # of real films alone, and what the other arm adds
PIXELS = 1000.0
ARMS = (("real", 0), ("original", 2))


@dataclass(frozen=True)
class Design:
    """A study to simulate: `spread` is the standard deviation between trials of a model's skill, in logits."""

    metric: str
    trials: int
    films: int
    spread: float


def truth(design: Design) -> tuple[float, float]:
    """Return the true metric of both arms: the mean over trials, by Gauss-Hermite quadrature, of endless films."""
    places, weights = np.polynomial.hermite_e.hermegauss(61)
    weights = weights / weights.sum()
    found = []
    for _, multiplier in ARMS:
        skill = SKILL + GAIN * (multiplier > 0) + design.spread * places
        if design.metric == "dice":
            middle, wide = SKILL - 0.8 + GAIN * (multiplier > 0), np.hypot(design.spread, SCATTER)
            values = expit(middle + wide * places)
        elif design.metric == "auroc":
            values = ndtr(skill / (SCATTER * np.sqrt(2)))
        else:
            hit, false = ndtr((skill - 1) / SCATTER), ndtr(-1 / SCATTER)
            values = 2 * POSITIVE * hit / (POSITIVE + POSITIVE * hit + (1 - POSITIVE) * false)
        found.append(float(values @ weights))
    return found[0], found[1]


def simulate(design: Design, rng: np.random.Generator) -> Predicted:
    """Return the predictions of one study; at least one film of each class is there."""
    count, masks = design.films, design.metric == "dice"
    patients = np.repeat(np.arange(count), rng.integers(1, 3, count))[:count]
    there = rng.random(count) < (0.8 if masks else POSITIVE)
    there[:2] = True, False
    truths = there * (PIXELS if masks else 1.0)
    common = PATIENT * rng.normal(size=count)[patients] + FILM * rng.normal(size=count)
    of_arm = {arm: ARM * rng.normal(size=count) for arm, _ in ARMS}
    task = "segmentation" if masks else "classification"
    made = Predicted("simulated", task, np.arange(count).astype(str), patients, ("x",), truths[:, None])
    for trial in range(design.trials):
        shared = rng.normal()
        for arm, multiplier in ARMS:
            skill = SKILL + GAIN * (multiplier > 0) + design.spread * np.sqrt(0.5) * (shared + rng.normal())
            logits = common + of_arm[arm] + TRIAL * rng.normal(size=count)
            member = Member("0.1", arm, multiplier, trial)
            if masks:  # predicted and true area are alike, so that the share of overlap is Dice
                overlap = np.where(there, np.round(PIXELS * expit(skill - 0.8 + logits)), 0)
                made.scores[member] = np.column_stack([overlap, np.full(count, PIXELS)])[:, None]  # one structure
            else:
                made.scores[member] = expit(skill * there - 1 + logits)[:, None]
                made.thresholds[member] = [None]
    return made


def study_intervals(
    design: Design, draws: int, rng: np.random.Generator
) -> dict[str, tuple[float, float, float, float]]:
    """Return {what: (low, high, hierarchical low, high)} of one study, for the difference and for the mean of an arm."""
    made = simulate(design, rng)
    drawn = resample(made, draws, rng, [design.metric])
    values, every = drawn.points[design.metric], drawn.draws[design.metric]
    real, other = ([drawn.members.index(Member("0.1", *arm, k)) for k in range(design.trials)] for arm in ARMS)
    found = {}
    for what, points, each, bounds in (
        ("difference", values[other] - values[real], every[:, other] - every[:, real], (-1.0, 1.0)),
        ("mean", values[other], every[:, other], (0.0, 1.0)),
    ):
        ours = interval(points, each, made.n_patients, rng, bounds)
        found[what] = (ours.low, ours.high, *hierarchical(each, rng))
    return found


def hierarchical(draws: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Return the percentiles of draws (B, T) of patients whose trials are drawn with replacement as well."""
    picked = np.take_along_axis(draws, rng.integers(0, draws.shape[1], draws.shape), axis=1).mean(axis=1)
    low, high = np.nanquantile(picked, [0.025, 0.975])
    return float(low), float(high)


def coverage(design: Design, studies: int, draws: int, seed: int = 1) -> dict[str, tuple[float, float, float]]:
    """Return {what: (share of studies whose interval holds the truth, the same of plain percentiles, median width)}."""
    rng = seeded(seed, "coverage", design)
    real, other = truth(design)
    true = {"difference": other - real, "mean": other}
    every = [study_intervals(design, draws, rng) for _ in range(studies)]
    found = {}
    for what, value in true.items():
        low, high, plain_low, plain_high = np.array([one[what] for one in every]).T
        ours, plain = (low <= value) & (value <= high), (plain_low <= value) & (value <= plain_high)
        found[what] = (float(ours.mean()), float(plain.mean()), float(np.nanmedian(high - low)))
    return found


def designs(metrics: list[str], trials: list[int], films: list[int], spreads: list[float]) -> Iterator[Design]:
    """Yield every combination."""
    yield from (Design(m, t, n, s) for s in spreads for m in metrics for t in trials for n in films)


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--metrics", nargs="+", default=["f1", "auroc", "dice"], help="default: f1 auroc dice")
    parser.add_argument("--trials", type=int, nargs="+", default=[2, 5, 10], help="default: 2 5 10")
    parser.add_argument("--films", type=int, nargs="+", default=[30, 300], help="default: 30 300")
    parser.add_argument("--spread", type=float, nargs="+", default=[0.1, 0.4], help="spread of trials (default .1 .4)")
    parser.add_argument("--studies", type=int, default=2000, help="studies of each design (default 2000)")
    parser.add_argument("--draws", type=int, default=500, help="draws of the patients of each (default 500)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulation (default 1)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    print(
        "| spread of trials | metric | trials | films | difference | plain percentiles | mean | plain | median width |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for design in progress(list(designs(args.metrics, args.trials, args.films, args.spread))):
        found = coverage(design, args.studies, args.draws, args.seed)
        (ours, plain, wide), (own, own_plain, _) = found["difference"], found["mean"]
        cells = [f"{value:.3f}" for value in (ours, plain, own, own_plain, wide)]
        print(
            f"| {design.spread:g} | {design.metric} | {design.trials} | {design.films} | {' | '.join(cells)} |",
            flush=True,
        )


if __name__ == "__main__":
    run(main)
