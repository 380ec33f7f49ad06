"""Tables of predictions as `read_predictions` returns them, of made-up trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from scripts.lib.downstream.predictions import MEASURED, ROW, Predictions, write_predictions


def label_table(
    truth: np.ndarray,
    scores: np.ndarray,
    patients: Sequence[str] | None = None,
    tuning: tuple[np.ndarray, np.ndarray] | None = None,
    labels: Sequence[str] = ("pneumonia",),
    **about: object,
) -> pd.DataFrame:
    """Return the rows of one training: truth and scores (n, L), and `tuning` films of the same form."""
    parts = [_rows("test", truth, scores, patients, labels)]
    if tuning is not None:
        parts.append(_rows("tuning", *tuning, None, labels))
    return _told(pd.concat(parts, ignore_index=True), "classification" if len(labels) == 1 else "multilabel", about)


def mask_table(
    overlap: Sequence[float],
    predicted: Sequence[float],
    truth: Sequence[float],
    patients: Sequence[str] | None = None,
    **about: object,
) -> pd.DataFrame:
    """Return the rows of one training that predicts masks, pixels of each film."""
    rows = pd.DataFrame({"overlap": overlap, "predicted": predicted, "truth": truth}, dtype=np.int32)
    names = [f"film-{place:04d}" for place in range(len(rows))]
    rows = rows.assign(image_id=names, patient_id=patients or names, label="pneumothorax", split="test")
    return _told(rows, "segmentation", about)


def write_file(results: Path, table: pd.DataFrame) -> Path:
    """Write the rows of one trial, one or more multipliers, as `train_trials` does; return the file."""
    first = table.iloc[0]
    schema = pa.schema(ROW + MEASURED[first["task"]])
    cells = {int(m): {"n_real": 10, "n_synthetic": 10 * int(m), "note": ""} for m in table["multiplier"].unique()}
    columns = {field.name: pa.array(table[field.name], from_pandas=False).cast(field.type) for field in schema}
    about = [first[name] for name in ("dataset", "task", "arm", "fraction")] + [
        int(first[n]) for n in ("trial", "seed")
    ]
    made = Predictions(*about, cells, pa.table(columns))
    path = results / made.place
    path.parent.mkdir(parents=True, exist_ok=True)
    write_predictions(path, made)
    return path


def _rows(
    split: str, truth: np.ndarray, scores: np.ndarray, patients: Sequence[str] | None, labels: Sequence[str]
) -> pd.DataFrame:
    names = [f"{'film' if split == 'test' else 'tuned'}-{place:04d}" for place in range(len(truth))]
    return pd.DataFrame(
        {
            "image_id": np.repeat(names, len(labels)),
            "patient_id": np.repeat(patients or names, len(labels)),
            "label": np.tile(np.array(labels), len(truth)),
            "split": split,
            "truth": np.asarray(truth, np.float32).ravel(),
            "score": np.asarray(scores, np.float32).ravel(),
        }
    )


def _told(rows: pd.DataFrame, task: str, about: Mapping[str, object]) -> pd.DataFrame:
    told = {"dataset": "rsna", "task": task, "arm": "real", "fraction": "0.1", "multiplier": 0, "trial": 0, "seed": 7}
    return rows.assign(**{"n_real": 10, "n_synthetic": 0, **told, **about})
