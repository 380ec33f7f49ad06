"""The sections of evidence: one a question, with the line that answers it, what it means, and the files that show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scripts.lib.reporting.page import (
    lines_answer,
    lines_edits,
    lines_images,
    lines_masks,
    lines_proxy,
    lines_seeds,
    lines_transfer,
)
from scripts.lib.reporting.page.lines import Facts, Line


@dataclass(frozen=True)
class PageSection:
    """A statement: `tell` makes its line; `about` says how to read it, and `pictured` its pictures, where there are some.

    Files lie below results/, * stands for any name. A section that is `optional` is there only where the study has its tables.
    """

    tell: Callable[[Facts], Line]
    about: str
    tables: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    optional: bool = False
    pictured: str = ""


SECTIONS = (
    PageSection(
        lines_answer.statistics,
        "Intervals are two-sided and count both trials and test patients; P values are corrected for all amounts tried on the "
        "same real films. Where one of several amounts is quoted, it is the one with the smallest P value, so it looks a little "
        "larger than it is. The test of Prakash et al. (2025), one-tailed over "
        "trials, stands in significance.csv; it cannot see harm.",
        (
            "tables/differences.csv",
            "tables/power.csv",
            "tables/significance.csv",
            "tables/trend.csv",
            "tables/intervals.csv",
        ),
        ("evidence.png",),
        pictured="The picture shows intervals before correction.",
    ),
    PageSection(
        lines_answer.baselines,
        "Calling every film positive, for example, needs no model. A score below that is worth nothing, however much it rose.",
        ("tables/baselines.csv",),
    ),
    PageSection(
        lines_images.leakage,
        "The test films of every trial are searched among all films that taught one of its models: the same film, the same "
        "patient, the same pixels, and near-duplicates that were mirrored or cut.",
        ("tables/leakage.csv",),
    ),
    PageSection(
        lines_images.copies,
        "For each image its nearest training film, beside the same for real films that the generator never saw. Copies of several "
        "kinds are planted to see whether the search would find them.",
        ("tables/memorisation.csv",),
        ("*/pools/*/*/nearest.png",),
        pictured="The pictures show the most alike pairs: image left, film right.",
    ),
    PageSection(
        lines_images.fidelity,
        "Distances between images and real films, beside the floor: the same distance between real films of different patients. "
        "Images that look less real may still help, and images that look real may not.",
        ("tables/fidelity.csv",),
    ),
    PageSection(
        lines_images.faithfulness,
        "A model trained on real films is asked what the images show, beside the same on held-out real films.",
        ("tables/faithfulness.csv",),
        ("*/pools/*/*/judged.png",),
    ),
    PageSection(
        lines_images.shortcut,
        "Where nearly all diseased films of a mixture are synthetic, a model may learn to tell images from films instead.",
        ("tables/shortcut.csv",),
    ),
    PageSection(
        lines_proxy.proxy,
        "A label is usable where the interval of its AUROC on real films that the proxy has not seen stays above 0.5. A refused label "
        "filters nothing, unless proxy.allow_unvalidated says otherwise.",
        (lines_proxy.TABLE,),
        optional=True,
    ),
    PageSection(
        lines_masks.masks,
        "Before an image is made from words, a model makes its mask. Each number stands beside the same between real masks.",
        (lines_masks.TABLES,),
        ("*/masks/*/*/masks.png",),
        optional=True,
    ),
    PageSection(
        lines_masks.worth,
        "AURAD (arXiv 2509.04819) says that masks which fit the anatomy are worth more than masks at random. The control has real "
        "shapes, each finding from the film of another patient. Table 2 has all arms, and what AURAD reports beside it.",
        ("table2.csv",),
        optional=True,
    ),
    PageSection(
        lines_edits.edits,
        "An edit is the same film with the other class. Beside it stand controls: another child's film of that class, and the film "
        "made as sharp as its edit. It shows what the generator has learned of a class and is no diagnosis.",
        (lines_edits.TABLES, lines_edits.SWEEPS),
        ("ldm_edits.png",),
        optional=True,
    ),
    PageSection(
        lines_transfer.transfer,
        "Models are tested on films of their own dataset, on those of other ones, and on images of a trial that they have not learned "
        "from. The truth of an image is what it was asked to show. A column is easier or harder as a whole, so numbers are compared "
        "within one.",
        (lines_transfer.TABLE,),
        ("transfer.png",),
        optional=True,
        pictured="Rows are what models were trained on, columns what they were tested on.",
    ),
    PageSection(
        lines_answer.controls,
        "A control adds the real films again, augmented or reconstructed, as many as there would be images: nothing new is in "
        "them.",
        ("tables/equivalence.csv",),
        ("equivalence.png",),
        pictured="The picture reads off what images are worth: a point is the mean of trainings with images; go sideways to the "
        "black curve of real films alone, and down to the number of films.",
    ),
    PageSection(
        lines_answer.subgroups,
        "The change of the score among test films of one sex, age band or view. “Surely” means that the whole 95 % interval lies on the side "
        "of worse. Nothing is corrected for the number of groups.",
        ("tables/subgroups.csv",),
    ),
    PageSection(
        lines_answer.calibration,
        "A model that says 0.9 where 0.6 is true can still rank films well. Brier's score, intercept, slope and ECE see it; F1 does "
        "not.",
        ("tables/calibration.csv",),
        ("calibration.png",),
        pictured="In the picture, points on the diagonal are right; below it the model says too much.",
    ),
    PageSection(
        lines_answer.failures,
        "Some films always get worse, also where the mean gets better. Look for what they have in common.",
        ("tables/failures.csv",),
        ("failures.png",),
    ),
    PageSection(
        lines_seeds.replication,
        "One study is one draw of films, generator and seeds. Another seed, and films of other hospitals, show whether its answer "
        "is more than that draw.",
        ("tables/replication.csv", "tables/replication_coverage.csv", "tables/replication_seeds.csv", "*/external.csv"),
        ("replication.png",),
    ),
    PageSection(
        lines_images.films,
        "What was read of each dataset, what could not be used, and how many films Prakash et al. (2025) had.",
        ("table1.csv",),
    ),
)
# Pictures and tables that other sections of the page show.
FIGURES = ("figure1.png", "figure2.png", "figure3.png", "figure4.png", "figure5.png")
SHEETS = ("*/pools/*/*/sheet.png",)
# Too long to be read in a page, or shown in another form; they are named.
NAMED = ("tables/trials.csv", "tables/reliability.csv", "tables/*_trials.csv", "tables/figure2.csv")
CAPTIONS = {
    "figure1.png": "Figure 1. The way from films to an answer, with films and numbers of this run",
    "figure2.png": "Figure 2. The score with real films alone (white) and with more and more synthetic images (blue); lines are 95 % intervals over trials",
    "figure3.png": "Figure 3. The proxy model, which scores how well an image fits its words: images by score, and what filtering or tuning by it brings",
    "figure4.png": "Figure 4. Sets of images that raters scored, the generator tuned to their scores, and what it brings",
    "figure5.png": "Figure 5. Words become a mask, the mask an image, its findings boxes; and what these images are worth for each task",
    "evidence.png": "Every difference to real films alone, and to a control where the study has one, with its 95 % interval over trials and "
    "test patients; the shaded side is harm",
    "equivalence.png": "What images are worth in real films: score over the number of real films, with real films alone (black) and with what each arm adds",
    "calibration.png": "Of films that a model gives a certain probability, the share that has the finding, with its 95 % interval",
    "replication.png": "Every comparison with the difference under each seed",
    "transfer.png": "What models were trained on (rows) against what they were tested on (columns): mean of the trials, and the lowest and the highest",
    "ldm_edits.png": "Films and their edits to the other class: typical ones, and the worst",
    "failures.png": "Test films that got worse by the synthetic images; below each, its score with real films alone and, after the arrow, with images",
    "feedback/agreement.png": "How far raters agree",
    "cost.png": "The plan beside the run",
}
