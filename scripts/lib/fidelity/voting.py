"""Votes of experts on the images of a pool: kept is what has enough of them, and those of all experts that must agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.mask_prompts import ANATOMY
from scripts.lib.conditions.masks import side_of
from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.fidelity.experts import VALIDATION, Expert, validate, vote
from scripts.lib.fidelity.memorisation import exact_interval
from scripts.lib.fidelity.vote_effects import ALL, agreement, by_label, diversity
from scripts.lib.filters.dropping import keep_rest, shown_labels
from scripts.lib.filters.proxy.scores import IDENTITY

KEPT = "kept"  # what stands for all experts together
ACCEPTANCE = [
    "dataset",
    "arm",
    "fraction",
    "expert",
    "by",
    "value",
    "images",
    "voted",
    "accepted",
    "share",
    "low",
    "high",
]
REFUSED = "have too few votes of the experts"
BATCH = 512  # masks read at once


def check_rule(names: Sequence[str], need: int, must: Sequence[str]) -> None:
    """Raise InputError where `need` and `must` do not go with the experts' names."""
    if twice := [name for name in names if list(names).count(name) > 1]:
        raise InputError(f"experts.names: {twice[0]} is named twice; one expert has one vote")
    if need > len(names):
        raise InputError(f"experts.need = {need}, but experts.names has {len(names)}; lower need, or name more experts")
    if unknown := [name for name in must if name not in names]:
        raise InputError(f"experts.must: {unknown[0]} is not in experts.names ({', '.join(names)}); add it there")


def validate_all(
    experts: Sequence[Expert], accept: float, floor: float, need: int, must: Sequence[str]
) -> pd.DataFrame:
    """Return the validation of all experts; raises InputError where those that may vote can never reach `need` or `must`."""
    check_rule([one.name for one in experts], need, must)
    table = pd.concat([validate(one, accept, floor) for one in experts], ignore_index=True)
    for _, row in table[~table["votes"]].iterrows():
        log(f"expert {row['expert']} has no vote on {row['subject']}: {row['note']}")
    able = set(table["expert"][table["votes"]])
    silent = [one.name for one in experts if one.name not in able]
    why = {name: str(table["note"][table["expert"] == name].iloc[0]) for name in silent}
    for name in must:
        if name in why:
            raise InputError(
                f"experts.must: {name} may not vote ({why[name]}); take it out of experts.must, or mend it"
            )
    if len(able) < need:
        reasons = "; ".join(f"{name}: {note}" for name, note in why.items())
        raise InputError(f"experts.need = {need}, but {len(able)} of {len(experts)} experts may vote ({reasons}); lower need, or mend them")  # fmt: skip
    return table


def count_votes(votes: Mapping[str, np.ndarray], need: int, must: Sequence[str]) -> np.ndarray:
    """Return which images are kept, bool (n,): at least `need` yes, and yes of every expert in `must`; no vote is no yes."""
    yes = {name: values == 1 for name, values in votes.items()}
    enough = np.sum(list(yes.values()), axis=0) >= need
    return np.asarray(enough & np.logical_and.reduce([np.ones(len(enough), bool), *(yes[name] for name in must)]))


def votes_table(names: pd.Series, votes: Mapping[str, np.ndarray], kept: np.ndarray) -> pd.DataFrame:
    """Return image_id, a column for each expert (true, false, missing = no vote), `yes` (how many) and `kept`."""
    table = pd.DataFrame({"image_id": names.to_numpy(dtype=str)}).astype("string")
    for name, values in votes.items():
        table[name] = pd.Series(values).astype("boolean")
    table["yes"] = np.sum([values == 1 for values in votes.values()], axis=0).astype(np.int64)
    return table.assign(**{KEPT: kept})


def keep_voted(index: pd.DataFrame, labels: Sequence[str], kept: np.ndarray, votes: Mapping[str, np.ndarray]) -> pd.DataFrame:  # fmt: skip
    """Return the list of kept images as trials read it (filters/dropping.py), with the share of yes as `score`.

    What shows several findings is rare: a kind of image of which none is kept in a trial is left out and named. Raises InputError
    where a trial keeps nothing.
    """
    for trial in sorted(index["trial"].unique()):
        if not kept[(index["trial"] == trial).to_numpy()].any():
            shares = ", ".join(f"{name} {np.mean(values == 1):.0%}" for name, values in votes.items())
            raise InputError(
                f"trial {trial}: no image has enough votes (yes: {shares}); lower experts.need or raise experts.accept, take the "
                f"expert that refuses most out of experts.must, train the generator longer, or make more images (arms.*.candidates)"
            )
    kinds = pd.Series(shown_labels(index, labels), index=index.index)
    any_kept = pd.Series(kept, index=index.index).groupby([index["trial"], kinds]).transform("any").to_numpy(bool)
    if not any_kept.all():
        lost = kinds[~any_kept].value_counts()
        shown = ", ".join(f"{name} ({count})" for name, count in lost.head(5).items())
        log(f"{int(lost.sum())} images of {len(lost)} kinds are all refused, so trials lack these: {shown}{' ...' * (len(lost) > 5)}")  # fmt: skip
    share = np.mean([values == 1 for values in votes.values()], axis=0)
    return keep_rest(index[any_kept], labels, ~kept[any_kept], share[any_kept], REFUSED)


