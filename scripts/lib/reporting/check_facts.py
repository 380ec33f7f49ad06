"""What the check page says of one dataset in numbers: counts, prevalence, patients, duplicates, and what makes one wonder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.looking import SHOWN, SOURCES, Look
from scripts.lib.cohort.store import Cohort
from scripts.lib.formats.columns import plain_name
from scripts.lib.formats.sources import tables
from scripts.lib.formats.tables import Table
from scripts.lib.reporting.check_needs import NOTE, WARNING, CheckLine

SPLITS = ("generator", "train", "validate", "test")
AGES = (0, 18, 40, 65, 121)
BANDS = ("0 to 17", "18 to 39", "40 to 64", "65 and older")
SURE = 3.0  # standard errors from which a difference of two shares is no chance
LARGE = 0.1  # a difference of two shares that matters


def count_rows(films: pd.DataFrame, labels: Sequence[str], structures: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of the table of counts: all films, then by split, sex, age and view; each with the share of labels."""
    groups = [("all films", "", np.ones(len(films), bool))]
    for name in SPLITS:
        groups.append(("split", name, (films["split"] == name).to_numpy()))
    sex = films["sex"].fillna("").astype(str)
    groups += [("sex", value or "not known", (sex == value).to_numpy()) for value in ("F", "M", "")]
    band = _age_bands(films)
    groups += [("age", name or "not known", band == name) for name in (*BANDS, "")]
    view = films["view"].fillna("").astype(str)
    for value in view.value_counts().index[:8]:
        groups.append(("view", value or "not known", (view == value).to_numpy()))
    return [_count(kind, name, films[chosen], labels, structures) for kind, name, chosen in groups if chosen.any()]


def _age_bands(films: pd.DataFrame) -> np.ndarray:
    """Return the band of each film's age, (N,) text of BANDS, "" where it is not known."""
    age = pd.to_numeric(films["age"], errors="coerce").to_numpy(dtype=float)
    band = np.searchsorted(AGES[1:-1], np.nan_to_num(age), side="right")
    return np.where(np.isnan(age), "", np.array(BANDS)[band])


def _count(
    kind: str, name: str, part: pd.DataFrame, labels: Sequence[str], structures: Sequence[str]
) -> dict[str, Any]:
    shares = [_share(part[label]) for label in labels]
    shares += [f"{int(((part[SHOWN].to_numpy() >> bit) & 1).sum())}" for bit in range(len(structures))]
    return {"kind": kind, "name": name, "films": len(part), "patients": part["patient_id"].nunique(), "shares": shares}


def _share(values: pd.Series) -> str:
    known = values.dropna().astype(float)
    if known.empty:
        return "not known"
    missing = f", {len(values) - len(known)} not known" if len(known) < len(values) else ""
    return f"{int(known.sum())} ({known.mean():.0%}{missing})"


def warnings_of(look: Look, section: Mapping[str, Any], root: Path) -> Iterator[CheckLine]:
    """Yield what makes one wonder about a dataset: labels apart between splits, few patients, one source, a shortcut."""
    films = look.films
    if films.empty:
        return
    yield from _uneven(look)
    yield from _patients(look, section)
    yield from _one_source(look, section, root)
    yield from _shortcuts(look)


def _uneven(look: Look) -> Iterator[CheckLine]:
    """Yield labels whose share differs between training and test more than chance allows."""
    films = look.films
    for label in look.labels:
        one, two = (films.loc[films["split"] == side, label].dropna().astype(float) for side in ("train", "test"))
        if len(one) and len(two) and _apart(one.mean(), len(one), two.mean(), len(two)):
            yield CheckLine(
                WARNING,
                look.name,
                f"{label}: {one.mean():.0%} of the training films, {two.mean():.0%} of the test films: not stratified over the split",
                f"let the workflow split (datasets.{look.name}.split), or say so beside the results",
            )


def _apart(one: float, many: int, two: float, others: int) -> bool:
    """Whether two shares differ by LARGE at least, and by SURE standard errors of their difference under one share."""
    both = (one * many + two * others) / (many + others)
    error = (both * (1 - both) * (1 / many + 1 / others)) ** 0.5
    return abs(one - two) >= LARGE and abs(one - two) >= SURE * error


