"""What sets are made from: captions balanced over findings, held-out masks, and real films as controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.conditions.mask_sources import CHUNK
from scripts.lib.conditions.masks import side_of
from scripts.lib.conditions.prompts import spread
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng
from scripts.lib.feedback.caption_rules import NORMAL, mentions
from scripts.lib.feedback.captions import held_out_rows

OTHER = "other"


@dataclass(frozen=True)
class MaskFilm:
    """A held-out film whose mask conditions a set: `present` = bits of its structures, `side` of the target or None."""

    image_id: str
    sha256: str
    present: int
    side: str | None


@dataclass(frozen=True)
class Control:
    """Real films, each of another patient, that have one caption."""

    caption: str
    dataset: str
    image_ids: tuple[str, ...]


def largest_remainder(shares: Mapping[str, float], count: int) -> dict[str, int]:
    """Return how many of `count` each name gets: rounded down, and the rest to the largest remainders, first of equals.

    Raises InputError for negative shares or a sum other than 1.
    """
    if min(shares.values(), default=-1) < 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise InputError(f"kinds {dict(shares)}: expected shares from 0 to 1 that sum to 1")
    exact = {name: share * count for name, share in shares.items()}
    counts = {name: int(value + 1e-9) for name, value in exact.items()}
    order = sorted(shares, key=lambda name: -round(exact[name] - counts[name], 9))
    for name in order[: count - sum(counts.values())]:
        counts[name] += 1
    return counts


def finding_of(caption: str) -> str:
    """Return the group that a caption is balanced in: its first finding, "Normal", or "other"."""
    named = mentions(caption)
    return named[0].name if named else NORMAL if caption == NORMAL else OTHER


def in_turn(sizes: Sequence[int], count: int) -> list[int]:
    """Return how many each group gives so that `count` are taken in turn, a group dropping out when it is empty."""
    taken = [0] * len(sizes)
    while count > 0 and any(used < size for used, size in zip(taken, sizes)):
        for group, size in enumerate(sizes):
            if count and taken[group] < size:
                taken[group] += 1
                count -= 1
    return taken


def pick_captions(captions: pd.DataFrame, count: int, normal_share: float, seed: int) -> list[str]:
    """Return the captions of `count` text sets, findings in turn, every caption before any comes again.

    A caption is used at most as often as reports have it. Raises InputError where there are too few.
    """
    normal = spread(normal_share, count)
    pools = {}
    for is_normal, wanted in ((True, int(normal.sum())), (False, int((~normal).sum()))):
        rows = captions[(captions["caption"] == NORMAL) == is_normal]
        pools[is_normal] = iter(_balanced(rows, wanted, seed))
        if len(rows) < wanted:
            kind = "normal films" if is_normal else "films with a finding"
            raise InputError(
                f"sets: {wanted} text sets of {kind} are wanted, but only {len(rows)} held-out captions are of such; "
                f"lower feedback.sets.sets, or change normal_share"
            )
    return [next(pools[bool(is_normal)]) for is_normal in normal]


def _balanced(rows: pd.DataFrame, count: int, seed: int) -> list[str]:
    """Return `count` captions of these rows, groups of one finding in turn."""
    texts = {text: finding_of(text) for text in rows["caption"].unique()}
    ordered = rows.sort_values(["dataset", "image_id"], kind="stable")
    ordered = ordered.iloc[rng(seed, "sets", "captions").permutation(len(ordered))]
    again = ordered.groupby("caption").cumcount().to_numpy()
    ordered = ordered.iloc[np.argsort(again, kind="stable")]
    group = ordered["caption"].map(texts)
    names = sorted(group.unique())
    names = [names[k] for k in rng(seed, "sets", "findings").permutation(len(names))]
    taken = in_turn([int((group == name).sum()) for name in names], count)
    turns = [
        (turn, place, caption)
        for place, (name, many) in enumerate(zip(names, taken))
        for turn, caption in enumerate(ordered["caption"][group == name].head(many))
    ]
    return [caption for _, _, caption in sorted(turns, key=lambda one: one[:2])]


def mask_films(cohort: Cohort, splits: Mapping[str, Sequence[str]], target: str) -> list[MaskFilm]:
    """Return the held-out films of the mask cohort that have any mask, by image_id; InputError when there are none."""
    dataset = cohort.meta.get("dataset")
    if not cohort.has_masks:
        raise InputError(f"{cohort.folders[0]}: cohort {dataset} has no masks; name one that has in sets.mask_dataset")
    cohort.bit(target)
    rows = held_out_rows(cohort, splits)
    stored = cohort.index["mask_sha256"] if "mask_sha256" in cohort.index else pd.Series(pd.NA, cohort.index.index)
    films = []
    for first in range(0, len(rows), CHUNK):
        part = rows[first : first + CHUNK]
        for row, field in zip(part, cohort.masks(part)):
            present = int(np.bitwise_or.reduce(field, axis=None))
            if not present:
                continue
            sha = pixels_sha256(field) if pd.isna(stored.iloc[row]) else str(stored.iloc[row])
            films.append(MaskFilm(str(cohort.index["image_id"].iloc[row]), sha, present, _side(cohort, field, target)))
    if not films:
        raise InputError(
            f"{cohort.folders[0]}: none of {len(rows)} held-out films of {dataset} has a mask; set kinds mask and both to "
            f"0, or hold out films with masks (feedback.splits.{dataset})"
        )
    return sorted(films, key=lambda film: film.image_id)


def _side(cohort: Cohort, field: np.ndarray, target: str) -> str | None:
    lungs = (field & cohort.bit("lungs")) != 0 if "lungs" in cohort.structures else None
    return side_of((field & cohort.bit(target)) != 0, lungs)


def pick_masks(
    films: Sequence[MaskFilm], count: int, bit: int, settings: Mapping[str, Any], name: str, seed: int
) -> list[MaskFilm]:
    """Return `count` films, none twice, `positive_share` of which show the structure of `bit`; `name`: their kind."""
    shows = spread(settings["positive_share"], count)
    order = [films[k] for k in rng(seed, "sets", name).permutation(len(films))]
    stocks = {
        True: [film for film in order if film.present & bit],
        False: [film for film in order if not film.present & bit],
    }
    for positive, wanted in ((True, int(shows.sum())), (False, int((~shows).sum()))):
        if len(stocks[positive]) < wanted:
            raise InputError(
                f"sets: {wanted} {name} sets {'with' if positive else 'without'} {settings['mask_target']} are wanted, but "
                f"only {len(stocks[positive])} held-out films fit; lower feedback.sets.sets or change positive_share"
            )
    iters = {key: iter(stock) for key, stock in stocks.items()}
    return [next(iters[bool(positive)]) for positive in shows]


def pick_controls(captions: pd.DataFrame, count: int, images: int, seed: int) -> list[Control]:
    """Return `count` controls: films of different patients with one caption of one finding; no film is used twice."""
    singles = {text for text in captions["caption"].unique() if len(mentions(text)) == 1}
    rows = captions[captions["caption"].isin(singles)].sort_values(["dataset", "image_id"], kind="stable")
    rows = rows.iloc[rng(seed, "sets", "controls").permutation(len(rows))].drop_duplicates(["dataset", "patient_id"])
    made = []
    for (caption, dataset), films in rows.groupby(["caption", "dataset"], sort=True):
        ids = films["image_id"].tolist()
        for turn in range(len(ids) // images):
            films_here = tuple(map(str, ids[turn * images : (turn + 1) * images]))
            made.append((turn, finding_of(str(caption)), Control(str(caption), str(dataset), films_here)))
    made.sort(key=lambda one: (one[0], one[1], one[2].caption, one[2].dataset))
    if len(made) < count:
        raise InputError(
            f"sets: {count} controls of {images} real films with one caption are wanted, but the held-out captions give "
            f"{len(made)}; lower feedback.sets.control_share"
        )
    # Findings in turn: the k-th control of each finding comes before any (k+1)-th.
    ranked = pd.DataFrame(made, columns=["turn", "finding", "control"])
    ranked["rank"] = ranked.groupby("finding").cumcount()
    return ranked.sort_values(["rank", "finding"], kind="stable")["control"].head(count).tolist()
