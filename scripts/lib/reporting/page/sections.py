"""The sections of evidence: one a question, with the line that answers it, what it means, and the files that show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scripts.lib.reporting.page import lines_answer, lines_images
from scripts.lib.reporting.page.lines import Facts, Line


@dataclass(frozen=True)
class PageSection:
    """A question: `tell` makes its line; `about` says how to read it; files lie below results/, * stands for any name."""

    tell: Callable[[Facts], Line]
    about: str
    tables: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


SECTIONS = (
    PageSection(
        lines_answer.statistics,
        "Intervals are two-sided and count both trials and test patients; P values are corrected within each setting. Where one "
        "of several amounts is quoted, it is the one with the smallest P value, so it looks a little larger than it is. The "
        "paper's own test, one-tailed over trials, stands in significance.csv; it cannot see harm.",
        (
            "tables/differences.csv",
            "tables/power.csv",
            "tables/significance.csv",
            "tables/trend.csv",
            "tables/intervals.csv",
        ),
        ("evidence.png",),
    ),
    PageSection(
        lines_answer.baselines,
        "A trivial answer says the same of every film and looks at none. A score below it is worth nothing, however much it rose.",
        ("tables/baselines.csv",),
    ),
    PageSection(
        lines_images.leakage,
        "The test films of every trial are held against all films that taught a model of its arm: the same film, patient or "
        "pixels, and near-duplicates that were mirrored or cut.",
        ("tables/leakage.csv",),
    ),
    PageSection(
        lines_images.copies,
        "The nearest training film of each image, beside the same of held-out films. Copies of all kinds are planted to see "
        "whether the search would find them.",
        ("tables/memorisation.csv",),
        ("*/pools/*/*/nearest.png",),
    ),
    PageSection(
        lines_images.fidelity,
        "Distances between images and real films, beside the floor: the same distance between real films of different patients. "
        "Images that look less real may still help, and the reverse.",
        ("tables/fidelity.csv",),
    ),
    PageSection(
        lines_images.faithfulness,
        "A model trained on real films is asked what the images show, beside the same on held-out real films.",
        ("tables/faithfulness.csv",),
    ),
    PageSection(
        lines_images.shortcut,
        "Where nearly all diseased films of a mixture are synthetic, a model may learn to tell images from films instead.",
        ("tables/shortcut.csv",),
    ),
    PageSection(
        lines_answer.controls,
        "An arm that repeats, augments or reconstructs the real films adds as many as the images, without anything new in them.",
        ("tables/equivalence.csv",),
        ("equivalence.png",),
    ),
    PageSection(
        lines_answer.subgroups,
        "The gap between a synthetic cell and real films alone in each group of test films. Nothing is corrected for the number "
        "of groups.",
        ("tables/subgroups.csv",),
    ),
    PageSection(
        lines_answer.calibration,
        "A model that says 0.9 where 0.6 is true can rank films well. Brier's score, intercept, slope and ECE see it; F1 does not.",
        ("tables/calibration.csv",),
        ("calibration.png",),
    ),
    PageSection(
        lines_answer.failures,
        "Some films always get worse, also where the mean gets better. Look for what they have in common.",
        ("tables/failures.csv",),
        ("failures.png",),
    ),
    PageSection(
        lines_answer.replication,
        "One study is one draw of films, generator and seeds. Another seed, and films of other hospitals, show whether it holds.",
        ("tables/replication.csv", "tables/replication_coverage.csv", "tables/replication_seeds.csv", "*/external.csv"),
        ("replication.png",),
    ),
    PageSection(
        lines_images.films,
        "What was read of each dataset, what was not taken, and how much the paper had.",
        ("table1.csv",),
    ),
)
# Pictures and tables that other sections of the page show.
FIGURES = ("figure1.png", "figure2.png", "figure3.png", "figure4.png")
SHEETS = ("*/pools/*/*/sheet.png",)
# Too long to be read in a page, or shown in another form; they are named.
NAMED = ("tables/trials.csv", "tables/reliability.csv", "tables/*_trials.csv", "tables/figure2.csv")
CAPTIONS = {
    "figure1.png": "The pipeline, with films and numbers of this run",
    "figure2.png": "The score with real films alone and with more and more synthetic images; whiskers are 95 % intervals",
    "figure3.png": "The proxy model: images by score, and arms that are filtered or tuned by it",
    "figure4.png": "Rated sets, the tuned generator, and what it is worth",
    "evidence.png": "Differences with 95 % intervals over trials and test films; the shaded side is harm",
    "equivalence.png": "How many real films alone would give the same score",
    "calibration.png": "How often a finding is there, where the model gives it a probability",
    "replication.png": "Every comparison with the difference under each seed",
    "failures.png": "Test films that got worse by the synthetic images",
    "feedback/agreement.png": "How far raters agree",
    "cost.png": "The plan beside the run",
}
