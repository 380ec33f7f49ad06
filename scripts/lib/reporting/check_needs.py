"""What a study needs of its films and does not find: all of it at once, before anything trains.

Each finding is one line: which dataset, what is missing, what to do. Rule check_prerequisites stops at those of level MISSING;
the check page shows them all.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.subsets import draw_ranks, smallest_fraction
from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.formats.spreadsheet import inert
from scripts.lib.study.needs import from_reports, masked_arms, trains_foundation, words_of
from scripts.lib.study.shared import store_of
from scripts.lib.study.tasks import TASKS, of_structures, targets_of
from scripts.lib.training.films import foundation_rows, has_reports, label_texts

MISSING, WARNING, NOTE = "missing", "warning", "note"
SHOWN = "shown"  # column of an index: the bits of the structures that a film's mask shows, 0 without a mask
CHUNK = 1024


@dataclass(frozen=True)
class CheckLine:
    """One line of a check: `level` MISSING stops the study, WARNING and NOTE do not; `todo` may be "" for a note."""

    level: str
    dataset: str
    what: str
    todo: str

    def line(self) -> str:
        """Return it as one line for the screen."""
        return f"{self.dataset}: {self.what}" + (f"; {self.todo}" if self.todo else "")


@dataclass(frozen=True)
class FilmTable:
    """The films of a dataset: an index with image_id, patient_id, split, report, a column for each label, and SHOWN."""

    index: pd.DataFrame
    labels: Sequence[str]
    structures: Sequence[str]


def cohort_films(cohort: Cohort) -> FilmTable:
    """Return what a prepared cohort holds; masks are read part by part."""
    shown = np.zeros(len(cohort), np.uint8)
    for first in range(0, len(cohort) if cohort.has_masks else 0, CHUNK):
        part = slice(first, min(first + CHUNK, len(cohort)))
        shown[part] = np.bitwise_or.reduce(cohort.masks(np.arange(part.start, part.stop)), axis=(1, 2))
    return FilmTable(cohort.index.assign(**{SHOWN: shown}), cohort.labels, cohort.structures)


def missing_needs(config: Mapping[str, Any], films: Mapping[str, FilmTable]) -> list[CheckLine]:
    """Return what the study needs and these films do not have, datasets by name; a dataset that is not there is passed over."""
    needs = [
        *needs_masks(config, films, masked_arms(config)),
        *_reading_needs(config, films),
        *_added_needs(config, films),
    ]
    for name in config["study"]["datasets"]:
        if name in films:
            needs += _trial_needs(config, name, films[name])
    return needs


def write_findings(path: Path, findings: Sequence[CheckLine]) -> None:
    """Write findings as CSV: level, dataset, what, todo."""
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["level", "dataset", "what", "todo"])
        writer.writerows([one.level, one.dataset, inert(one.what), inert(one.todo)] for one in findings)


def check_needs(config: Mapping[str, Any], films: Mapping[str, FilmTable]) -> list[CheckLine]:
    """Return the warnings; raises InputError, a fault for each thing that is missing."""
    needs = missing_needs(config, films)
    if lines := [one.line() for one in needs if one.level == MISSING]:
        raise InputError.of(lines)
    return needs


def needs_masks(
    config: Mapping[str, Any], films: Mapping[str, FilmTable], masked: Sequence[str]
) -> Iterator[CheckLine]:
    """Yield what the ControlNet lacks for the arms `masked`: films of its own, and masks on them."""
    name = config["study"]["generator_dataset"]
    if not masked or name not in films:
        return
    index = films[name].index
    index = index[index["split"] == "generator"]
    instead = ", ".join(f"arms.{arm}.generator: base" for arm in masked)
    if index.empty:
        what = f"no film of split generator, from which the generator of {', '.join(masked)} learns masks"
        yield CheckLine(MISSING, name, what, f"write datasets.{name}.split.generator: 0.3, or {instead}")
    elif not (index[SHOWN] != 0).any():
        what = f"none of the {len(index)} films of split generator has a mask, but the generator of {', '.join(masked)} learns from masks"
        yield CheckLine(
            MISSING, name, what, f"name masks (docs/own-data.md), or write {instead}: images of texts, without masks"
        )


def _added_needs(config: Mapping[str, Any], films: Mapping[str, FilmTable]) -> Iterator[CheckLine]:
    """Yield a line for each dataset whose training films an arm adds, and that has none."""
    for arm in config["study"]["arms"]:
        name = store_of(config, config["arms"][arm].get("cohort", ""))
        if name in films and not (films[name].index["split"] == "train").any():
            todo = f"change datasets.{name}.split, or take {arm} out of study.arms"
            yield CheckLine(MISSING, name, f"no film of split train, which arm {arm} adds", todo)


def _reading_needs(config: Mapping[str, Any], films: Mapping[str, FilmTable]) -> Iterator[CheckLine]:
    """Yield what the foundation model and MGCA lack: films, and texts beside them."""
    here = {name: films[name] for name in config["study"]["foundation"] if name in films}
    trained = trains_foundation(config)
    silent = []  # whether nothing says what the films of a dataset show, for each that has films
    for name, store in here.items() if trained else ():
        rows = store.index.iloc[foundation_rows(store.index)]
        if rows.empty:
            yield CheckLine(
                MISSING,
                name,
                "no film of split generator or train, from which the foundation model learns",
                f"lower datasets.{name}.split.test",
            )
            continue
        if has_reports(store.index):
            silent.append(False)
            continue
        texts = label_texts(rows, store.labels, words_of(config, name))
        said = sum(text is not None for text in texts)
        silent.append(not said)
        if said:
            what = f"no reports: the words of the labels stand in their place for {said} of {len(rows)} films"
            yield CheckLine(NOTE, name, what, "")
    # Where the films of others are not looked at here, they may have what these lack.
    level = MISSING if len(here) == len(config["study"]["foundation"]) else WARNING
    if silent and all(silent):
        names = ", ".join(here)
        yield CheckLine(
            level,
            names,
            "neither a report nor a known label, so the foundation model cannot learn what a text means",
            f"name a label column of the table in datasets.{next(iter(here))}.labels, or add a column report",
        )
    if (wanted := from_reports(config)) and here and not any(has_reports(store.index) for store in here.values()):
        what = f"no report, but the classifier of {', '.join(wanted)} starts from an encoder that learns from reports (weights: mgca)"
        todo = f"write datasets.{wanted[0]}.trials.model: {{weights: null, frozen: false}}, or add a column report"
        yield CheckLine(level, ", ".join(here), what, todo)


def _trial_needs(config: Mapping[str, Any], name: str, films: FilmTable) -> Iterator[CheckLine]:
    """Yield what the downstream models of a dataset lack: films on each side, both classes, masks, large enough fractions."""
    section, index = config["datasets"][name], films.index
    lower = (
        "correct the table's column split"
        if section["split"] == "given"
        else f"change datasets.{name}.split (it is {section['split']})"
    )
    empty = [side for side in ("train", "test") if not (index["split"] == side).any()]
    for side in empty:
        yield CheckLine(MISSING, name, f"no film of split {side} among {len(index)}", lower)
    if empty:
        return
    columns = {target: _values(films, target, section["task"]) for target in targets_of(section)}
    known = {target: values for target, values in columns.items() if values is not None}
    for target in columns.keys() - known.keys():
        kind = "structure" if of_structures(section) else "label"
        yield CheckLine(
            MISSING, name, f"target {target} is no {kind} of this dataset", f"correct datasets.{name}.target"
        )
    yield from _class_needs(name, section["task"], index, known)
    yield from _fraction_needs(config, name, films, known)


def _values(films: FilmTable, target: str, task: str) -> np.ndarray | None:
    """Return what is known of a target, float (N,): 1, 0 or NaN; None where the dataset does not have it."""
    if TASKS[task].of_structures:
        if target not in films.structures:
            return None
        return ((films.index[SHOWN].to_numpy() >> list(films.structures).index(target)) & 1).astype(float)
    return films.index[target].to_numpy(dtype=float, na_value=np.nan) if target in films.index else None


def _class_needs(name: str, task: str, index: pd.DataFrame, known: Mapping[str, np.ndarray]) -> Iterator[CheckLine]:
    for target, values in known.items():
        for side in ("train", "test"):
            present = values[(index["split"] == side).to_numpy()]
            seen = set(present[~np.isnan(present)].tolist())
            if TASKS[task].of_structures:
                if 1.0 not in seen:
                    yield CheckLine(
                        MISSING,
                        name,
                        f"no film of split {side} shows {target} in its mask",
                        "name masks (docs/own-data.md), or choose another target",
                    )
                continue
            if len(seen) == 2:
                continue
            what = (
                f"all {len(present)} films of split {side} have {target} = {int(min(seen))}"
                if seen
                else f"no film of split {side} says whether it has {target}"
            )
            if side == "train" and task == "classification":
                yield CheckLine(
                    MISSING,
                    name,
                    f"{what}: there is nothing to tell apart",
                    "add films of the other class, or choose another target",
                )
            else:
                yield CheckLine(
                    WARNING, name, f"{what}: its metrics there are n/a", "add films of the other class to that split"
                )


def _asked(known: Mapping[str, np.ndarray], task: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what every fraction has to hold: the target of a task of one, a film with any of several structures."""
    if TASKS[task].of_structures and len(known) > 1:
        yield " or ".join(known), np.nanmax(np.stack(list(known.values())), axis=0)
    elif task != "multilabel":
        yield from known.items()


