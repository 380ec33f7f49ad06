"""Who is who across datasets: the section `leakage.links`, as one list of names for the person of each film."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scripts.lib.core.errors import InputError
from scripts.lib.formats.keys import loose
from scripts.lib.formats.patients import read_patients


def person_names(films: pd.DataFrame, links: Sequence[Mapping[str, Any]]) -> tuple[pd.DataFrame, list[str]]:
    """Return (rows `film`, `person`: every name of the person of a film; notes on films that a link does not name).

    films  columns dataset, image_id, patient_id; `film` is the number of the row
    links  {dataset, to} says that patients of `dataset` have the numbers of the register `to`, often another dataset;
           with `table`, a file as of reader.patients, the table says the number of each film

    A register that no film of its own has still links two datasets that both name it. Films without a patient have a name
    through a table alone. Raises InputError for a table that names none of the films.
    """
    parts = [_named(films["dataset"], films["patient_id"], np.arange(len(films)))]
    notes = []
    for link in links:
        here = np.flatnonzero((films["dataset"] == link["dataset"]).to_numpy())
        if not len(here):
            continue
        if not link.get("table"):
            names = films["patient_id"].iloc[here]
        else:
            names, missing = _looked_up(films.iloc[here], link)
            notes += [f"{link['table']} does not name {missing} of {len(here)} films of {link['dataset']}"] * (
                missing > 0
            )
        parts.append(_named([link["to"]] * len(here), names, here))
    persons = pd.concat(parts).dropna().rename_axis("film").reset_index(name="person")
    return persons.drop_duplicates().sort_values(["film", "person"], kind="stable", ignore_index=True), notes


def _named(registers: Iterable[str], patients: pd.Series, rows: NDArray[np.intp]) -> pd.Series:
    """Return the names of persons, "register\\0number" by row; None where there is no number (in any column type, or in all)."""
    numbers = ["" if missing else loose(patient) for patient, missing in zip(patients, patients.isna())]
    names = [f"{register}\0{number}" if number else None for register, number in zip(registers, numbers)]
    return pd.Series(names, index=rows, dtype=object)


def _looked_up(films: pd.DataFrame, link: Mapping[str, Any]) -> tuple[pd.Series, int]:
    table = read_patients(Path(link["table"]), link.get("encoding", "utf-8"))
    names = pd.Series([table.find(name, "") or None for name in films["image_id"]], dtype=object)
    if table.missed == table.asked:
        raise InputError(
            f"{link['table']}: names none of {table.asked} films of {link['dataset']}, e.g. {table.lost!r}; its column "
            f"{table.column} holds {min(table.rows, default='nothing')!r}. Write identifiers alike in both, or take this entry "
            "out of leakage.links"
        )
    return names, table.missed
