"""The kinds of generators: how a folder is opened to make images, by the `kind` of its synthorax.json.

A new kind is one function here and one line in OPENERS. The function imports what the kind needs: the import statement
makes the kind's code a part of the pools' fingerprint, and inside the function it costs the other kinds no time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json
from scripts.lib.generators.controlled.layout import NOTES
from scripts.lib.generators.protocol import Model
from scripts.lib.training.settings import Section

MakeModel = Callable[[Sequence[str], Section], Model]  # of the masks' structures and the section `sampling`


def _controlled(folder: Path) -> MakeModel:
    from scripts.lib.generators.controlled.generator import open_generator
    from scripts.lib.generators.controlled.sampling import ControlledModel

    return partial(ControlledModel, open_generator(folder))


def _class_ldm(folder: Path) -> MakeModel:
    from scripts.lib.generators.conditional.sampling import ClassModel

    # The masks' structures do not matter to a generator of classes.
    return lambda structures, settings: ClassModel(folder, settings)


OPENERS: dict[str, Callable[[Path], MakeModel]] = {
    "controlled": _controlled,
    # What the trainings of this kind write, by the step that they are of.
    **dict.fromkeys(("foundation", "controlnet", "dpo", "proxy-tuned"), _controlled),
    "class-ldm": _class_ldm,
}


def kind_of(folder: Path) -> str:
    """Return the kind of a generator's folder; one that does not say is a Stable Diffusion model from elsewhere."""
    path = Path(folder) / NOTES
    notes = read_json(path, "the notes of a generator") if path.is_file() else {}
    return notes.get("kind", "controlled")


def open_kind(folder: Path) -> MakeModel:
    """Read a generator's folder and return what makes its model; raises InputError for a kind that is not known here."""
    kind = kind_of(folder)
    if kind not in OPENERS:
        raise InputError(f"{Path(folder) / NOTES}: kind = {kind!r}; expected one of {', '.join(OPENERS)}")
    return OPENERS[kind](Path(folder))
