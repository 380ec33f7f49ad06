"""Simulated raters: scores from what can be judged of a film by rule, with each rater's severity, noise and drift.

They judge three things: whether a film shows the findings of its text (and on its side), whether it follows the edges
of its mask, and whether it looks like a real film. They do not see size words, findings that cannot be told on the
judge's real films, or anything else a radiologist would. So they test the machinery from ratings to a tuned generator;
what the result is worth clinically, only radiologists can say.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng
from scripts.lib.feedback.caption_rules import mentions
from scripts.lib.feedback.log import Rating
from scripts.lib.feedback.log_values import ASPECTS, MAX_SCORE
from scripts.lib.feedback.simulation_judges import Judges

SIDE_WEIGHT = 0.5  # what is left of a finding on the wrong side
UNKNOWN = 0.5  # how well a film follows a mask of which nothing can be judged
ASPECTS_OF = {"text": ("text",), "mask": ("mask",), "both": ("text", "mask"), "control": ("text",)}


def text_fit(prompt: str, presence: Mapping[str, float], left: Mapping[str, float], unnamed_weight: float) -> float:
    """Return how well one film shows what its text names, in [0, 1], from the judges' probabilities.

    The mean over named findings of the probability that each is there (on the wrong side, SIDE_WEIGHT of it), and with
    `unnamed_weight` that nothing else is. Where the text names nothing that can be judged, the latter alone.
    """
    named, fits = set(), []
    for mention in mentions(prompt):
        named.add(mention.label)
        if mention.label is None or mention.label not in presence:
            continue
        value = presence[mention.label]
        if mention.label in left and mention.side in ("left", "right"):
            right_side = left[mention.label] if mention.side == "left" else 1 - left[mention.label]
            value *= SIDE_WEIGHT + (1 - SIDE_WEIGHT) * right_side
        fits.append(value)
    nothing_else = 1 - max((value for name, value in presence.items() if name not in named), default=0.0)
    if not fits:
        return float(nothing_else)
    return float((1 - unnamed_weight) * np.mean(fits) + unnamed_weight * nothing_else)


def judge_sets(
    sets: pd.DataFrame, pool: Cohort, cohorts: Sequence[Cohort], judges: Judges, settings: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the true quality of every image: set_id, image (sample number), text, mask; 0..5, NaN where not asked."""
    table, images, fields = _shown(sets, pool, cohorts)
    presence, left = judges.findings.presence(images), judges.findings.left(images)
    artefact = judges.artefact(images)
    masked = np.flatnonzero(table["kind"].isin(["mask", "both"]).to_numpy())
    follows = np.full(len(table), np.nan)
    if len(masked):
        follows[masked] = np.nan_to_num(judges.mask(images[masked], fields[masked]), nan=UNKNOWN)
    text = np.full(len(table), np.nan)
    for row in np.flatnonzero((table["kind"] != "mask").to_numpy()):
        there, on_left = ({name: float(values[row]) for name, values in known.items()} for known in (presence, left))
        text[row] = text_fit(table["prompt"].iloc[row], there, on_left, settings["unnamed_weight"])
    quality = {
        name: np.clip(fit - settings["artefact_weight"] * artefact, 0, 1)
        for name, fit in (("text", text), ("mask", follows))
    }
    return table[["set_id", "image"]].assign(**{name: MAX_SCORE * values for name, values in quality.items()})


def _shown(sets: pd.DataFrame, pool: Cohort, cohorts: Sequence[Cohort]) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return (set_id, kind, prompt, image; one row an image), the images (n, H, H), the mask fields (n, H, H)."""
    by_name = {str(cohort.meta.get("dataset")): cohort for cohort in cohorts}
    places = {
        (key, int(sample)): row
        for row, (key, sample) in enumerate(zip(pool.index["condition_id"], pool.index["sample"]))
    }
    samples = sorted({sample for _, sample in places})
    fields = pool.masks(slice(None)) if pool.has_masks else None
    rows, images, masks = [], [], []
    for one in sets.sort_values("set_id").to_dict("records"):
        set_id, condition = one["set_id"], one["condition_id"]
        if one["kind"] == "control":
            shown = _films(one, by_name)
            mask = np.zeros_like(shown)
        else:
            missing = [sample for sample in samples if (condition, sample) not in places]
            if missing:
                raise InputError(f"{pool.folders[0]}: no image {missing} of {set_id}, condition {condition}; sample it")
            where = [places[condition, sample] for sample in samples]
            shown = pool.images(where)
            mask = np.zeros_like(shown) if fields is None else fields[where]
        prompt = None if pd.isna(one["prompt"]) else one["prompt"]
        rows += [(set_id, one["kind"], prompt, image) for image in range(len(shown))]
        images.append(shown)
        masks.append(mask)
    table = pd.DataFrame(rows, columns=["set_id", "kind", "prompt", "image"])
    return table, np.concatenate(images), np.concatenate(masks)


def _films(one: Mapping[Hashable, Any], by_name: Mapping[str, Cohort]) -> np.ndarray:
    set_id, dataset = one["set_id"], one["dataset"]
    if dataset not in by_name:
        raise InputError(f"{set_id}: its films are of cohort {dataset!r}, not among {sorted(by_name)}; give --cohorts")
    cohort = by_name[dataset]
    rows = pd.Series(np.arange(len(cohort)), index=cohort.index["image_id"]).reindex(json.loads(one["films"]))
    if rows.isna().any():
        raise InputError(
            f"{set_id}: films not in cohort {dataset}, e.g. {rows.index[rows.isna()][0]}; draw the sets anew"
        )
    return cohort.images(rows.to_numpy().astype(np.int64))


def simulate(
    sets: pd.DataFrame, assignments: pd.DataFrame, quality: pd.DataFrame, settings: Mapping[str, Any], seed: int
) -> Iterator[Rating]:
    """Yield every rating of every rater, in the order in which they are given; the same for any order of the tables.

    score = quality + severity of the rater + drift of the rater x (share of the order done - 1/2) + noise, rounded and
    cut to 0..5. `settings`: severity, drift and noise, standard deviations in points.
    """
    kinds = dict(zip(sets["set_id"], sets["kind"]))
    unknown = sorted(set(assignments["set_id"]) - set(kinds))
    if unknown:
        raise InputError(
            f"assignments: {len(unknown)} sets are not in the table of sets, e.g. {unknown[0]}; deal them anew"
        )
    true = {(one.set_id, one.image): (one.text, one.mask) for one in quality.itertuples()}
    for rater, of_rater in assignments.sort_values(["rater", "place"]).groupby("rater", sort=True):
        nature = rng(seed, "simulation", "rater", rater)
        severity, drift = nature.normal(0, settings["severity"]), nature.normal(0, settings["drift"])
        for place, set_id, role, text in zip(
            of_rater["place"], of_rater["set_id"], of_rater["role"], of_rater["order"]
        ):
            shift, order = severity + drift * (place / max(len(of_rater) - 1, 1) - 0.5), json.loads(text)
            stream = rng(seed, "simulation", "noise", rater, set_id, role == "repeat")
            noise = stream.normal(0, settings["noise"], (len(order), len(ASPECTS)))
            for image in order:
                for aspect in ASPECTS_OF[kinds[set_id]]:
                    number = ASPECTS.index(aspect)
                    value = true[set_id, image][number] + shift + noise[image, number]
                    score = int(np.clip(np.rint(value), 0, MAX_SCORE))
                    # The judges always see a mask that there is.
                    outline = True if "mask" in ASPECTS_OF[kinds[set_id]] else None
                    yield Rating(str(rater), set_id, role, int(place), int(image), aspect, score, outline)
