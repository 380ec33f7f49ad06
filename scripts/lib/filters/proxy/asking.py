"""What the proxy model says of every label of every image, in the form of a judge's findings (fidelity/agreement.py)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.prompts import NORMAL
from scripts.lib.core.errors import InputError
from scripts.lib.filters.proxy.model import Proxy
from scripts.lib.filters.proxy.scores import ranks_by
from scripts.lib.filters.proxy.scoring import cosines, label_vectors
from scripts.lib.training.settings import Section


def ask(proxy: Proxy, store: Cohort, rows: np.ndarray, labels: Sequence[str], settings: Section) -> pd.DataFrame:
    """Return image_id, group (the patient, or the image) and, of each label, asked_LABEL (1, 0, missing) and found_LABEL.

    `found_LABEL` is what the proxy filter ranks by: the cosine with the label's text, or its margin over that of `normal`.
    `settings`: prompts, templates, rank_by. Raises InputError for a label that the store or the prompts do not have.
    """
    prompts = settings["prompts"]
    for name in labels:
        if name not in store.labels:
            raise InputError(f"{store.folders[0]}: no label {name}; there are {', '.join(store.labels)}")
        if not isinstance(prompts.get(name), str):
            raise InputError(f"conditions.prompts: {name} has no words, so the proxy model cannot be asked for it; add some, or take proxy out of experts.names")  # fmt: skip
    rank_by = settings.one_of("rank_by", "cosine", "margin")
    asked = {name: prompts[name] for name in (*labels, NORMAL) if isinstance(prompts.get(name), str)}
    names, vectors = label_vectors(proxy, asked, settings["templates"])
    scores = pd.DataFrame(cosines(proxy, store, rows, vectors), columns=[f"score_{name}" for name in names])
    index = store.index.iloc[rows].reset_index(drop=True)
    table = pd.DataFrame({"image_id": index["image_id"], "group": index["patient_id"].fillna(index["image_id"])})
    table = table.astype("string")
    for name in labels:
        table[f"asked_{name}"] = index[name].to_numpy(float, na_value=np.nan)
        table[f"found_{name}"] = ranks_by(scores, name, rank_by)
    return table
