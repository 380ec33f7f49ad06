"""The leakage firewall: films on which trials are tested or tuned, held against every film that taught their models.

The table (COLUMNS) has, for each part of the tested films and each group of learned ones (a role and a dataset), one row of the
kind `all` that says how many were compared and what follows, and below it a row for each film that was found.

    split    test; external: test films of another cohort; tuning: training films, of which a trial may set some aside to end its
             training and to tune a threshold
    verdict  clean | stops | told (a hit among tuning films) | allowed (named in leakage.allow) | not known
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.learned import COLUMNS as LEARNED
from scripts.lib.evidence.copies import Gallery, find_copies_in_frames
from scripts.lib.evidence.leakage_hits import GROUP, HITS, KINDS, NEAR, known_hits, strongest

COLUMNS = [
    *[
        "dataset",
        "arm",
        "split",
        "tested_dataset",
        "role",
        "learned_dataset",
        "kind",
        "verdict",
        "tested",
        "learned",
        "hits",
    ],
    *["image_id", "patient_id", "learned_image_id", "learned_patient_id", "correlation", "change", "note"],
]
ALL = "all"
CLEAN, STOPS, TOLD, ALLOWED, NOT_KNOWN = "clean", "stops", "told", "allowed", "not known"
WORST = (STOPS, NOT_KNOWN, TOLD, ALLOWED, CLEAN)
TEST, EXTERNAL, TUNING, TRAINING = "test", "external", "tuning", "training"
MOST_SHOWN = 100  # rows of one group and kind
UNKNOWN_NOTE = "no list of films: what taught it is not known, so no test film can be said to be new to it"


@dataclass(frozen=True)
class Store:
    """A cohort as the firewall sees it: films (FILM, split), and their reduced pictures uint8 (N, VIEWS, SIDE, SIDE)."""

    films: pd.DataFrame
    pictures: np.ndarray


def check_arm(
    dataset: str, arm: str, stores: Mapping[str, Store], learned: pd.DataFrame, settings: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the table (COLUMNS) of one arm of a dataset; the same rows for any order of films and lists.

    stores    {dataset: Store} of the tested datasets and of those whose films taught
    learned   columns of learned_from.parquet: what taught the arm's models
    settings  allow, links, least_correlation; `tuning`: whether trials set films aside; `external`: other tested cohorts;
              `added`: datasets whose training films the arm adds
    """
    learned = pd.concat([learned, *(_training(stores, name) for name in settings.get("added", ()))], ignore_index=True)
    everything = pd.concat([learned, _training(stores, dataset)], ignore_index=True)
    parts = [(TEST, dataset, everything), *((EXTERNAL, name, everything) for name in settings.get("external", ()))]
    if settings["tuning"]:
        parts.append((TUNING, dataset, learned))
    tables = []
    for split, name, teachers in parts:
        held = stores[name].films
        rows = np.flatnonzero((held["split"] == ("train" if split == TUNING else TEST)).to_numpy())
        films = held.iloc[rows].assign(dataset=name, row=rows)
        tables.append(_check_part(films, teachers, stores, settings).assign(split=split, tested_dataset=name))
    table = pd.concat(tables, ignore_index=True).assign(dataset=dataset, arm=arm)
    return _judged(table, settings["allow"])[COLUMNS]


def _training(stores: Mapping[str, Store], dataset: str) -> pd.DataFrame:
    """Return the training films of a dataset in the form of learned_from.parquet."""
    films = stores[dataset].films
    return films[(films["split"] == "train").to_numpy()].assign(dataset=dataset, role=TRAINING)[list(LEARNED)]


def stopping_line(table: pd.DataFrame, where: object) -> str:
    """Return the line that stops a run, "" where nothing in the table does."""
    heads = table[(table["kind"] == ALL) & (table["verdict"] == STOPS)]
    hits = table[(table["kind"] != ALL) & (table["verdict"] == STOPS)]
    if heads.empty:
        return ""
    row = hits.iloc[0]
    shown = [
        f"{head.hits} of {head.tested} among {head.learned} films of {head.learned_dataset} (role {head.role})"
        for head in heads.itertuples()
    ]
    like = f", correlation {row['correlation']}, {row['change']}" if row["kind"] == NEAR else ""
    return (
        f"{row['dataset']}, arm {row['arm']}: test films are not new to what is tested: {'; '.join(shown)}; e.g. "
        f"{row['image_id']} is {row['learned_image_id']} ({row['kind']}{like}); all are in {where}. Take these films out of one "
        "side, or name what may pass in leakage.allow (docs/leakage.md)"
    )


