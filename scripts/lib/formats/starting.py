"""A short overlay for somebody's own films, written from a look at their table: at most ten lines, each guess commented."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from scripts.lib.core.errors import InputError
from scripts.lib.formats.columns import plain_name
from scripts.lib.formats.guessing import Guess, some_cells
from scripts.lib.formats.guessing_labels import Label
from scripts.lib.formats.locating import Places

NAME = "mine"
LEAST_FILMS, LEAST_CLASS = 10, 3  # that a fraction should hold, of all films and of the rarer class
MASKS = 8  # that are opened
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def overlay_lines(guess: Guess, root: Path) -> list[str]:
    """Return the lines of the overlay for a table below the folder `root`; raises InputError for masks that cannot be read."""
    fractions, why = _fractions(guess)
    wanted = [f"{value:g}" for value in fractions]
    multipliers = ", ".join(f'"{text}": [0, 2, 5]' if float(text) < 1 else f'"{text}": [0, 2]' for text in wanted)
    label, *others = guess.labels
    named = [other.name if other.separator else other.column for other in others]
    also = f"; others: {', '.join(named)[:120]}" if others else ""
    reader, structures = _reader(guess, root)
    drawn = (
        f": then target: {structures}, and a line labels: [{_plain(label.name)}]" if structures else " of a structure"
    )
    lines = [
        f"# From {_plain(guess.path.name)}: {guess.rows} films of {guess.patients} patients, {label.positive:.0%} of the films with {_plain(label.name)}. Check each guess.",
        f"study: {{name: {NAME}, datasets: [{NAME}], fractions: [{', '.join(wanted)}], multipliers: {{{multipliers}}}}} # {why}",
        "datasets:",
        f"  {NAME}:",
        f"    root: {_text(str(root))} # files of column {_plain(guess.columns['file'])} lie below it",
        f"    task: classification # or multilabel, with a list of labels as target; or segmentation{drawn}",
        f"    target: {_text(label.name)} # {_plain(_meant(label))}{_plain(also)}",
        f"    reader: {reader} # {_plain(_whose(guess))}",
        _given(guess)
        if guess.split
        else f"    split: {{generator: 0.3, test: 0.3}} # {_plain(guess.reasons.get('split', 'no column says it'))[:200]}: drawn by "
        "patient, every label in all parts",
    ]
    if structures:
        lines.insert(
            -1,
            f"    structures: [{structures}] # masks of column {_plain(guess.columns['mask_file'])}; say what they show",
        )
    else:
        lines.insert(2, "arms: {original: {generator: base}} # no masks in the table: images are made from texts alone")
    return lines


def _given(guess: Guess) -> str:
    """Return the line of a table's own split; one without films for the generator lends it some that trials then lack."""
    column = _plain(guess.columns["split"])
    if "generator" in guess.split:
        return f"    split: given # column {column}"
    return f"    split: {{given: true, generator: 0.3}} # column {column}; 0.3 of its training films teach the generator and no trial"


def _text(value: str) -> str:
    """Return a value as YAML in one line: plain where it may be, else in quotes."""
    plain = value.replace("/", "").replace("-", "").replace("_", "").replace(".", "")
    return (
        value
        if plain.isascii() and plain.isalnum() and not plain[0].isdigit()
        else json.dumps(value, ensure_ascii=False)
    )


def _plain(text: str) -> str:
    """Return a text that may stand in a comment: one line."""
    return " ".join(text.split())


def _fractions(guess: Guess) -> tuple[list[float], str]:
    """Return a small fraction and all, and why: the smallest that holds enough films of both classes."""
    train = guess.rows * 0.49
    rare = train * min(guess.labels[0].positive, 1 - guess.labels[0].positive)
    large = [share for share in SHARES if share * train >= LEAST_FILMS and share * rare >= LEAST_CLASS]
    first = large[0] if large else SHARES[-1]
    return [first, 1.0], f"{first:g} of about {train:.0f} training films are {first * train:.0f}"


def _meant(label: Label) -> str:
    """Return which column a label is, and what its words count as."""
    if label.separator:
        return f"the commonest finding of column {label.column}"
    words = ", ".join(f"{word} = {value}" for word, value in label.words.items())
    return f"column {label.column}: {words}" if words else f"the first column with 0 and 1 ({label.column})"


def _whose(guess: Guess) -> str:
    if said := guess.reasons.get("patient_id"):
        return said
    return guess.reasons.get("image_id", f"patients are those of column {guess.columns['patient_id']}")


def _reader(guess: Guess, root: Path) -> tuple[str, str]:
    """Return the key `reader` as YAML, and the structure that masks show, "" without masks."""
    label = guess.labels[0]
    parts = [f"table: {_text(guess.path.resolve().relative_to(root).as_posix())}"]
    parts += [f"{key}: {_text(folder)}" for key, folder in guess.folders.items() if folder]
    renamed = {ours: theirs for ours, theirs in guess.columns.items() if ours != theirs}
    if plain_name(label.column) != label.name and not label.separator:
        renamed[label.name] = label.column
    if renamed:
        parts.append(f"columns: {{{', '.join(f'{ours}: {_text(theirs)}' for ours, theirs in renamed.items())}}}")
    if label.words:
        words = ", ".join(f"{json.dumps(word, ensure_ascii=False)}: {value}" for word, value in label.words.items())
        parts.append(f"label_words: {{{words}}}")
    if label.separator:
        parts.append(f"findings: {_text(label.column)}")
        parts += [f"findings_separator: {json.dumps(label.separator)}"] if label.separator != "|" else []
    if guess.encoding != "utf-8":
        parts.append(f"encoding: {guess.encoding}")
    structure = ""
    if "mask_file" in guess.columns:
        structure, values = _masks(guess, root)
        parts.append(f"mask_values: {{{structure}: {values[0]}}}")
        if values[1:]:
            parts.append(f"mask_ignored: [{', '.join(map(str, values[1:]))}]")
    return f"{{{', '.join(parts)}}}", structure


def _masks(guess: Guess, root: Path) -> tuple[str, list[int]]:
    """Return what masks seem to show and their grey values above 0, the commonest first."""
    import numpy as np
    from PIL import Image

    greys: Counter[int] = Counter()
    paths, places = some_cells(guess, "mask_file", MASKS), Places(root, guess.folders.get("masks", ""), "masks")
    for path in paths:
        mask_path = root / places.path(path, f"{guess.path} column {guess.columns['mask_file']}")
        try:
            with Image.open(mask_path) as picture:
                values, counts = np.unique(np.asarray(picture.convert("L")), return_counts=True)
        except OSError as error:
            raise InputError(
                f"{mask_path}: cannot be read as a mask ({error}); correct column {guess.columns['mask_file']}"
            ) from None
        for value, count in zip(values.tolist(), counts.tolist()):
            greys[value] += count if value else 0
    commonest = [value for value, count in greys.most_common() if count]
    words = f"{guess.columns['mask_file']} {paths[0] if paths else ''}".lower()
    structure = next((name for name in ("pneumothorax", "heart", "lung") if name in words), "lungs")
    return ("lungs" if structure == "lung" else structure), (commonest or [255])[:4]
