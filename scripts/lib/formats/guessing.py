"""What the columns of somebody's table seem to be: film, identifier, patient, labels, masks, split. Each guess has a reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from scripts.lib.core.errors import InputError
from scripts.lib.formats.columns import plain_name
from scripts.lib.formats.folder import SPLITS, split_of
from scripts.lib.formats.foldering import PICTURES
from scripts.lib.formats.guessing_labels import Label, labels_among, listed_labels, why_none
from scripts.lib.formats.labels import age_of, sex_of
from scripts.lib.formats.locating import folder_of, whereabouts
from scripts.lib.formats.paths import safe_path
from scripts.lib.formats.published import FILMS_AS_PATIENTS, published_as
from scripts.lib.formats.tables import Table, is_missing

SEARCHED = 200  # rows whose files are looked for
LOOKED = 20_000  # rows that are looked at, at most, evenly over the table: some are sorted by label
# Words of a column's plain name by what it may be, the surest first.
NAMES = {
    "mask_file": ("mask_file", "mask_path", "mask", "segmentation", "seg"),
    "image_id": (
        *("image_id", "film_id", "id", "image", "film", "uid", "sopinstanceuid", "sop_instance_uid", "name"),
        *("accession", "accession_no", "accession_number"),
    ),
    "patient_id": (
        *("patient_id", "patientid", "patient", "subject_id", "subject", "person", "person_id", "pid", "mrn"),
        *("medical_record_number", "hospital_number"),
    ),
    "report": ("report", "findings", "impression", "text"),
    "split": ("split", "fold", "subset", "set"),
    "view": ("view", "view_position", "viewposition", "projection"),
    "sex": ("sex", "gender", "geschlecht", "sexe"),
    "age": ("age", "age_years", "alter", "alter_jahre", "alter_in_jahren"),
}
OF_PATIENT = re.compile(r"patients?_(?=.)|patient(?=.)")  # before view, sex and age: "Patient Gender", "PatientSex"
# What the values of a column say that only begins with such a word: "Sex_DICOM", "age_at_exam".
SAYS: dict[str, Callable[[str], object]] = {"sex": sex_of, "age": lambda cell: age_of(cell) is not None}
# How names of patients begin ("Patient No", "Pat-ID", "Patientennummer"), and words of what else is known of a patient.
PATIENTS = ("patient", "pat_", "subject_", "mrn")
OF_PATIENTS = ("sex", "gender", "age", "birth", "position", "orientation", "weight", "size", "height", "name")


@dataclass
class Guess:
    """What a table seems to hold: `columns` {ours: theirs}, `labels` with both values, and why, in words.

    rows, patients  how many there are
    split           the sides that a column of the table names; none without such a column
    folders         where paths of films (`images`) and of masks (`masks`) start, below the root (folders_of)
    """

    path: Path
    encoding: str
    rows: int
    patients: int
    columns: dict[str, str]
    labels: list[Label]
    split: frozenset[str]
    reasons: dict[str, str] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)


def guess_table(path: Path) -> Guess:
    """Look at a table and say what its columns seem to be; raises InputError where no column names films or holds a label."""
    table, values, encoding, rows = _read(path)
    order = list(table.columns)
    columns, reasons = _files(path, order, values), {"file": "file names"}
    for ours in ("image_id", "patient_id", "report", "split", "view", "sex", "age"):
        if (named := _named(ours, order, columns, values)) is not None:
            columns[ours] = named
    _identify(columns, values, reasons)
    others = {name: values[name] for name in order if name not in columns.values()}
    splits = _find_split(columns, values, others, reasons)
    labels = labels_among(others) or next(filter(None, (listed_labels(*one) for one in others.items())), [])
    if not labels:
        said = why_none(others) or f"the columns are {', '.join(table.columns)[:200]}"
        also = "; a study of masks learns words from labels or reports, too" if "mask_file" in columns else ""
        raise InputError(
            f"{path}: no column with both 0 and 1 (or yes and no), so there is no label to learn; {said}{also}"
        )
    patients = len({row[columns["patient_id"]] for row in Table(path, encoding=encoding)})
    return Guess(path, encoding, rows, patients, columns, labels, splits, reasons)


def _files(path: Path, order: Sequence[str], values: dict[str, list[str]]) -> dict[str, str]:
    """Return which columns name films and, if one does, masks; raises InputError for a table that is none of one's own films."""
    if any(map(_pictures, zip(order))):
        raise InputError(f"{path}: the first line names films, not columns; write the names of the columns above it")
    pictures = [name for name in order if _pictures(values[name])]
    masked = [name for name in pictures if any(word in plain_name(name) for word in ("mask", "seg"))]
    files = [name for name in pictures if name not in masked]
    own = published_as(order)
    if own and (not files or own in FILMS_AS_PATIENTS or _named("patient_id", order, {}, values) is None):
        raise InputError(
            f"{path}: a table as it is published; the format {own} reads it, and knows whose the films are: docs/datasets.md"
        )
    if not files:
        raise InputError(
            f"{path}: no column of file names ({', '.join(PICTURES)}); expected one with a path below the folder of the table, ending and all, "
            f"of {', '.join(order)[:200]}"
        )
    file = min(files, key=lambda name: (plain_name(name) not in ("file", "path", "filename"), order.index(name)))
    film, rows = Counter(cell for cell in values[file] if not is_missing(cell)).most_common(1)[0]
    if rows > 1:
        raise InputError(
            f"{path}: several rows a film, e.g. {rows} with {film}; expected one: write the findings of a film in one cell, with | "
            "between them"
        )
    return {"file": file, **({"mask_file": masked[0]} if masked else {})}


