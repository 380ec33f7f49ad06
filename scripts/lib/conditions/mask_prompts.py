"""What a mask is asked to show: findings with their sides, as words and back.

An ask is {structure: side}, the side "left", "right" or "both" (the patient's own), "" for a finding of the midline. It is
written as one sentence, "right pleural effusion, bilateral consolidation and cardiomegaly"; nothing at all is "no finding".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import numpy as np

from scripts.lib.conditions.masks import side_of
from scripts.lib.core.errors import InputError

ANATOMY = ("lungs", "heart")
MIDLINE = frozenset({"cardiomegaly"})  # findings without a side
NOTHING = "no finding"
BOTH = "both"
WORDS_OF_SIDE = {"left": "left", "right": "right", BOTH: "bilateral", "": ""}
SIDE_WORDS = {"left": "left", "right": "right", "bilateral": BOTH, "both": BOTH}
DENIALS = frozenset({"no", "without", "not"})
FILLERS = frozenset({"a", "an", "the", "with", "of", "side", "sided", "lung", "small", "moderate", "large", "sides"})
OTHER_NAMES = {"effusion": "pleural_effusion", "enlarged heart": "cardiomegaly", "atelectases": "atelectasis"}
LONGEST = 300  # characters of a prompt
Ask = Mapping[str, str]


def findings_of(structures: Sequence[str]) -> list[str]:
    """Return the structures that are no anatomy, in their order."""
    return [name for name in structures if name not in ANATOMY]


def ask_of(field: np.ndarray, structures: Sequence[str], least: Mapping[str, float] | None = None) -> dict[str, str]:
    """Return what a mask shows: `field` uint8 (H, W), bit c = structure c.

    `least`: by finding the share of the film from which on it counts as shown; without it, or of one it lacks, a single pixel
    counts.
    """
    layers = {name: (field >> np.uint8(bit)) & 1 == 1 for bit, name in enumerate(structures)}
    return {
        name: "" if name in MIDLINE else side_of(layers[name], layers.get("lungs")) or BOTH
        for name in findings_of(structures)
        if layers[name].any() and layers[name].mean() >= (least or {}).get(name, 0.0)
    }


def missed_of(
    field: np.ndarray, structures: Sequence[str], ask: Ask, least: Mapping[str, float] | None = None
) -> list[str]:
    """Return what a mask was asked for and does not show, or shows on another side, in the words of a prompt.

    `field` and `least` as of `ask_of`.
    """
    shown = ask_of(field, structures, least)
    return [ask_text({name: side}) for name, side in sorted(ask.items()) if shown.get(name) != side]


def ask_text(ask: Ask) -> str:
    """Return an ask as a sentence; equal asks have equal text, whatever their order."""
    named = [f"{WORDS_OF_SIDE[ask[name]]} {name.replace('_', ' ')}".strip() for name in sorted(ask)]
    if not named:
        return NOTHING
    return " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))


def read_prompt(text: str, structures: Sequence[str]) -> dict[str, str]:
    """Return the ask of a sentence; a finding that can have a side and is given none lies on both, as far as words go.

    Raises InputError, one line, for a prompt that is empty or too long, names what is no finding of `structures` (with the
    nearest one), or contradicts itself.
    """
    plain = " ".join(text.split())
    if not plain:
        raise InputError(f"prompt: empty; expected findings such as {_example(structures)!r}, or {NOTHING!r}")
    if len(plain) > LONGEST:
        raise InputError(f"prompt: {len(plain)} characters; expected at most {LONGEST}, findings and their sides alone")
    if plain.lower().strip(" .") in (NOTHING, "normal", "no findings"):
        return {}
    ask: dict[str, str] = {}
    for part in re.split(r"[,;.]|\band\b|\bwith\b", plain.lower()):
        if not part.strip():
            continue
        name, side = _finding(part.split(), structures)
        if name in ask and ask[name] != side:
            sides = {ask[name], side}
            if sides != {"left", "right"}:
                raise InputError(
                    f"prompt: {name.replace('_', ' ')} is asked for on two sides that contradict: {plain[:80]!r}"
                )
            side = BOTH
        ask[name] = side
    if not ask:
        raise InputError(f"prompt: no finding in {plain[:80]!r}; expected words such as {_example(structures)!r}")
    return ask


def _finding(words: list[str], structures: Sequence[str]) -> tuple[str, str]:
    """Return structure and side of one part of a sentence."""
    words = [word for word in "-".join(words).replace("-", " ").split() if word not in FILLERS]
    sides = {SIDE_WORDS[word] for word in words if word in SIDE_WORDS}
    spoken = " ".join(word for word in words if word not in SIDE_WORDS)
    known = {name.replace("_", " "): name for name in findings_of(structures)}
    known |= {spoken_as: name for spoken_as, name in OTHER_NAMES.items() if name in structures}
    if DENIALS & set(words) and spoken not in ("no finding", "no"):
        raise InputError(
            f"prompt: {' '.join(words)[:60]!r} denies; a film shows what is named and nothing else, so leave it out"
        )
    if spoken in ("", "no finding", "normal", "no"):
        raise InputError(
            f"prompt: {' '.join(words)!r} contradicts the rest or names no finding; expected {_example(structures)!r}"
        )
    if spoken not in known:
        near = get_close_matches(spoken, known, n=1)
        raise InputError(
            f"prompt: {spoken[:60]!r} is no finding of this model{f', did you mean {near[0]!r}?' if near else ''}; expected "
            f"{', '.join(name for name in known if known[name].replace('_', ' ') == name)}"
        )
    name = known[spoken]
    if name in MIDLINE:
        if sides:
            raise InputError(f"prompt: {spoken} has no side; write {spoken!r} alone")
        return name, ""
    if len(sides) > 1:
        if sides != {"left", "right"}:
            raise InputError(
                f"prompt: {' '.join(words)!r} names sides that contradict; expected left, right or bilateral"
            )
        return name, BOTH
    return name, sides.pop() if sides else BOTH


def _example(structures: Sequence[str]) -> str:
    sided = [name for name in findings_of(structures) if name not in MIDLINE]
    return ask_text(dict.fromkeys(sided[:1], "right") | {name: "" for name in structures if name in MIDLINE})