def _check_part(
    films: pd.DataFrame, teachers: pd.DataFrame, stores: Mapping[str, Store], settings: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the rows of one part of the tested films, without what is the same in all of them."""
    films = films.sort_values(["sha256", "image_id"], kind="stable", ignore_index=True)
    unknown = teachers[teachers["dataset"].isna()]
    teachers = teachers.dropna(subset=["dataset", "image_id"]).drop_duplicates()
    teachers = teachers.sort_values(["sha256", *LEARNED], kind="stable", ignore_index=True)
    hits, notes = known_hits(films, teachers, settings["links"])
    copies, without = _copies(films, teachers, stores, settings["least_correlation"])
    hits = strongest(pd.concat([hits, copies], ignore_index=True)[HITS], teachers)
    shown = hits.assign(
        image_id=films["image_id"].to_numpy()[hits["tested"]],
        patient_id=films["patient_id"].to_numpy()[hits["tested"]],
        learned_image_id=teachers["image_id"].to_numpy()[hits["learned"]],
        learned_patient_id=teachers["patient_id"].to_numpy()[hits["learned"]],
        note="",
    ).drop(columns=["tested", "learned"])
    heads = teachers.rename(columns={"dataset": "learned_dataset"}).groupby(GROUP, sort=True)
    tables = [_head(len(films), role, None, 0, [UNKNOWN_NOTE]) for role in sorted(unknown["role"].unique())]
    for keys, group in heads:
        role, name = (str(key) for key in keys)
        of_part = shown[(shown["role"] == role) & (shown["learned_dataset"] == name)]
        said = [*notes, *without.get(name, []), *_nameless(films, "tested"), *_nameless(group, "learned")]
        tables += [_head(len(films), role, name, len(group), said), of_part]
    return pd.concat(tables, ignore_index=True) if tables else _head(len(films), TRAINING, None, 0, []).iloc[:0]


def _head(tested: int, role: str, name: str | None, learned: int, notes: Sequence[str]) -> pd.DataFrame:
    known = {"learned_dataset": name, "learned": learned if name else pd.NA}
    row = {"role": role, "kind": ALL, "tested": tested, "note": "; ".join(dict.fromkeys(notes)), **known}
    return pd.DataFrame([row])


def _nameless(films: pd.DataFrame, which: str) -> list[str]:
    count = int(films["patient_id"].isna().sum())
    return [f"{count} {which} films have no patient: theirs were not compared"] if count else []


def _copies(
    films: pd.DataFrame, teachers: pd.DataFrame, stores: Mapping[str, Store], least: float
) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Return (HITS of near-duplicates, {dataset: what of its pictures could not be compared})."""
    names = sorted(stores)
    unique = teachers.drop_duplicates(["dataset", "image_id"])
    part = unique["dataset"].map({name: number for number, name in enumerate(names)})
    row = np.full(len(unique), -1)
    without: dict[str, list[str]] = {}
    for name in sorted(unique["dataset"].unique()):
        group = unique[unique["dataset"] == name]
        here = unique.index.get_indexer(group.index)
        if name in stores:
            row[here] = pd.Index(stores[name].films["image_id"]).get_indexer(pd.Index(group["image_id"]))
        lost = int((row[here] < 0).sum())
        if lost:
            without[str(name)] = [
                f"no pictures of {lost} of its films here: near-duplicates of them were not looked for"
            ]
    seen = np.flatnonzero(row >= 0)
    pictures = [stores[name].pictures for name in names]
    datasets = np.full(len(films), names.index(films["dataset"].iloc[0])) if len(films) else np.empty(0, int)
    gallery = Gallery(pictures, part.to_numpy(float)[seen].astype(int), row[seen])
    pairs = find_copies_in_frames(Gallery(pictures, datasets, films["row"].to_numpy()), gallery, least)
    # Each role that a film taught in.
    roles = teachers.reset_index(names="learned")[["learned", "dataset", "image_id"]]
    film = unique.iloc[seen[pairs["learned"].to_numpy(int)]][["dataset", "image_id"]].reset_index(drop=True)
    hits = film.assign(**{name: pairs[name] for name in ("tested", "correlation", "change")}, kind=NEAR)
    return hits.merge(roles, on=["dataset", "image_id"])[HITS], without


def _judged(table: pd.DataFrame, allow: Sequence[str]) -> pd.DataFrame:
    """Return the table with verdicts and counts, the heads first in their groups, long groups cut short."""
    names = [
        "kind",
        "dataset",
        "tested_dataset",
        "learned_dataset",
        "image_id",
        "patient_id",
        "learned_image_id",
        "learned_patient_id",
    ]
    passed = table[names].isin(list(allow)).any(axis=1) & (table["kind"] != ALL)
    table = table.assign(verdict=np.where(passed, ALLOWED, np.where(table["split"] == TUNING, TOLD, STOPS)))
    table.loc[passed, "note"] = "named in leakage.allow"
    parts = []
    for _, group in table.groupby(["split", "tested_dataset", *GROUP], sort=True, dropna=False):
        head, hits = group[group["kind"] == ALL].copy(), group[group["kind"] != ALL]
        known = head["learned_dataset"].notna().all()
        head["hits"] = len(hits) if known else pd.NA
        kinds = [f"{kind}: {count}" for kind in KINDS if (count := int((hits["kind"] == kind).sum()))]
        head["note"] = "; ".join([*kinds, *filter(None, head["note"])])
        head["verdict"] = min([*hits["verdict"], CLEAN], key=WORST.index) if known else NOT_KNOWN
        order = hits.assign(rank=hits["kind"].map(KINDS.index)).sort_values(["rank", "image_id"], kind="stable")
        shown = order.groupby(["kind", "verdict"], sort=False, as_index=False).head(MOST_SHOWN)
        left = len(order) - len(shown)
        head.loc[:, "note"] += f"; {left} of them are not listed" if left else ""
        parts += [head, shown.drop(columns="rank")]
    table = pd.concat(parts, ignore_index=True)
    return table.astype(dict.fromkeys(("tested", "learned", "hits"), "Int64"))