def _fraction_needs(
    config: Mapping[str, Any], name: str, films: FilmTable, known: Mapping[str, np.ndarray]
) -> Iterator[CheckLine]:
    """Yield a line for each fraction that holds no film, or not both classes, in some trial, with the smallest that does."""
    study, index = config["study"], films.index
    train = (index["split"] == "train").to_numpy()
    task = config["datasets"][name]["task"]
    ranks = draw_ranks(index, films.labels, study["trials"], config["subsets"]["per_trial"], study["seed"], name)
    masks = TASKS[task].of_structures
    classes = (1,) if masks else (0, 1)
    level = MISSING if study["arms"] or not masks else WARNING
    why = "no film"
    smallest = smallest_fraction(index.assign(_any=1), ranks, range(study["trials"]), "_any", (1,)) or "1"
    for target, values in _asked(known, task):
        if len(set(values[train & ~np.isnan(values)].tolist()) & set(map(float, classes))) < len(classes):
            continue
        least = smallest_fraction(index.assign(_value=values), ranks, range(study["trials"]), "_value", classes)
        if least is not None and float(least) > float(smallest):
            smallest, why = (
                least,
                f"no film that shows {target}" if masks else f"only one class of {target}",
            )
    for fraction in study["fractions"]:
        if fraction < float(smallest):
            what = f"fraction {fraction:g} of {int(train.sum())} training films holds {why} in some trial; the smallest usable fraction is {smallest}"
            yield CheckLine(level, name, what, "write larger study.fractions, with study.multipliers for each")