def sides_shown(pool: Cohort) -> np.ndarray:
    """Return the side on which an image's findings lie, (n,): left, right, both, none; n/a where the pool has no masks."""
    findings = [name for name in pool.structures if name not in ANATOMY]
    if not findings or not pool.has_masks:
        return np.full(len(pool), "n/a", dtype=object)
    every = np.bitwise_or.reduce([pool.bit(name) for name in findings])
    lungs = pool.bit("lungs") if "lungs" in pool.structures else 0
    sides: list[str] = []
    for start in range(0, len(pool), BATCH):
        fields = pool.masks(np.arange(start, min(start + BATCH, len(pool))))
        for field in fields:
            mask = (field & every) != 0
            side = side_of(mask, (field & lungs) != 0 if lungs else None)
            sides.append(side or ("both" if mask.any() else "none"))
    return np.array(sides, dtype=object)


def acceptance(
    index: pd.DataFrame, labels: Sequence[str], sides: np.ndarray, votes: Mapping[str, np.ndarray], kept: np.ndarray,
    cell: Mapping[str, str],
) -> pd.DataFrame:  # fmt: skip
    """Return the share of images that each expert accepts, and that are kept: of all, by label, side and number of findings.

    Filters favour easy images; this shows which. A row has ACCEPTANCE; shares are of the images on which the expert voted.
    """
    shown = index[list(labels)].fillna(0).to_numpy(float) == 1
    groups = [(ALL if name == ALL else "label", name, here) for name, here in by_label(index, labels)]
    groups += [("side", str(side), sides == side) for side in sorted(set(sides))]
    groups += [("findings", str(count), shown.sum(axis=1) == count) for count in sorted(set(shown.sum(axis=1)))]
    rows: list[dict[str, Any]] = []
    for name, values in [*votes.items(), (KEPT, kept.astype(float))]:
        for by, value, here in groups:
            said = values[here & ~np.isnan(values)]
            yes = int((said == 1).sum())
            low, high = exact_interval(yes, len(said))
            share = yes / len(said) if len(said) else np.nan
            counts = {"images": int(here.sum()), "voted": len(said), "accepted": yes}
            rows.append({**cell, "expert": name, "by": by, "value": value, **counts, "share": share, "low": low, "high": high})  # fmt: skip
    table = pd.DataFrame(rows)[ACCEPTANCE]
    return table.assign(**{name: table[name].astype(float).round(6) for name in ("share", "low", "high")})


def vote_pool(
    pool: Cohort, experts: Sequence[Expert], settings: Mapping[str, Any], cell: Mapping[str, str], seed: int
) -> dict[str, pd.DataFrame]:
    """Return by name: `kept`, the images that trials read; `votes`; `validation` of the experts; and what their votes come to,
    `acceptance`, `agreement` and `diversity`.

    settings  need, must, accept, floor (section experts) and diversity (section proxy)
    """
    need, must = settings["need"], settings["must"]
    validation = validate_all(experts, settings["accept"], settings["floor"], need, must)
    votes = {one.name: vote(one, validation) for one in experts}
    chosen = count_votes(votes, need, must)
    index = pool.index[["image_id", *IDENTITY, "trial", "position", *pool.labels]].reset_index(drop=True)
    kept = keep_voted(index, pool.labels, chosen, votes)
    log(f"{len(kept)} of {len(pool)} images are kept: {need} of {len(experts)} votes, {', '.join(must) or 'none'} among them")  # fmt: skip
    return {
        "kept": kept,
        "votes": votes_table(index["image_id"], votes, chosen),
        "validation": validation.assign(**cell)[[*cell, *VALIDATION]],
        "acceptance": acceptance(index, pool.labels, sides_shown(pool), votes, chosen, cell),
        "agreement": agreement(votes, cell),
        "diversity": diversity(pool, pool.labels, chosen, settings["diversity"], cell, seed),
    }
