"""One film from elsewhere, edited by the generator of a finished study at the point that its sweep chose."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scripts.lib.cohort.geometry import fit_image
from scripts.lib.cohort.prepare import DEFAULTS
from scripts.lib.core.errors import InputError
from scripts.lib.core.phantom import told_origin
from scripts.lib.downstream.judges import open_judge
from scripts.lib.downstream.predict import place_trial
from scripts.lib.editing.editor import Editor
from scripts.lib.editing.inversion import inversion_of
from scripts.lib.editing.judging import class_probabilities, probabilities, read_verdict
from scripts.lib.editing.measures import change, changed_share
from scripts.lib.editing.opening import open_editor
from scripts.lib.editing.stores import read_points
from scripts.lib.formats import dicom, raster
from scripts.lib.formats.record import Rejected
from scripts.lib.training.settings import Section

REACH = 64  # grey levels at which a difference has its full colour


@dataclass(frozen=True)
class Wish:
    """What is asked for: classes `to` and `of` ("" = the other of two), and what overrides the study's sweep ("" and None = not)."""

    to: str
    of: str = ""
    way: str = ""
    strength: float | None = None
    guidance: float | None = None


@dataclass(frozen=True)
class OwnEdit:
    """A film and its edit, uint8 (H, H), and what edit.json says of it."""

    film: np.ndarray
    edited: np.ndarray
    about: dict[str, Any]

    def said(self) -> str:
        """Return the one line for the screen."""
        told = f"{self.about['of']} to {self.about['to']}: {self.about['changed']:.1%} of the pixels differ visibly"
        if self.about["judge"]:
            told += f"; the judge gives {self.about['to']} {self.about['judge']['before']:.2f} before and {self.about['judge']['after']:.2f} after"
        return told


def read_film(path: Path, section: Mapping[str, Any]) -> np.ndarray:
    """Return a film as 8 bits, uint8 (H, W), decoded as those of a dataset (its `section`) are.

    Raises InputError, one line, for anything else.
    """
    known = {**DEFAULTS, **section}
    most, ends = known["max_pixels"], known["percentiles"]
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: not readable ({error.strerror}); expected a PNG, a JPEG or a DICOM") from None
    try:
        if raster.is_raster(data):
            return raster.read_film(data, most, ends)[0]
        return dicom.read_film(data, most, ends)[0]
    except Rejected as reason:
        raise InputError(f"{path}: {reason}; expected a PNG, a JPEG or a DICOM") from None


def edit_own(results: Path, config: Mapping[str, Any], file: Path, wish: Wish, judge: Path | None = None) -> OwnEdit:
    """Return the edit of a film, fitted into the generator's square; raises InputError, one line, for what cannot be done."""
    dataset = config["datasets"][config["study"]["generator_dataset"]]
    film = read_film(file, dataset)
    settings = Section(config["edits"], "edits")
    editor = open_editor(results / "generators" / "class-ldm", config["sampling"], settings, config["study"]["seed"])
    side = editor.model.resolution
    if min(film.shape) < side:
        raise InputError(f"{file}: a film of {film.shape[1]} x {film.shape[0]} pixels; this generator edits films of {side} x {side}, and a smaller film is not enlarged")  # fmt: skip
    fitted = fit_image(film, side, dataset.get("fit", DEFAULTS["fit"]))
    own, other = _classes(editor, wish)
    way, strength, guidance = _point(results, config, wish)
    number = np.array([editor.number(own)]), np.array([editor.number(other)])
    edited = editor.edit(fitted[None], [file.stem], *number, way, strength, guidance)
    about = {
        "film": file.name,
        "of": own,
        "to": other,
        "way": way,
        "strength": strength,
        "guidance": guidance,
        "generator": editor.model.fingerprint,
        "change": float(change(fitted[None], edited)[0]),
        "changed": float(changed_share(fitted[None], edited)[0]),
        "judge": _judged(results, config, editor, judge, np.stack([fitted, edited[0]]), other),
        **told_origin(),
    }
    return OwnEdit(fitted, edited[0], about)


def _classes(editor: Editor, wish: Wish) -> tuple[str, str]:
    editor.number(wish.to)
    if wish.of:
        editor.number(wish.of)
        return wish.of, wish.to
    others = [name for name in editor.model.classes if name != wish.to]
    if len(others) != 1:
        raise InputError(f"--of is missing: the film may be {', '.join(others)}; say which")
    return others[0], wish.to


def _point(results: Path, config: Mapping[str, Any], wish: Wish) -> tuple[str, float, float]:
    """Return way, strength and guidance: what is wished for, else what the study's sweep chose."""
    way = wish.way or config["edits"]["ways"][0]
    inversion_of(way)
    if wish.strength is not None and wish.guidance is not None:
        return way, wish.strength, wish.guidance
    path = results / config["study"]["generator_dataset"] / "edits" / "points.json"
    points = read_points(path)
    if way not in points:
        raise InputError(f"{path}: no operating point of {way}; give --strength and --guidance")
    strength = points[way].strength if wish.strength is None else wish.strength
    return way, strength, points[way].guidance if wish.guidance is None else wish.guidance


def _judged(
    results: Path, config: Mapping[str, Any], editor: Editor, judge: Path | None, films: np.ndarray, other: str
) -> dict[str, float] | None:
    """Return the judge's probability of the other class before and after; None without a judge."""
    if judge is None:
        return None
    read_verdict(results / config["study"]["generator_dataset"] / "edits" / "judge.json")
    placement = place_trial(Section(config["edits"], "edits"))
    found = probabilities(open_judge(judge, placement), films, editor.model.classes[1:], placement)
    before, after = class_probabilities(found)[:, editor.number(other)]
    return {"before": float(before), "after": float(after)}


def write_edit(folder: Path, edit: OwnEdit) -> None:
    """Write film.png, edited.png, difference.png and edit.json into a folder."""
    for name, pixels in (("film", edit.film), ("edited", edit.edited)):
        Image.fromarray(pixels).save(folder / f"{name}.png")
    Image.fromarray(coloured(edit.film, edit.edited)).save(folder / "difference.png")
    (folder / "edit.json").write_text(json.dumps(edit.about, indent=1) + "\n")


def coloured(film: np.ndarray, edited: np.ndarray) -> np.ndarray:
    """Return the signed difference as RGB uint8 (H, W, 3): white where nothing changed, red brighter, blue darker."""
    apart = np.clip((edited.astype(float) - film) / REACH, -1, 1)
    fade = 255 * (1 - np.abs(apart))
    red, blue = np.where(apart > 0, 255, fade), np.where(apart < 0, 255, fade)
    return np.stack([red, fade, blue], axis=-1).round().astype(np.uint8)