def _read(path: Path) -> tuple[Table, dict[str, list[str]], str, int]:
    """Return the table, the values of each column in at most LOOKED rows, its encoding and the number of all rows."""
    for encoding in ("utf-8", "cp1252"):
        try:
            table = Table(path, encoding=encoding)
            values: dict[str, list[str]] = {name: [] for name in table.columns}
            rows, every = 0, 1
            for rows, row in enumerate(table, start=1):
                if (rows - 1) % every:
                    continue
                for name, cells in values.items():
                    cells.append(row[name])
                if len(next(iter(values.values()))) == LOOKED:
                    every *= 2
                    values = {name: cells[::2] for name, cells in values.items()}
            if not rows:
                raise InputError(f"{path}: no rows below the header; expected one row a film")
            return table, values, encoding, rows
        except InputError as error:
            if encoding == "cp1252" or "encoding" not in str(error):
                raise
    raise InputError(f"{path}: not text in UTF-8 or cp1252; save it as UTF-8")


def _pictures(cells: Sequence[str]) -> bool:
    named = [cell for cell in cells if not is_missing(cell)]
    return bool(named) and sum(PurePosixPath(cell.lower()).suffix in PICTURES for cell in named) >= 0.9 * len(named)


def _named(ours: str, columns: Sequence[str], taken: dict[str, str], values: dict[str, list[str]]) -> str | None:
    """Return the column whose name says that it is `ours`, None where none does."""
    free = {plain_name(name): name for name in reversed(columns) if name not in taken.values()}
    if ours in ("view", "sex", "age"):
        free |= {OF_PATIENT.sub("", plain): name for plain, name in free.items() if OF_PATIENT.match(plain)}
    for word in NAMES[ours]:
        name = free.get(word)
        if name is not None and not (ours == "image_id" and len(set(values[name])) < len(values[name])):
            return name
    if ours in SAYS:
        begun = (name for word in NAMES[ours] for plain, name in free.items() if plain.startswith(f"{word}_"))
        return next((name for name in begun if _mostly(SAYS[ours], values[name])), None)
    if ours != "patient_id":
        return None
    began = (name for plain, name in free.items() if plain.startswith(PATIENTS) and not _said_of_patients(plain))
    return next((name for name in began if not all(map(is_missing, values[name]))), None)


