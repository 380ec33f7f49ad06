"""What the text of a condition says: one disease word, and in which order the diseases take their turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pandas.api.typing import NAType

from scripts.lib.core.errors import InputError

NULL_TEXTS = {"", "n/a", "nan", "none", "null", "<na>"}
NORMAL = "normal"
SIDES = ("left", "right")

TextCell = str | float | NAType | None  # what a column of texts holds in a row; a missing one may be NaN or pd.NA


def null_text(text: TextCell) -> str | None:
    """Return the stripped text, or None for what stands for "no text": missing, "", "N/A", "nan", "None"."""
    if text is None or pd.isna(text):
        return None
    stripped = str(text).strip()
    return None if stripped.lower() in NULL_TEXTS else stripped


def label_text(values: Mapping[str, int | None], prompts: Mapping[str, str | None]) -> str | None:
    """Return what the labels of a film say in the words of `prompts`, in place of a report; None where they say nothing.

    values  {label: 1, 0 or None for unknown}. Several diseases are joined by commas. The word of a film without finding
            stands where all labels are known to be 0: what nobody looked for is not absent.
    """
    texts = [null_text(prompts.get(label)) for label, value in values.items() if value == 1]
    if texts:
        words = [word for text in texts if (word := with_side(text, None))]
        return ", ".join(words) or None
    known_absent = bool(values) and all(value == 0 for value in values.values())
    return null_text(prompts.get(NORMAL)) if known_absent else None


def label_prompts(prompts: Mapping[str, str | None], labels: Sequence[str], with_normal: bool) -> list[str]:
    """Return the prompt of each label, and last that of a film without finding when `with_normal`.

    Raises InputError for a label without a prompt: an image made without one would carry a label it cannot show.
    """
    texts = []
    for label in [*labels, *([NORMAL] if with_normal else [])]:
        prompt = null_text(prompts.get(label))
        if prompt is None:
            raise InputError(f"conditions.prompts: no prompt for {label!r}; add {label}: its disease word")
        texts.append(prompt)
    return texts


def with_side(prompt: str | None, side: str | None) -> str | None:
    """Return the prompt with `{side}` replaced by the side, or left out where the side is not known."""
    if prompt is None or "{side}" not in prompt:
        return prompt
    return null_text(" ".join(prompt.replace("{side}", side or "").split()))


def spread(share: float, count: int) -> np.ndarray:
    """Return `count` truth values of which every prefix of length k holds round(k * share) true ones, bool (count,)."""
    # The small term undoes the rounding error of shares such as 1/3 just below a half.
    reached = np.floor(np.arange(count + 1) * share + 0.5 + 1e-9)
    return np.diff(reached) > 0


def balancing_labels(counts: Sequence[int], length: int) -> np.ndarray:
    """Return label numbers, int (length,): each goes to the label with the fewest films so far, the first of equals.

    `counts` are the real films of each label. So rare diseases are filled up to the most frequent one first (the
    paper's balancing of CheXpert), and after that the labels take turns. All prefixes are as balanced as they can be.
    """
    start = np.asarray(counts, dtype=np.int64)
    low, high = int(start.min()), int(start.min()) + length + 1
    while low < high:  # the lowest water level that takes `length` rows
        level = (low + high) // 2
        low, high = (low, level) if np.maximum(level - start, 0).sum() >= length else (level + 1, high)
    rows = np.maximum(low - start, 0)
    label = np.repeat(np.arange(len(start)), rows)
    height = np.concatenate([np.arange(first, first + many) for first, many in zip(start, rows)] or [start[:0]])
    return label[np.lexsort((label, height))][:length]
