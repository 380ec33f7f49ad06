"""MIMIC-CXR-JPG: JPEG files by subject and study, reports as text and by section, tables of splits, views and labels."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import PurePosixPath

from scripts.lib.core.seeds import content_hash
from scripts.lib.phantom.reports import as_text
from scripts.lib.phantom.spec import FilmSpec
from scripts.lib.phantom.writers.dicom import jpeg_bytes
from scripts.lib.phantom.writers.labels import CHEXPERT_ORDER, labeller_values
from scripts.lib.phantom.writers.tree import Tree, write_table

SPLIT_COLUMNS = ("dicom_id", "study_id", "subject_id", "split")
METADATA_COLUMNS = (
    "dicom_id",
    "subject_id",
    "study_id",
    "PerformedProcedureStepDescription",
    "ViewPosition",
    "Rows",
    "Columns",
    "StudyDate",
    "StudyTime",
    "ProcedureCodeSequence_CodeMeaning",
    "ViewCodeSequence_CodeMeaning",
    "PatientOrientationCodeSequence_CodeMeaning",
)
LABEL_COLUMNS = tuple(sorted(CHEXPERT_ORDER))
SECTION_COLUMNS = ("study", "impression", "findings", "last_paragraph", "comparison")
VIEW_MEANING = {"PA": "postero-anterior", "AP": "antero-posterior", "LATERAL": "lateral"}


def subject_id(spec: FilmSpec) -> int:
    """Return the eight-digit number of a patient; the first two digits name the folder."""
    return 10_000_000 + 1_013 * spec.patient.number % 10_000_000


def study_id(spec: FilmSpec) -> int:
    """Return the eight-digit number of a visit, unique by construction."""
    return 50_000_000 + spec.patient.number * 100 + spec.study


def dicom_id(spec: FilmSpec) -> str:
    """Return the identifier of a film: five groups of eight hexadecimal digits."""
    digits = content_hash(spec.seed, "dicom", digits=40)
    return "-".join(digits[k : k + 8] for k in range(0, 40, 8))


def study_folder(spec: FilmSpec) -> PurePosixPath:
    """Return the folder of a visit's films; its report is the file of the same name with `.txt`."""
    subject = subject_id(spec)
    return PurePosixPath("files") / f"p{subject // 10**6}" / f"p{subject}" / f"s{study_id(spec)}"


def metadata_row(tree: Tree, spec: FilmSpec) -> list[object]:
    """Return the row of one film in the metadata table."""
    size, day = tree.settings["size"], date(2150, 1, 1) + timedelta(days=30 * spec.study)
    frontal = spec.view != "LATERAL"
    procedure = "CHEST (PA AND LAT)" if spec.view != "AP" else "CHEST (PORTABLE AP)"
    ids = [dicom_id(spec), subject_id(spec), study_id(spec)]
    view = [
        spec.view,
        size,
        size,
        f"{day:%Y%m%d}",
        "080000.0",
        procedure,
        VIEW_MEANING[spec.view],
        "Erect" if frontal else None,
    ]
    return [*ids, procedure, *view]


def visit_rows(tree: Tree, spec: FilmSpec) -> tuple[list[object], list[object]]:
    """Write the report of a visit and return its rows in the label and section tables."""
    report = tree.report(spec)
    path = tree.root / study_folder(spec).with_suffix(".txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_text(report), encoding="utf-8")
    stream = tree.visit_stream(spec, "labels")
    values = labeller_values(spec, LABEL_COLUMNS, tree.settings["uncertain"], stream)
    labels = [subject_id(spec), study_id(spec), *values]
    return labels, [f"s{study_id(spec)}", report.impression, report.findings, None, "None."]


def write_tree(tree: Tree) -> None:
    """Draw and write every film, report and table under `tree.root`."""
    splits, metadata, labels, sections, names = [], [], [], [], []
    for spec in tree.track(tree.films):
        path = study_folder(spec) / f"{dicom_id(spec)}.jpg"
        if spec.view_number == 1:
            label_row, section_row = visit_rows(tree, spec)
            labels.append(label_row)
            sections.append(section_row)
        if spec.seed not in tree.missing:
            (tree.root / path).parent.mkdir(parents=True, exist_ok=True)
            (tree.root / path).write_bytes(jpeg_bytes(tree.draw(spec).image))
        if spec.seed not in tree.unlisted:
            splits.append([dicom_id(spec), study_id(spec), subject_id(spec), spec.split])
            metadata.append(metadata_row(tree, spec))
            names.append(str(path))
    write_table(tree.root / "mimic-cxr-2.0.0-split.csv", SPLIT_COLUMNS, splits)
    write_table(tree.root / "mimic-cxr-2.0.0-metadata.csv", METADATA_COLUMNS, metadata)
    write_table(tree.root / "mimic-cxr-2.0.0-chexpert.csv", ("subject_id", "study_id", *LABEL_COLUMNS), labels)
    write_table(tree.root / "mimic_cxr_sectioned.csv", SECTION_COLUMNS, sections)
    (tree.root / "IMAGE_FILENAMES").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
