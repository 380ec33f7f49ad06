"""The words of the page in plain language, for readers who build no models and readers who read no films."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from scripts.lib.reporting.page.words import number

ALWAYS = (
    ("film, image", "A film is a real X-ray. An image is synthetic: a generator drew it."),
    (
        "generator, arm",
        "A generator is the model that draws images. An arm is what is added to the real films of a training.",
    ),
    (
        "images per film",
        "How many images a training gets beside each real film: with 4 films and 10 per film, 40 images.",
    ),
    (
        "trial",
        "One training and test. Trials differ in their draw of real films and their seed; trials of the same number share both "
        "with and without images, so differences are paired.",
    ),
    ("comparison", "Trials with images against trials with the same real films and no images, on the same test films."),
    (
        "95 % interval",
        "Of 100 studies like this one, about 95 would have the true difference within such an interval. It counts trials and test patients.",
    ),
    (
        "corrected P",
        "How often chance alone gives a difference this large, made stricter for the number of comparisons (Bonferroni), two-sided.",
    ),
    (
        "real films worth",
        "“As much as about 38 more real films”: the score that models reach with so many more real films and no images, read off "
        "the curve of score over real films.",
    ),
)
METRICS = {
    "f1": ("F1", "Agreement of predicted with true findings, 0 to 1: the harmonic mean of precision and sensitivity."),
    "auroc": ("AUROC", "Chance that a film with the finding gets a higher score than one without; 0.5 is guessing."),
    "ap50": (
        "AP50",
        "How well boxes are found and ranked (average precision), 0 to 1; a box counts that overlaps a true one by half.",
    ),
    "map": ("mAP", "The mean of average precision over overlaps of 0.50 to 0.95, 0 to 1."),
    "froc": ("FROC", "Share of true boxes found at .05, .1 and .2 false boxes a film, the mean of the three."),
    "dice": ("Dice", "Overlap of the drawn region with the true one, 0 (none) to 1 (the same pixels)."),
}
OF_SECTIONS = {
    "copies": ("near-copy", "An image that is more like a training film than 99 of 100 films of other patients are."),
    "fidelity": (
        "KID, FID, floor",
        "Distances between two sets of pictures as a network sees them; 0 is no difference. The floor is the same distance "
        "between real films of different patients.",
    ),
    "calibration": ("Brier’s score", "Mean squared error of a stated probability, 0 (perfect) to 1."),
    "shortcut": (
        "short cut",
        "Telling images from films instead of finding the disease, where most diseased pictures are images.",
    ),
    "leakage": ("leak", "A test film, its patient or a copy of it among the films that taught a model."),
}


def glossary(config: Mapping[str, Any], measured: Sequence[str], compared: Collection[str]) -> list[tuple[str, str]]:
    """Return (word, meaning) for a page: the metrics that it compares, and the words of the sections (their keys) that are measured."""
    metrics = compared or config["statistics"]["metrics"]
    wanted = config["statistics"]["power"]["difference"]
    return [
        *ALWAYS,
        *(said for start, said in METRICS.items() if any(name.startswith(start) for name in metrics)),
        (
            "a difference that matters",
            f"{number(wanted)} and more of the score (setting statistics.power.difference). You may think otherwise.",
        ),
        *(said for key, said in OF_SECTIONS.items() if key in measured),
    ]