def _mostly(says: Callable[[str], object], cells: Sequence[str]) -> bool:
    known = [cell for cell in cells if not is_missing(cell)]
    return bool(known) and sum(bool(says(cell)) for cell in known) >= 0.9 * len(known)


def _said_of_patients(plain: str) -> bool:
    rest = OF_PATIENT.sub("", plain, count=1)
    return any(word in OF_PATIENTS for word in (*plain.split("_"), *rest.split("_"))) or plain.endswith(OF_PATIENTS)


def _repeating(columns: Mapping[str, str], values: Mapping[str, Sequence[str]]) -> list[str]:
    """Return columns whose values repeat as patients' do: a value to most films, and some with several of them."""
    repeating = []
    for name, cells in values.items():
        distinct = len(set(cells))
        if name not in columns.values() and not any(map(is_missing, cells)):
            repeating += [name] if len(cells) / 4 <= distinct < len(cells) else []
    return repeating


def _identify(columns: dict[str, str], values: dict[str, list[str]], reasons: dict[str, str]) -> None:
    """Fill in whose film it is and what it is called where no column's name says it."""
    if "image_id" not in columns:
        columns["image_id"] = columns["file"]
        reasons["image_id"] = "no column names films, so the file does"
    if "patient_id" not in columns:
        columns["patient_id"] = columns["image_id"]
        near = _repeating(columns, values)
        perhaps = f"; if one does, write it: {' or '.join(near[:3])}?" if near else ""
        reasons["patient_id"] = f"NO COLUMN SAYS WHOSE FILM IT IS: each film counts as a patient of its own{perhaps}"


def _find_split(
    columns: dict[str, str], values: Mapping[str, Sequence[str]], others: dict[str, list[str]], reasons: dict[str, str]
) -> frozenset[str]:
    """Return the sides of a column that is a split, and enter it: one that is called so, or any of `others` that says train and test.

    A column that is called so and says other things leaves `columns`, with a reason.
    """
    named = columns.pop("split", None)
    found = next((name for name in (*([named] if named else []), *others) if _is_split(values[name])), None)
    if found:
        columns["split"] = found
        others.pop(found, None)
    elif named:
        words = list(dict.fromkeys(value or "nothing" for value in values[named]))
        said = f"{', '.join(words[:4])}{' ...' if len(words) > 4 else ''}"
        reasons["split"] = f"column {named} SAYS {said}, NOT train AND test, AND IS NOT USED"
    return frozenset(map(split_of, values[found])) if found else frozenset()


def _is_split(cells: Sequence[str]) -> bool:
    return {"train", "test"} <= set(map(split_of, set(cells))) <= set(SPLITS)


def some_cells(guess: Guess, ours: str, most: int) -> list[str]:
    """Return values of a column that hold something, at most so many, evenly over the table: folders change along one."""
    table = Table(guess.path, encoding=guess.encoding)
    cells = [cell for row in table if not is_missing(cell := row[guess.columns[ours]])]
    return cells[:: -(-len(cells) // most) or 1]


def folders_of(guess: Guess, root: Path) -> dict[str, str]:
    """Return the folder below `root` that the paths of films and of masks start from, by column ("" for the root itself).

    Raises InputError for a path that could leave the root, and where not one film or mask is found.
    """
    folders = {}
    for ours, key in (("file", "images"), ("mask_file", "masks")):
        if ours not in guess.columns:
            continue
        column = f"{guess.path} column {guess.columns[ours]}"
        paths = [safe_path(cell, column) for cell in some_cells(guess, ours, SEARCHED)]
        folder = folder_of(root, paths)
        if folder is None:
            near = whereabouts(root, paths[0]) if ours == "file" else ""  # a film is often called as its mask is
            said = near or "put the table beside the folder of the files, or name it: --root FOLDER"
            raise InputError(f"{column}: no such file below {root}, e.g. {paths[0]}; {said}")
        folders[key] = folder
    return folders
