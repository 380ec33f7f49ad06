"""From a pool of masks to the conditions of images: a row a mask, in the form of table.py."""

from __future__ import annotations

import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.rows import TEXTS, TRIAL_SAMPLES, condition_id
from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log


def conditions_of(pool: Cohort, words: bool = False) -> pd.DataFrame:
    """Return the conditions of the images to make from the masks of a pool, each mask as it is; `words`: told in words, too.

    A mask that could not be made valid has the place of a valid one of the same trial, of the same ask where there is one: an
    image more of a mask that can be. Labels are what the mask shows. Raises InputError where a trial has no valid mask.
    """
    if pool.meta.get("kind") != "masks":
        raise InputError(f"{pool.folders[0]}: not a pool of masks; expected shards of sample_masks")
    index = pool.index.sort_values(["position", "trial"], kind="stable").reset_index(drop=True)
    bad = (index["faults"].fillna("") != "") if pool.meta.get("masks") == "generated" else pd.Series(False, index.index)
    source = index.iloc[_valid_rows(pool, index, bad).to_numpy()].reset_index(drop=True)
    prompts = source["shown_words"].tolist() if words else [None] * len(source)
    table = pd.DataFrame(
        {
            "condition_id": [condition_id(text, digest, None) for text, digest in zip(prompts, source["mask_sha256"])],
            "position": index["position"],
            "trial": index["trial"],
            "kind": "both" if words else "mask",
            "prompt": prompts,
            "mask_source": source["image_id"],
            "transform": None,
            **{label: source[label] for label in pool.labels},
            "side": None,
        }
    )
    repeat = table.groupby(["trial", "condition_id"], sort=False).cumcount()
    table.insert(3, "sample", table["trial"] * TRIAL_SAMPLES + repeat)
    return table.astype({"position": "int64", "trial": "int64", "sample": "int64"} | dict.fromkeys(TEXTS, "string"))


def _valid_rows(pool: Cohort, index: pd.DataFrame, bad: pd.Series) -> pd.Series:
    """Return for each row of `index` the row whose mask stands for it: itself, or where it is `bad` a valid one."""
    chosen = pd.Series(range(len(index)))
    turns: dict[tuple[int, str], int] = {}
    for row in index.index[bad]:
        trial, prompt = int(index["trial"][row]), str(index["prompt"][row])
        good = index.index[~bad & (index["trial"] == trial)]
        alike = good[index["prompt"][good] == prompt]
        fits = alike if len(alike) else good
        if not len(fits):
            raise InputError(
                f"{pool.folders[0]}: trial {trial} has no valid mask; raise masks.sampling.tries or train for longer"
            )
        turn = turns[trial, prompt] = turns.get((trial, prompt), -1) + 1
        chosen[row] = fits[turn % len(fits)]
    if bad.any():
        log(f"{int(bad.sum())} of {len(index)} masks are not valid; valid ones of the same trial have their places")
    return chosen
