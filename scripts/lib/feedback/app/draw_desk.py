"""The desk of the drawing page: masks of sentences, images of masks that a person may have changed, and what experts say of them."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from scripts.lib.conditions.mask_prompts import ANATOMY, NOTHING, findings_of, read_prompt
from scripts.lib.core.atomic import atomic_dir
from scripts.lib.core.errors import InputError
from scripts.lib.core.phantom import origin_line
from scripts.lib.feedback.app.pictures import OTHER_OUTLINE, OUTLINES, data_url
from scripts.lib.generators.masks.film import FilmDrawer, identity_of, write_film
from scripts.lib.generators.masks.sampling import MadeMask

KEPT = 32  # images that stay in memory
MOST = 10**5  # of the masks of a sentence, and of the images of a mask
IDENTITY = re.compile(r"[0-9a-f]{1,64}")


class Told(Protocol):
    """What experts say of an image."""

    def told(self) -> dict[str, Any]: ...


class Voters(Protocol):
    """Experts that look at one image; downstream/film_experts.py has them."""

    def votes(self, image: np.ndarray, field: np.ndarray, shown: Mapping[str, str]) -> Told: ...


class DrawDesk:
    """Draws for the page, one thing at a time; `out` is the folder of kept films, `study` its name for the person.

    A mask goes to the page and back as runs: [bits, length, bits, length, ...], row by row; bit c = structure c.
    """

    def __init__(self, drawer: FilmDrawer, voters: Voters, out: Path, study: str) -> None:
        self.drawer, self.voters, self.out, self.study = drawer, voters, Path(out), study
        self._lock = threading.Lock()
        self._images: OrderedDict[tuple[bytes, int, str], np.ndarray] = OrderedDict()

    def warm_up(self) -> None:
        """Draw one film, so that the first one on the page is as fast as the others; what does not work fails here."""
        made = self.mask(NOTHING, 0)
        self.votes(made["runs"], made["condition"], 0)

    def start(self) -> dict[str, Any]:
        """Return {study, origin, side, seed, structures: [[name, bit, colour, dash, anatomy]], findings: in words}."""
        structures = []
        for place, name in enumerate(self.drawer.structures):
            colour, dash = OUTLINES.get(name, OTHER_OUTLINE)
            structures.append([name, 1 << place, colour, list(dash), name in ANATOMY])
        findings = [name.replace("_", " ") for name in findings_of(self.drawer.structures)]
        about = {"study": self.study, "origin": origin_line(), "side": self.drawer.resolution, "seed": self.drawer.seed}
        return about | {"structures": structures, "findings": findings}

    def mask(self, prompt: Any, sample: Any) -> dict[str, Any]:
        """Return {runs, condition, told} of a sentence; raises InputError for one that cannot be read."""
        ask, number = self._ask(prompt), _whole(sample)
        with self._lock:
            made = self.drawer.mask(ask, number)
        told = self.drawer.told(ask, made)
        return {"runs": to_runs(made.field), "condition": identity_of(made.field), "told": told}

    def image(self, prompt: Any, runs: Any, condition: Any, sample: Any) -> dict[str, Any]:
        """Return {image: data URL, told} of a mask, as it was drawn or changed."""
        field, made = self._made(runs, condition, sample)
        return {"image": data_url(made), "told": self._told(prompt, field)}

    def votes(self, runs: Any, condition: Any, sample: Any) -> dict[str, Any]:
        """Return what the experts say of that image."""
        field, made = self._made(runs, condition, sample)
        shown = self.drawer.told({}, self.drawer.edited(field))["shown"]
        with self._lock:
            return self.voters.votes(made, field, shown).told()

    def keep(self, prompt: Any, runs: Any, condition: Any, sample: Any) -> dict[str, Any]:
        """Write that image as draw_film does, into the next free folder film-N of `out`; return {folder}."""
        field, made = self._made(runs, condition, sample)
        told = {"prompt": prompt, **self._told(prompt, field)}
        told |= self.votes(runs, condition, sample)
        told |= {**self.drawer.made_by(), "condition": condition, "sample": sample}
        with self._lock:
            number = next(number for number in range(1, MOST) if not (self.out / f"film-{number}").exists())
            with atomic_dir(self.out / f"film-{number}") as folder:
                write_film(folder, made, field, self.drawer.structures, told)
        return {"folder": str(self.out / f"film-{number}")}

    def _ask(self, prompt: Any) -> dict[str, str]:
        if not isinstance(prompt, str):
            raise InputError(f"prompt: {type(prompt).__name__}; expected text")
        return read_prompt(prompt, self.drawer.structures)

    def _told(self, prompt: Any, field: np.ndarray) -> dict[str, Any]:
        made: MadeMask = self.drawer.edited(field)
        return self.drawer.told(self._ask(prompt), made)

    def _made(self, runs: Any, condition: Any, sample: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return mask and image, drawn once and kept for a while."""
        side, number = self.drawer.resolution, _whole(sample)
        field = from_runs(runs, side, len(self.drawer.structures))
        if not isinstance(condition, str) or not IDENTITY.fullmatch(condition):
            raise InputError("condition: expected the identity of the mask that this one was made of")
        key = field.tobytes(), number, condition
        with self._lock:
            if key not in self._images:
                self._images[key] = self.drawer.image(field, number, condition)
                if len(self._images) > KEPT:
                    self._images.popitem(last=False)
            self._images.move_to_end(key)
            return field, self._images[key]


def to_runs(field: np.ndarray) -> list[int]:
    """Return a mask, uint8 (H, W), as bits and lengths of its runs, row by row."""
    flat = field.ravel()
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = np.diff(np.append(starts, len(flat)))
    return [int(number) for pair in zip(flat[starts], lengths) for number in pair]


def from_runs(runs: Any, side: int, structures: int) -> np.ndarray:
    """Return the mask, uint8 (side, side); raises InputError for what is none of this many structures."""
    wanted = f"expected bits and lengths of runs of {side} x {side} pixels, bits below {1 << structures}"
    if not isinstance(runs, list) or len(runs) % 2 or not all(type(number) is int for number in runs):
        raise InputError(f"mask: {wanted}")
    bits, lengths = runs[::2], runs[1::2]
    if (
        any(not 0 <= one < 1 << structures for one in bits)
        or any(one < 1 for one in lengths)
        or sum(lengths) != side**2
    ):
        raise InputError(f"mask: {wanted}")
    return np.repeat(np.array(bits, np.uint8), lengths).reshape(side, side)


def _whole(sample: Any) -> int:
    if type(sample) is not int or not 0 <= sample < MOST:
        raise InputError(f"sample {sample!r}: expected a whole number from 0 to {MOST - 1}")
    return int(sample)
