"""SIIM-ACR pneumothorax: DICOM files by study and series, masks in train-rle.csv, whose second column starts with a space."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts.lib.phantom.spec import Film, FilmSpec
from scripts.lib.phantom.writers.dicom import Identity, odd_kind, write_dicom
from scripts.lib.phantom.writers.rle import encode_relative
from scripts.lib.phantom.writers.tree import Tree, annotation_parts


def table_lines(film: Film, identity: Identity, stream: np.random.Generator) -> list[str]:
    """Return the lines of one film in train-rle.csv; codes follow the comma after a space, in some dumps without."""
    codes = [encode_relative(part) for part in annotation_parts(film.masks["pneumothorax"], stream)]
    space = "" if codes == ["-1"] and stream.random() < 0.3 else " "
    return [f"{identity.sop_uid},{space}{code}" for code in codes]


def film_path(root: Path, spec: FilmSpec, identity: Identity) -> Path:
    """Return where a film lies; films of test patients have no labels and a folder of their own."""
    part = "train" if spec.split == "train" else "test"
    return root / f"dicom-images-{part}" / identity.study_uid / identity.series_uid / f"{identity.sop_uid}.dcm"


def write_tree(tree: Tree) -> None:
    """Draw and write every film and the table under `tree.root`."""
    lines = ["ImageId, EncodedPixels"]
    for spec in tree.track(tree.films):
        identity = tree.identity(spec, f"{tree.key % 10**6:06d}-{spec.patient.number:05d}")
        film = tree.draw(spec)
        if spec.seed not in tree.missing:
            kind = odd_kind(tree.stream(spec, "file"), tree.settings["odd_files"], "jpeg")
            write_dicom(film_path(tree.root, spec, identity), film.image, spec, identity, kind)
        if spec.split == "train" and spec.seed not in tree.unlisted:
            lines += table_lines(film, identity, tree.stream(spec, "annotation"))
    (tree.root / "train-rle.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
