"""Who is who across datasets: the section `leakage.links`, as one list of names for the person of each film."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

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
    own = films["dataset"] + "\0" + films["patient_id"].map(loose, na_action="ignore")
    parts = [pd.Series(own.to_numpy(), index=np.arange(len(films)))]
    notes = []
    for link in links:
        here = np.flatnonzero((films["dataset"] == link["dataset"]).to_numpy())
        if not len(here):
            continue
        if not link.get("table"):
            names = films["patient_id"].iloc[here].map(loose, na_action="ignore")
        else:
            names, missing = _looked_up(films.iloc[here], link)
            notes += [f"{link['table']} does not name {missing} of {len(here)} films of {link['dataset']}"] * (
                missing > 0
            )
        parts.append(pd.Series((link["to"] + "\0" + names).to_numpy(), index=here))
    persons = pd.concat(parts).dropna().rename_axis("film").reset_index(name="person")
    return persons.drop_duplicates().sort_values(["film", "person"], kind="stable", ignore_index=True), notes


def _looked_up(films: pd.DataFrame, link: Mapping[str, Any]) -> tuple[pd.Series, int]:
    table = read_patients(Path(link["table"]), link.get("encoding", "utf-8"))
    names = films["image_id"].map(lambda name: loose(table.find(name, "")) or None)
    if table.missed == table.asked:
        raise InputError(
            f"{link['table']}: names none of {table.asked} films of {link['dataset']}, e.g. {table.lost!r}; its column "
            f"{table.column} holds {min(table.rows, default='nothing')!r}. Write identifiers alike in both, or take this entry "
            "out of leakage.links"
        )
    return names, table.missed
