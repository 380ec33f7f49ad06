"""Classes of a class-conditional generator: `normal` and the labels of its dataset's target, each film in one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError

NORMAL = "normal"
LEAST = 2  # films of a class below which nothing can be learned of it


def class_names(target: str | Sequence[str]) -> list[str]:
    """Return the classes of a target: `normal` first, then each label; a film's class is its number in this list."""
    return [NORMAL, *([target] if isinstance(target, str) else target)]


def film_classes(index: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Return the class of each film, int (N,); -1 where a label is not known, or where a film has several of them."""
    labels = index[list(names[1:])].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    known = ~np.isnan(labels).any(axis=1)
    positive = np.nan_to_num(labels) > 0
    one = positive.sum(axis=1)
    classes = np.where(one == 1, positive.argmax(axis=1) + 1, 0)
    return np.where(known & (one <= 1), classes, -1)


def check_classes(classes: np.ndarray, names: Sequence[str], where: str) -> None:
    """Raise InputError for a class of which there are fewer than LEAST films; `where` names the films."""
    for number, name in enumerate(names):
        if (count := int((classes == number).sum())) < LEAST:
            raise InputError(
                f"{where}: {count} films of class {name}, expected at least {LEAST}; enlarge split.generator, or take the "
                f"label out of the dataset's target"
            )


def requested_class(labels: Mapping[str, int | None], names: Sequence[str]) -> int:
    """Return the class that a request asks for; raises InputError for labels that the generator has not learned."""
    asked = [name for name, value in labels.items() if value]
    if unknown := [name for name in asked if name not in names]:
        raise InputError(f"a condition asks for {unknown[0]}; the generator knows the classes {', '.join(names)}")
    if len(asked) > 1:
        raise InputError(f"a condition asks for {', '.join(asked)} at once; the generator makes images of one class")
    return names.index(asked[0]) if asked else 0
