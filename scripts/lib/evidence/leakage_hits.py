"""Which tested films, or their patients, are among films that taught a model: by identifiers, pixels and persons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.evidence.leakage_links import person_names
from scripts.lib.formats.keys import loose

ID, ID_FORM, PIXELS, NEAR, PATIENT, PATIENT_FORM, PERSON = (
    *("id", "id form", "pixels", "near-duplicate"),
    *("patient", "patient form", "person"),
)
KINDS = (ID, ID_FORM, PIXELS, NEAR, PATIENT, PATIENT_FORM, PERSON)  # the surest first
GROUP = ["role", "learned_dataset"]
HITS = ["tested", "learned", "kind", "correlation", "change"]
FILM = ["dataset", "image_id", "patient_id", "sha256"]


def known_hits(
    tested: pd.DataFrame, learned: pd.DataFrame, links: Sequence[Mapping[str, Any]]
) -> tuple[pd.DataFrame, list[str]]:
    """Return (HITS: places in both tables and the kind; notes), for each tested film and group the first film of each kind.

    tested   columns FILM
    learned  columns FILM and role; rows without a film are passed over

    Identifiers count inside of one dataset, as two datasets may both have a film "1"; pixels count everywhere. What is
    missing equals nothing.
    """
    parts = [_joined(kind, _keys(tested, kind), _keys(learned, kind), learned) for kind in (ID, ID_FORM, PIXELS)]
    parts += [_joined(kind, _keys(tested, kind), _keys(learned, kind), learned) for kind in (PATIENT, PATIENT_FORM)]
    notes: list[str] = []
    if links:
        # In one go: a table that names films of one side alone is as good as any.
        names, notes = person_names(pd.concat([tested[FILM], learned[FILM]], ignore_index=True), links)
        persons = names.set_index("film")["person"]
        right = persons[persons.index >= len(tested)]
        right.index = right.index - len(tested)
        parts.append(_joined(PERSON, persons[persons.index < len(tested)], right, learned))
    return pd.concat(parts, ignore_index=True).reindex(columns=HITS), notes


def strongest(hits: pd.DataFrame, learned: pd.DataFrame) -> pd.DataFrame:
    """Return one row a tested film and group (HITS, role, learned_dataset): its surest kind, of it the most alike film."""
    hits = hits.astype({"tested": int, "learned": int, "correlation": float})
    named = hits.assign(
        role=learned["role"].to_numpy()[hits["learned"]],
        learned_dataset=learned["dataset"].to_numpy()[hits["learned"]],
        rank=hits["kind"].map(KINDS.index),
        image_id=learned["image_id"].to_numpy()[hits["learned"]],
    )
    order = ["tested", *GROUP, "rank", "correlation", "image_id"]
    named = named.sort_values(order, ascending=[True, True, True, True, False, True], kind="stable")
    return named.drop_duplicates(["tested", *GROUP]).drop(columns=["rank", "image_id"]).reset_index(drop=True)


def _keys(films: pd.DataFrame, kind: str) -> pd.Series:
    """Return the keys by which films of this kind are the same; NaN where there is none. The index is the place."""
    column = {ID: "image_id", ID_FORM: "image_id", PIXELS: "sha256"}.get(kind, "patient_id")
    values = films[column].astype(object).where(films[column].notna(), np.nan).reset_index(drop=True)
    values = values.where(values.astype(str).str.strip() != "")
    if kind in (ID_FORM, PATIENT_FORM):
        values = values.map(loose, na_action="ignore")
    if kind == PIXELS:
        return values
    return (films["dataset"].astype(object).reset_index(drop=True) + "\0" + values).where(values.notna())


def _joined(kind: str, tested: pd.Series, learned: pd.Series, films: pd.DataFrame) -> pd.DataFrame:
    """Return the places of equal keys; of several learned films of a group with one key, the one with the first name."""
    left = tested.dropna().rename("key").rename_axis("tested").reset_index()
    right = learned.dropna().rename("key").rename_axis("learned").reset_index()
    right = right[right["key"].isin(left["key"])]
    for name, column in (("role", "role"), ("learned_dataset", "dataset"), ("image_id", "image_id")):
        right[name] = films[column].to_numpy()[right["learned"]]
    right = right.sort_values(["key", *GROUP, "image_id"], kind="stable").drop_duplicates(["key", *GROUP])
    hits = left.merge(right[["key", "learned"]], on="key")
    return hits[["tested", "learned"]].assign(kind=kind)
