"""CANDID-PTX: DICOM files named by their UID, reports with pneumothorax masks, tables of tubes and rib fractures.

Lung and heart masks come apart from it, in a table of CheXmask form.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from scripts.lib.phantom.reports import as_note
from scripts.lib.phantom.spec import Film, FilmSpec
from scripts.lib.phantom.writers.dicom import Identity, odd_kind, uid, write_dicom
from scripts.lib.phantom.writers.rle import encode_absolute, encode_relative
from scripts.lib.phantom.writers.tree import Tree, annotation_parts, write_table

REPORT_COLUMNS = ("SOPInstanceUID", "StudyInstanceUID", "Filename", "EncodedPixels", "Report")
MASK_COLUMNS = ("anon_SOPUID", "annotation_id", "mask_rle")
CHEXMASK_COLUMNS = (
    "ImageID",
    "Dice RCA (Mean)",
    "Dice RCA (Max)",
    "Landmarks",
    "Left Lung",
    "Right Lung",
    "Heart",
    "Height",
    "Width",
)
LANDMARKS = {"right": 44, "left": 50, "heart": 26}
NONE_FORMS = ("-1", "-1", "-1", " -1")


def report_rows(tree: Tree, spec: FilmSpec, film: Film, identity: Identity) -> list[list[object]]:
    """Return the rows of one film in the reports table, one for each pneumothorax annotation."""
    stream = tree.stream(spec, "annotation")
    note = as_note(tree.report(spec), tree.visit_stream(spec, "note"))
    filename = f"P{spec.patient.number:05d}_{spec.study:02d}"
    mask = film.masks["pneumothorax"]
    codes = [encode_relative(part) for part in annotation_parts(mask, stream)]
    if not mask.any():
        codes = [NONE_FORMS[int(stream.integers(len(NONE_FORMS)))]]
    return [[identity.sop_uid, identity.study_uid, filename, code, note] for code in codes]


def mask_rows(tree: Tree, spec: FilmSpec, mask: NDArray[np.bool_], sop_uid: str, what: str) -> list[list[object]]:
    """Return the rows of one film in the tube or fracture table; a tenth of the films without any say so with -1."""
    stream = tree.stream(spec, what)
    reference = f"P{spec.patient.number:05d}_{spec.study:02d}_{what}"
    if mask.any():
        parts = annotation_parts(mask, stream)
        return [[sop_uid, f"{reference}_{k}", encode_relative(part)] for k, part in enumerate(parts, start=1)]
    return [[sop_uid, f"{reference}_0", "-1"]] if stream.random() < 0.1 else []


def outline(mask: NDArray[np.bool_], count: int) -> list[int]:
    """Return `count` border points of `mask` as x, y, x, y ..., clockwise around its centre; all 0 when it is empty."""
    inner = mask.copy()
    for axis in (0, 1):
        inner &= np.roll(mask, 1, axis) & np.roll(mask, -1, axis)
    y, x = np.nonzero(mask & ~inner)
    if x.size == 0:
        return [0] * (2 * count)
    order = np.argsort(np.arctan2(y - y.mean(), x - x.mean()), kind="stable")
    chosen = order[np.linspace(0, x.size - 1, count).round().astype(int)]
    return np.column_stack([x[chosen], y[chosen]]).ravel().tolist()


def chexmask_row(tree: Tree, spec: FilmSpec, film: Film, sop_uid: str) -> list[object]:
    """Return the CheXmask row of one film; in one of 25 the segmenter failed: masks out of place, low Dice RCA."""
    stream = tree.stream(spec, "chexmask")
    failed = stream.random() < 0.04
    mean = stream.uniform(0.30, 0.68) if failed else min(0.98, stream.normal(0.88, 0.04))
    mean = mean if failed else max(0.72, mean)
    masks = {"left": film.lung_sides["left"], "right": film.lung_sides["right"], "heart": film.masks["heart"]}
    size = film.image.shape[0]
    if failed:
        masks = {name: np.roll(mask, size // 5, axis=(0, 1)) for name, mask in masks.items()}
    points = [point for name, count in LANDMARKS.items() for point in outline(masks[name], count)]
    return [
        f"{sop_uid}.jpg",
        f"{mean:.6f}",
        f"{min(0.99, mean + 0.04):.6f}",
        ",".join(map(str, points)),
        encode_absolute(masks["left"]),
        encode_absolute(masks["right"]),
        encode_absolute(masks["heart"]),
        size,
        size,
    ]


def write_tree(tree: Tree) -> None:
    """Draw and write every film and the four tables under `tree.root`."""
    rows: dict[str, list[list[object]]] = defaultdict(list)
    for spec in tree.track(tree.films):
        film, identity = tree.draw(spec), tree.identity(spec, f"P{spec.patient.number:05d}")
        if spec.seed not in tree.missing:
            kind = odd_kind(tree.stream(spec, "file"), tree.settings["odd_files"], "plain")
            write_dicom(tree.root / "dataset" / identity.sop_uid, film.image, spec, identity, kind)
        if spec.seed not in tree.unlisted:
            rows["reports"] += report_rows(tree, spec, film, identity)
            rows["chexmask"].append(chexmask_row(tree, spec, film, identity.sop_uid))
        rows["tubes"] += mask_rows(tree, spec, film.masks["chest_tube"], identity.sop_uid, "tube")
        rows["fractures"] += mask_rows(tree, spec, film.masks["rib_fracture"], identity.sop_uid, "fracture")
    rows["tubes"].append([uid(tree.key, "withdrawn"), "P99999_01_tube_1", "400 6 120 6"])
    write_table(tree.root / "Pneumothorax_reports.csv", REPORT_COLUMNS, rows["reports"])
    write_table(tree.root / "chest_tube.csv", MASK_COLUMNS, rows["tubes"])
    write_table(tree.root / "acute_rib_fracture.csv", MASK_COLUMNS, rows["fractures"])
    write_table(tree.root / "CheXmask-CANDID-PTX.csv", CHEXMASK_COLUMNS, rows["chexmask"])
