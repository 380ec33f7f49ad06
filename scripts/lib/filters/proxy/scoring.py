"""Scores of films: the cosine of a film with the text of its own label, and with that of every other label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.prompts import label_prompts, with_side
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import progress
from scripts.lib.filters.proxy.model import Proxy
from scripts.lib.filters.proxy.scores import IDENTITY, own_labels


def label_vectors(
    proxy: Proxy, prompts: Mapping[str, str | None], templates: Sequence[str]
) -> tuple[list[str], np.ndarray]:
    """Return the labels and a unit vector (L, D) for each: the mean over templates of its text, on the sphere.

    A template holds {} once, where the label's prompt goes; "{}" alone is the paper's bare disease word. Raises
    InputError for a label without prompt, or a template without {}.
    """
    for template in templates:
        if template.count("{}") != 1:
            raise InputError(f"proxy.templates: {template!r}; expected a text with {{}} once, for the disease word")
    if not templates:
        raise InputError('proxy.templates: the list is empty; ["{}"] is the bare disease word')
    labels = list(prompts)
    words = []
    for label, prompt in zip(labels, label_prompts(prompts, labels, with_normal=False)):
        word = with_side(prompt, None)
        if word is None:
            raise InputError(
                f"conditions.prompts: {label}: {prompt!r} names a side alone; give its disease word beside it"
            )
        words.append(word)
    texts = [template.replace("{}", word) for word in words for template in templates]
    vectors = proxy.text_features(texts).reshape(len(labels), len(templates), -1).mean(axis=1)
    return labels, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cosines(proxy: Proxy, cohort: Cohort, rows: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the cosines, float64 (n, L), of these rows' films; they are read from the memory map batch by batch.

    Raises InputError for a score that is not a number.
    """
    scores = np.empty((len(rows), len(vectors)))
    starts = range(0, len(rows), proxy.batch_size)
    for start in progress(starts, total=len(starts), desc=f"batches of {proxy.batch_size}"):
        places = rows[start : start + proxy.batch_size]
        scores[start : start + len(places)] = proxy.image_features(cohort.images(places)) @ vectors.T
    wrong = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if len(wrong):
        name = cohort.index["image_id"].iloc[rows[wrong[0]]]
        raise InputError(
            f"{proxy.name}: the score of {name} is not a number ({len(wrong)} of {len(rows)} films); "
            f"use proxy.precision: fp32, or another model"
        )
    return scores


def score_pool(proxy: Proxy, pool: Cohort, prompts: Mapping[str, str | None], templates: Sequence[str]) -> pd.DataFrame:
    """Return one row a film: image_id, condition_id, sample, trial, position, label, score, and score_{label} of each.

    `score` is the cosine with the text of the film's own label.
    """
    shown = own_labels(pool, prompts)
    labels, vectors = label_vectors(proxy, prompts, templates)
    scores = cosines(proxy, pool, np.arange(len(pool)), vectors)
    table = pool.index[["image_id", *IDENTITY, "trial", "position"]].reset_index(drop=True)
    table["label"] = pd.array(shown, dtype="string")
    table["score"] = scores[np.arange(len(shown)), [labels.index(label) for label in shown]]
    return table.assign(**{f"score_{label}": scores[:, number] for number, label in enumerate(labels)})
