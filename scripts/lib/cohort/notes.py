"""What a person should make of each kind of note; the table notes.csv; and the share of odd films that stops a run.

Readers and decoders note kinds in words (`Notes` of formats/record.py). A new kind gets a row in ADVICE.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.cohort import plausibility
from scripts.lib.core.errors import InputError
from scripts.lib.formats import (
    aspect,
    candid,
    chestxdet,
    chexlocalize,
    chexmask,
    columns,
    dicom,
    encapsulated,
    folder,
    kermany,
    labels,
    medmnist,
    mimic,
    patients,
    polygons,
    raster,
    reports,
    rle,
    rsna,
    subject,
    vindr_cxr,
    vindr_pcxr,
    voi,
)
from scripts.lib.formats.record import Notes
from scripts.lib.formats.spreadsheet import inert

COLUMNS = ("kind", "count", "level", "examples", "what_to_do")
NORMAL, LOOK, WARNING = "normal", "look", "warning"
LEVELS = (WARNING, LOOK, NORMAL)
NO_REPORT = "films without a report file"
OBLONG = "films whose pixels are not square, made square"
NO_PATIENT = "films without a patient identifier, each counted as a patient of its own"
NO_VIEW = "films without a view, taken for frontal"
UNKNOWN_VIEW = "films whose view is neither frontal nor lateral in known words, taken for frontal"
ALIKE = "patients whose identifiers differ in form only (case, blanks, leading zeros)"
SHARED_MASK = "films with exactly the mask of another film"
CONTRADICTED = "films with the same pixels as another one and another label"
REPEATED = "films of one SOPInstanceUID listed twice, taken once"
LINKED = "patients linked by a film that both have"
ACROSS = "films that are on two sides of the given split under two names"
UNLISTED = "image files that no table lists"


@dataclass(frozen=True)
class Advice:
    """What to do about a kind of note, and its level.

    normal   made usable without loss; nothing to do
    look     a film that may have been read wrongly; too large a share of such films stops the run (`noted_limit`)
    warning  about the dataset as a whole; told on the screen, stops nothing
    """

    level: str
    todo: str


NOTHING = "nothing: it was put right"
UNFORESEEN = Advice(LOOK, "look at the examples")
ADVICE: dict[str, Advice] = {
    raster.ROTATED: Advice(NORMAL, NOTHING),
    raster.COLOUR: Advice(NORMAL, NOTHING),
    raster.DEEP: Advice(NORMAL, NOTHING),
    raster.SOFT: Advice(LOOK, "save masks as PNG, whose edges are sharp"),
    dicom.NO_PREAMBLE: Advice(NORMAL, NOTHING),
    dicom.INVERTED: Advice(NORMAL, NOTHING),
    dicom.DIRTY: Advice(NORMAL, NOTHING),
    dicom.PADDED: Advice(NORMAL, NOTHING),
    dicom.SIGNED: Advice(NORMAL, NOTHING),
    dicom.BURNED_IN: Advice(
        LOOK, "look whether names of patients are in the picture, and whether letters give away a label"
    ),
    subject.OTHER_PART: Advice(WARNING, "look at some of them, and leave out what is no chest film"),
    subject.NO_FILM: Advice(WARNING, "look at some of them: slices and photographs are no films"),
    subject.TURNED: Advice(
        WARNING,
        "look at some of them: where the heart is on the wrong side, prompts and labels of a side are wrong too",
    ),
    encapsulated.TRAILING: Advice(NORMAL, NOTHING),
    encapsulated.FEWER_BITS: Advice(NORMAL, NOTHING),
    encapsulated.SIGNS: Advice(LOOK, "look at these films: if bright and dark are swapped in parts, save them anew"),
    raster.GAMMA: Advice(NORMAL, "nothing, unless the films look too dark or too bright beside the others"),
    OBLONG: Advice(NORMAL, NOTHING),
    aspect.UNKNOWN: Advice(
        WARNING, "look at some of them: a chest that is too wide or too flat has pixels that are not square"
    ),
    voi.UNUSED: Advice(WARNING, "look whether these films are too dark or too bright beside the others"),
    plausibility.FULL: Advice(LOOK, "look at these masks: a mask of everything teaches nothing"),
    plausibility.INSIDE_OUT: Advice(
        LOOK, "look at these masks; if they are inverted, save them with the structure bright"
    ),
    plausibility.TURNED: Advice(LOOK, "look at these masks on their films"),
    **{
        kind: Advice(
            WARNING,
            "most lung masks of this dataset are placed so: check in which order their rows and columns are written",
        )
        for kind in plausibility.MISPLACED.values()
    },
    candid.STRANGERS: Advice(LOOK, "check that the tables are of one edition of the dataset"),
    candid.REPORTS: Advice(NORMAL, "keep one report a film if the first is not the one you want"),
    chexmask.POOR: Advice(
        NORMAL, "nothing, or lower reader.min_rca, or leave such films out: reader.chexmask_missing: exclude"
    ),
    chexmask.ABSENT: Advice(NORMAL, "nothing, or leave such films out: reader.chexmask_missing: exclude"),
    mimic.NO_LABELS: Advice(LOOK, "nothing if those studies were never labelled: their labels are unknown, not 0"),
    mimic.NO_SECTIONS: Advice(LOOK, "nothing if those studies have no report"),
    mimic.NO_METADATA: Advice(LOOK, "check that the tables are of one edition of the dataset"),
    rle.OVERLAPPING: Advice(LOOK, "look whether the runs count from the start of the film, as those of CheXmask do"),
    rle.UNSORTED: Advice(LOOK, "look whether the runs count from the start of the film, as those of CheXmask do"),
    rle.UNITED: Advice(NORMAL, "nothing: several readers outlined the same place"),
    labels.NO_AGE: Advice(LOOK, "correct the ages in the table, or leave them empty"),
    labels.NO_SEX: Advice(NORMAL, "nothing, or correct the table"),
    columns.NEAR: Advice(WARNING, "if it is that column, rename it, or name it in reader.columns (format folder)"),
    folder.UNMET: Advice(WARNING, "check the spelling of the value"),
    rsna.NO_PATIENTS: Advice(
        WARNING,
        "films of one patient may be on two sides; name RSNA's pneumonia-challenge-dataset-mappings_2018.json in "
        "reader.patients",
    ),
    kermany.NUMBERS: Advice(
        WARNING, "mind that one child may be in training and test; a table in reader.patients says it better"
    ),
    medmnist.NO_PATIENTS: Advice(
        WARNING, "mind that one child may be in training and test; a table in reader.patients says it better"
    ),
    vindr_pcxr.DISAGREE: Advice(NORMAL, "nothing, or look at the readers' rows of these films"),
    vindr_pcxr.NO_BOXES: Advice(LOOK, "check that the tables are of one edition of the dataset"),
    chestxdet.NO_PATIENTS: Advice(
        WARNING, "mind that one patient may be in training and test; a table in reader.patients says it better"
    ),
    chestxdet.UNLIKE: Advice(
        LOOK, "look at these boxes on their films: masks come from the polygons, detection from the boxes"
    ),
    polygons.CLIPPED: Advice(LOOK, "look whether the polygons were drawn on films of this size"),
    vindr_cxr.DISAGREE: Advice(NORMAL, "nothing, or look at the readers' rows of these films"),
    vindr_cxr.NO_BOXES: Advice(LOOK, "check that the tables are of one edition of the dataset"),
    vindr_cxr.ONE_READER: Advice(WARNING, "mind that nobody has checked their findings; check that the table is whole"),
    vindr_cxr.RENAMED: Advice(NORMAL, NOTHING),
    chexlocalize.RENAMED: Advice(NORMAL, NOTHING),
    patients.NO_ROW: Advice(
        LOOK, "add their rows: their patients are what the dataset itself says, or the films themselves"
    ),
    NO_VIEW: Advice(
        NORMAL, "nothing if the dataset has frontal films only, else leave them out: reader.unknown_view: exclude"
    ),
    UNKNOWN_VIEW: Advice(LOOK, "leave them out: reader.unknown_view: exclude, or write PA, AP or LATERAL in the table"),
    ALIKE: Advice(WARNING, "if they are one person, write them alike: their films may be on two sides of the split"),
    reports.NO_IMPRESSION: Advice(NORMAL, "nothing: such films have no prompt of their own"),
    NO_REPORT: Advice(
        LOOK, "copy the .txt reports beside the study folders, or name the sectioned table in reader.reports"
    ),
    NO_PATIENT: Advice(
        WARNING, "name a table of patients in reader.patients: films of one patient may be on two sides"
    ),
    SHARED_MASK: Advice(WARNING, "look at both masks on their films: one of them lies under a wrong name"),
    CONTRADICTED: Advice(WARNING, "look at both rows: one of them is wrong, and both teach or test"),
    REPEATED: Advice(NORMAL, NOTHING),
    LINKED: Advice(LOOK, "nothing: they stay on one side; if they are one patient, give them one identifier"),
    ACROSS: Advice(
        WARNING, "the given split tests films that it trains on: correct the table, or let the workflow split"
    ),
    UNLISTED: Advice(LOOK, "add them to the table if they belong to the dataset"),
}


def advice_of(kind: str) -> Advice:
    """Return what to do about a kind; one that the table does not know is looked at."""
    return ADVICE.get(kind, UNFORESEEN)


def is_odd(notes: Mapping[str, int]) -> bool:
    """Whether somebody should look at a film with these notes."""
    return any(count and advice_of(kind).level == LOOK for kind, count in notes.items())


def write_notes(path: Path, notes: Notes, excluded: Mapping[str, int]) -> None:
    """Write notes.csv: a row a kind, warnings first, then the commonest; films left out by a rule at the end."""
    rows = [
        (kind, count, advice_of(kind).level, "; ".join(notes.examples.get(kind, [])), advice_of(kind).todo)
        for kind, count in sorted(notes.items())
        if count
    ]
    rows.sort(key=lambda row: (LEVELS.index(row[2]), -row[1]))
    rule = "a rule of the dataset's reader keys; change it there if these films belong to the study"
    rows += [(f"left out: {word}", count, NORMAL, "", rule) for word, count in sorted(excluded.items()) if count]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([inert(str(cell)) for cell in row] for row in rows)


def warnings_of(notes: Notes) -> list[str]:
    """Return a sentence for each note that concerns the dataset as a whole."""
    kinds = [kind for kind, count in sorted(notes.items()) if count and advice_of(kind).level == WARNING]
    return [f"{notes[kind]} {kind}{_shown(notes, kind)}: {advice_of(kind).todo}" for kind in kinds]


def _shown(notes: Notes, kind: str) -> str:
    examples = notes.examples.get(kind)
    return f", e.g. {examples[0]}" if examples else ""


def check_noted(odd: int, kinds: Counter[str], notes: Notes, taken: int, limit: float, dataset: str) -> None:
    """Raise InputError when somebody should look at more than the share `limit` of the films taken.

    odd     films with a note of the level "look"
    kinds   how many films have each such note
    """
    if odd <= limit * taken:
        return
    words = "; ".join(
        f"{count} {kind}{_shown(notes, kind)} ({advice_of(kind).todo})" for kind, count in kinds.most_common(3)
    )
    raise InputError(
        f"{dataset}: {odd} of {taken} films look odd ({odd / taken:.1%}), more than noted_limit {limit:g}; mend the cause or "
        f"raise the limit: {words}"
    )
