"""A table of films that have none: their folders say what they show (PNEUMONIA/, NORMAL/), and perhaps their side (train/, test/)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from scripts.lib.core.csv_files import write_csv
from scripts.lib.core.errors import InputError
from scripts.lib.formats import kermany
from scripts.lib.formats.folder import SPLITS, split_of
from scripts.lib.formats.paths import files_below

TABLE = "films.csv"
PICTURES = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")
# Folders that say what kind of file lies in them, not what a film shows.
KINDS = frozenset(
    [
        "image",
        "images",
        "img",
        "imgs",
        "film",
        "films",
        "xray",
        "xrays",
        "x-ray",
        "x-rays",
        "png",
        "jpg",
        "jpeg",
        "dicom",
    ]
)
MASKS = frozenset(("mask", "masks", "segmentation", "segmentations"))


def table_of_folder(root: Path) -> Path:
    """Write TABLE in a folder whose films lie in a folder for each class, and return its path.

    Raises InputError where the folder has a table already, or may not be written, and as `rows_of_folder` does.
    """
    if tables := sorted(root.glob("*.csv")):
        raise InputError(f"{root}: a folder; name its table: {' or '.join(map(str, tables[:3]))}")
    rows = rows_of_folder(root)
    if all(kermany.is_film(PurePosixPath(row["file"]).stem) for row in rows):
        raise InputError(
            f"{root}: Kermany's films of children; the format kermany reads them, and knows whose they are: docs/datasets.md"
        )
    try:
        write_rows(root / TABLE, rows)
    except PermissionError:
        raise InputError(f"{root}: may not be written, and the table of its films has to lie there") from None
    return root / TABLE


def rows_of_folder(root: Path) -> list[dict[str, str]]:
    """Return a row a film: file, class, split (where folders name one), mask (where a folder of masks has a file of its name).

    Raises InputError where there are no films, or films of one class alone.
    """
    paths = [PurePosixPath(path) for path in files_below(root, ("",), PICTURES)]
    films = [path for path in paths if not _parts(path) & MASKS]
    if not films:
        raise InputError(
            f"{root}: no films ({', '.join(PICTURES)}) below this folder, and no CSV table with a row a film"
        )
    masks = {_bare(path): str(path) for path in paths if _parts(path) & MASKS}
    rows = [
        {"file": str(film), "class": _class(film), "split": _split(film), "mask": masks.get(_bare(film), "")}
        for film in films
    ]
    classes = sorted({row["class"] for row in rows})
    if len(classes) < 2:
        raise InputError(
            f"{root}: all films lie in {classes[0] or 'one folder'}, so nothing says what each one shows; write a CSV table with a row a "
            "film (docs/own-data.md), or put films of each class in a folder of its own"
        )
    return rows


def write_rows(path: Path, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Write rows as a CSV table without the columns that no row fills; return those that are left."""
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    write_csv(path, ({name: row[name] for name in columns} for row in rows), columns)
    return columns


def _parts(path: PurePosixPath) -> set[str]:
    return {part.casefold() for part in path.parent.parts}


def _class(film: PurePosixPath) -> str:
    """Return the innermost folder that names neither a side nor a kind of file, "" where there is none."""
    told = [part for part in film.parent.parts if part.casefold() not in KINDS and split_of(part) not in SPLITS]
    return told[-1] if told else ""


def _split(film: PurePosixPath) -> str:
    return next((side for part in film.parent.parts if (side := split_of(part)) in SPLITS), "")


def _bare(path: PurePosixPath) -> tuple[str, ...]:
    """Return what a film and its mask have in common: the folders that say no kind, and the name without ending."""
    return (*(part for part in path.parent.parts if part.casefold() not in KINDS | MASKS), path.stem)
