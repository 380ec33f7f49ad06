"""What the models of a trial say of each film that they were tested on: the file that a trial writes.

One row a multiplier, tested film and label or structure, in this order. For labels `truth` (1, 0, or NaN where it is not known)
and `score` (probability); for masks `overlap`, `predicted` and `truth` (pixels, empty where nobody looked for the structure); for
boxes lists: `truth` and `boxes` (left, top, right and lower edge of one box after another, in pixels of the film; `truth` is empty
where nobody looked) and `score` (one a box, high to low). `dataset` and `split` say what was tested: `test` and `tuning` films of
its own dataset, `external` films of another one, `images` of an arm, whose name then stands in `dataset`. What holds for the whole trial stands in the file's metadata. Other columns of a film are in the index of its cohort, under the same `image_id`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.downstream.data import Films
from scripts.lib.study import tasks

KEY = b"synthorax"
TEST, TUNING, EXTERNAL, IMAGES = "test", "tuning", "external", "images"
TEXTS = ("dataset", "split", "image_id", "patient_id", "label")
ROW = [("dataset", pa.string()), ("split", pa.string()), ("multiplier", pa.int32())]
ROW += [(name, pa.string()) for name in TEXTS[2:]]
LABELS = [("truth", pa.float32()), ("score", pa.float64())]
MASKS = [("overlap", pa.int32()), ("predicted", pa.int32()), ("truth", pa.int32())]
EDGES = pa.list_(pa.float32())
BOXES = [("truth", EDGES), ("score", pa.list_(pa.float32())), ("boxes", EDGES)]
BY_ANSWER = {tasks.LABELS: LABELS, tasks.MASKS: MASKS, tasks.BOXES: BOXES}
MEASURED = {name: BY_ANSWER[task.says] for name, task in tasks.TASKS.items()}
TRIAL = ("dataset", "task", "arm", "fraction", "trial", "seed")
AGAIN = "remove it, and its trial is trained anew"


@dataclass(frozen=True)
class Predictions:
    """The predictions of a trial. `fraction` as paths write it; `cells` {multiplier: n_real, n_synthetic, note}.

    `table` has the columns ROW and LABELS, MASKS or BOXES.
    """

    dataset: str
    task: str
    arm: str
    fraction: str
    trial: int
    seed: int
    cells: dict[int, dict[str, Any]]
    table: pa.Table

    @property
    def place(self) -> str:
        """Where the file of such a trial lies below results/."""
        return f"{self.dataset}/trials/{self.arm}/fraction-{self.fraction}/trial-{self.trial}.parquet"


def model_rows(
    films: Films,
    settings: Mapping[str, Any],
    dataset: str,
    split: str,
    multiplier: int,
    found: Mapping[str, np.ndarray],
) -> pa.Table:
    """Return the rows of one model on some films: `found` has (n,) or (n, L) values, or n * L lists, for each measured column."""
    names = tasks.targets_of(settings)
    count, each = len(films), len(names)
    index = films.cohort.index
    columns: dict[str, Any] = {
        "dataset": np.full(count * each, dataset, dtype=object),
        "split": np.full(count * each, split, dtype=object),
        "multiplier": np.full(count * each, multiplier),
        **{name: np.repeat(_texts(index[name].iloc[films.rows]), each) for name in ("image_id", "patient_id")},
        "label": np.tile(np.array(names, dtype=object), count),
    }
    schema = pa.schema(ROW + MEASURED[settings["task"]])
    columns |= found
    return pa.table({name: _column(columns[name], kind) for name, kind in schema_items(schema)})


def _column(values: Any, kind: pa.DataType) -> pa.Array:
    """Return a column. A NaN stays a NaN: a truth that is not known, not a row that lacks its value; whole numbers have none for it."""
    if pa.types.is_list(kind):
        return pa.array(values, kind)
    flat = np.asarray(values).reshape(-1)
    if pa.types.is_integer(kind) and flat.dtype.kind == "f":
        return pa.array(flat, from_pandas=True).cast(kind)
    return pa.array(flat, from_pandas=False).cast(kind)


def schema_items(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    """Return the names and types of a schema, in order."""
    return [(field.name, field.type) for field in schema]


def _texts(column: pd.Series) -> np.ndarray:
    return column.astype(str).to_numpy(dtype=object)


def write_rows(path: Path, table: pa.Table, about: Mapping[str, Any]) -> None:
    """Write rows with their metadata, whole or not at all; the same rows give the same bytes, however they came about."""
    told_of = {KEY: json.dumps(dict(about)).encode()}
    # Scores: hardly two alike; all else repeats, but for lists.
    lists = [name for name in table.schema.names if pa.types.is_list(table.schema.field(name).type)]
    for name in lists:  # the entries of a list that was read have another name than those of a new one
        table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(EDGES))
    scores = [name for name in table.schema.names if name == "score" and name not in lists]
    with atomic_file(path) as temporary:
        pq.write_table(
            table.combine_chunks().replace_schema_metadata(told_of),
            temporary,
            compression="zstd",
            compression_level=6,
            use_dictionary=[name for name in table.schema.names if name not in (*scores, *lists)],
            dictionary_pagesize_limit=1 << 28,  # ids that no longer fit are written in full, once for each multiplier
            use_byte_stream_split=scores,
            write_page_checksum=True,
            data_page_size=1 << 24,
            max_rows_per_page=1 << 24,  # one page a column: what repeats from one multiplier to the next is stored once
        )


def write_predictions(path: Path, made: Predictions) -> None:
    """Write the predictions of a trial to its file."""
    # Keys of JSON are text; the order of the multipliers is that of the rows.
    cells = {str(multiplier): cell for multiplier, cell in made.cells.items()}
    write_rows(path, made.table, {name: getattr(made, name) for name in TRIAL} | {"cells": cells})


def read_rows(path: Path, texts: bool = True) -> tuple[dict[str, Any], pa.Table]:
    """Return metadata and rows of a file, with `texts` as dictionaries; raises InputError where it is not whole or not ours."""
    try:
        table = pq.read_table(path, read_dictionary=list(TEXTS) if texts else None, page_checksum_verification=True)
        about = json.loads((table.schema.metadata or {}).get(KEY, b"null"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected the predictions of a trial (train_trials)") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a whole file of predictions ({_first_line(error)}); {AGAIN}") from None
    if not isinstance(about, dict):
        raise InputError(f"{path}: its metadata lack {KEY.decode()!r}: no predictions of a trial; {AGAIN}")
    return about, table


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def open_predictions(path: Path) -> Predictions:
    """Return the predictions of a file; raises InputError, one line, where it does not hold what it should."""
    about, table = read_rows(path)
    if missing := [name for name in (*TRIAL, "cells") if name not in about]:
        raise InputError(f"{path}: its metadata lack {', '.join(missing)}; {AGAIN}")
    if about["task"] not in MEASURED:
        raise InputError(f"{path}: task {about['task']!r}, expected one of {', '.join(MEASURED)}; {AGAIN}")
    expected = [name for name, _ in ROW + MEASURED[about["task"]]]
    if missing := [name for name in expected if name not in table.schema.names]:
        raise InputError(f"{path}: columns {', '.join(missing)} are missing; expected {', '.join(expected)}; {AGAIN}")
    cells = {int(multiplier): cell for multiplier, cell in about["cells"].items()}
    if strange := sorted(set(table["multiplier"].unique().to_pylist()) - set(cells)):
        raise InputError(f"{path}: rows of multiplier {strange[0]}, of which its metadata know nothing; {AGAIN}")
    return Predictions(**{name: about[name] for name in TRIAL}, cells=cells, table=table.select(expected))


def read_predictions(paths: Sequence[Path]) -> pd.DataFrame:
    """Return the rows of several trials, those of labels or those of masks, with what the metadata say of each.

    Columns: those of the files, then task, arm, fraction (text), trial, seed, n_real, n_synthetic. Texts are categories.
    Raises InputError for no file at all, for two files of one trial, for files of different studies (another seed for the same
    trial) and for labels beside masks.
    """
    if not paths:
        raise InputError("no predictions to read: expected the files of one trial at least")
    seen: dict[tuple[Any, ...], Path] = {}
    seeds: dict[tuple[str, int], tuple[int, Path]] = {}
    parts = []
    for path in paths:
        made = open_predictions(path)
        trial = (made.dataset, made.arm, made.fraction, made.trial)
        if trial in seen:
            raise InputError(f"{seen[trial]}, {path}: both are {made.place}; keep one")
        seen[trial] = path
        seed, first = seeds.setdefault((made.dataset, made.trial), (made.seed, path))
        if seed != made.seed:
            raise InputError(f"{path}: seed {made.seed}, but {first} has {seed}: files of two studies; {AGAIN}")
        parts.append(widened(made))
        if parts[-1].schema.names != parts[0].schema.names:
            raise InputError(f"{path}: task {made.task}, but {paths[0]} holds others; read labels and masks apart")
    return pa.concat_tables(parts).unify_dictionaries().to_pandas()


def widened(made: Predictions) -> pa.Table:
    """Return the rows with a column for each thing that the metadata say."""
    table, count = made.table, made.table.num_rows
    for name in ("task", "arm", "fraction"):
        same = pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), [getattr(made, name)])
        table = table.append_column(name, same)
    for name in ("trial", "seed"):
        table = table.append_column(name, pa.array(np.full(count, getattr(made, name), np.int64)))
    multipliers, places = np.unique(table["multiplier"].to_numpy(), return_inverse=True)
    for name in ("n_real", "n_synthetic"):
        numbers = np.array([made.cells[int(multiplier)][name] for multiplier in multipliers], np.int64)
        table = table.append_column(name, pa.array(numbers[places] if count else np.zeros(0, np.int64)))
    return table