def _patients(look: Look, section: Mapping[str, Any]) -> Iterator[CheckLine]:
    films, patients = len(look.films), look.films["patient_id"].nunique()
    if films == patients and films > 1:
        yield CheckLine(
            WARNING,
            look.name,
            f"each of the {films} films is of another patient",
            f"{patient_word(section)}; if patients have several films, name them, or one may be in training and test",
        )
    elif patients < 10:
        yield CheckLine(
            WARNING, look.name, f"only {patients} patients", "few patients make results that hold for nobody else"
        )


def patient_word(section: Mapping[str, Any]) -> str:
    """Return where a dataset's patients come from."""
    reader = section.get("reader") or {}
    if section["format"] == "folder":
        return f"a patient is a value of column {(reader.get('columns') or {}).get('patient_id', 'patient_id')}"
    if reader.get("patients"):
        return f"a patient is what {reader['patients']} says"
    return f"a patient is what the format {section['format']} says (docs/datasets.md)"


def _one_source(look: Look, section: Mapping[str, Any], root: Path) -> Iterator[CheckLine]:
    """Yield whether all films come from one place, or nobody says where from; and a label that the place gives away."""
    if section["format"] != "folder":
        return
    sources = _source_column(look, section, root)
    if sources is None:
        yield CheckLine(
            NOTE,
            look.name,
            "no column says which hospital or scanner a film comes from",
            "results may hold for that place alone",
        )
        return
    name, values = sources
    if values.nunique() == 1:
        yield CheckLine(
            WARNING,
            look.name,
            f"all films come from one source ({name} = {values.iloc[0]})",
            "a gain here may be none in another hospital; test on other films as well (trials.external)",
        )
        return
    yield from _told_by(look, name, values)


def _source_column(look: Look, section: Mapping[str, Any], root: Path) -> tuple[str, pd.Series] | None:
    """Return the column of the table that says where films come from, by the rows of look.films; None where there is none."""
    reader = section.get("reader") or {}
    table = Table(tables("folder", root, reader)[0], encoding=reader.get("encoding", "utf-8"))
    column = next((name for name in table.columns if plain_name(name) in SOURCES), None)
    if column is None:
        return None
    ids = (reader.get("columns") or {}).get("image_id", "image_id")
    values_by_id = {row[ids]: row[column] for row in table}
    return column, look.films["image_id"].map(values_by_id).fillna("")


def _shortcuts(look: Look) -> Iterator[CheckLine]:
    for column in ("view", "sex"):
        yield from _told_by(look, column, look.films[column].fillna("").astype(str))
    yield from _told_by(look, "age", pd.Series(_age_bands(look.films), index=look.films.index))


def _told_by(look: Look, column: str, values: pd.Series) -> Iterator[CheckLine]:
    """Yield labels that are much more frequent at one value of a column than at the others."""
    for label in look.labels:
        known = look.films[label].notna()
        labels, where = look.films.loc[known, label].astype(float), values[known]
        sizes = where[where != ""].value_counts()
        shares = {name: labels[where == name].mean() for name in sizes.index[:10] if sizes[name] >= 5}
        if len(shares) < 2:
            continue
        low, high = min(shares, key=lambda name: shares[name]), max(shares, key=lambda name: shares[name])
        if shares[high] - shares[low] >= 0.3 and _apart(shares[low], sizes[low], shares[high], sizes[high]):
            yield CheckLine(
                WARNING,
                look.name,
                f"{label} goes with {column}: {shares[low]:.0%} at {low}, {shares[high]:.0%} at {high}",
                f"a model may learn {column} instead of {label}; see results/tables/subgroups.csv later",
            )


def duplicates(cohort: Cohort, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return groups of films with the same pixels: rows of the cohort, and in what they differ beside their name."""
    index = cohort.index
    groups = index.groupby("sha256", sort=False).indices
    pairs = []
    for rows in groups.values():
        if len(rows) > 1:
            part = index.iloc[rows]
            differ = [label for label in labels if part[label].nunique(dropna=False) > 1]
            differ += ["patient"] if part["patient_id"].nunique() > 1 else []
            pairs.append({"rows": [int(row) for row in rows], "differ": differ, "ids": part["image_id"].tolist()})
    return sorted(pairs, key=lambda group: (not group["differ"], group["ids"]))
