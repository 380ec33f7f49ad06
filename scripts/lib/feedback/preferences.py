"""From scores to pairs: which of two images of one set raters prefer, split by set into three parts.

Pairs of the first teach, those of the second choose the step that is published, and those of the third, which had no say in
either, tell what it is worth.

A line of a preferences file: set_id, kind, prompt, mask_source, condition_id, winner and loser {sample, text, mask},
weight, raters. Nothing in it depends on the order of the log's lines.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.conditions.prompts import TextCell
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash
from scripts.lib.feedback.app.places import KIND_ASPECTS
from scripts.lib.feedback.log_values import ASPECTS, IMAGES

COMBINE: dict[str, Callable[..., np.ndarray]] = {"mean": np.mean, "median": np.median}
RULES = {"pairs": ("all", "best_worst", "margin"), "raters": ("combined", "each"), "combine": tuple(COMBINE)}
READING = ["set_id", "rater", "place"]
DIGITS = 9  # means closer than this are equal: their difference is a rounding error
Scores = dict[str, float | None]
ScoredPair = tuple[Scores, Scores, list[str]]  # of the earlier image, of the later one, and who scored both


def build_pairs(latest: pd.DataFrame, sets: pd.DataFrame, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all pairs, in canonical order; ties in every aspect are dropped, controls left out.

    `latest` as of log.read_ratings; `settings`: pairs, margin (points), raters, combine.

    A reading is what one rater gave one set at one place. Two images are compared within readings that scored both, so
    that in a set that someone left half rated neither a rater's severity nor a change of mind decides. A rater's
    readings (a set and its repeat) are averaged first, then raters are combined; a pair names the raters behind it. With
    `raters: each` a pair weighs 1 / raters of its set, so that a shared set counts once.
    """
    _check(settings)
    known = sets.drop_duplicates("set_id").set_index("set_id")
    about = known.to_dict("index")
    heads, scores = _readings(latest, known)
    pairs = []
    for set_id, rows in sorted(heads.groupby("set_id").indices.items()):
        names = heads["rater"].to_numpy()[rows]
        groups = [None] if settings["raters"] == "combined" else sorted(set(names))
        pairs_of_set = []
        for group in groups:
            of_group = rows if group is None else rows[names == group]
            compared = _compared(scores[of_group], heads["rater"].to_numpy()[of_group], settings["combine"])
            if compared:
                pairs_of_set.append((compared, _chosen(compared, settings)))
        row = {key: _text(about[set_id][key]) for key in ("kind", "prompt", "mask_source", "condition_id")}
        for compared, chosen in pairs_of_set:
            for winner, loser in chosen:
                pair = (min(winner, loser), max(winner, loser))
                first, second, raters = compared[pair]
                by_image = dict(zip(pair, (first, second)))
                sides = {name: {"sample": k} | by_image[k] for name, k in (("winner", winner), ("loser", loser))}
                weight = round(1 / len(pairs_of_set), DIGITS)
                pairs.append({"set_id": str(set_id), **row, **sides, "weight": weight, "raters": raters})
    return pairs


def count_partial(latest: pd.DataFrame, sets: pd.DataFrame) -> tuple[int, int]:
    """Return how many readings lack a score of an image in an aspect that their set has, and how many there are."""
    known = sets.drop_duplicates("set_id").set_index("set_id")
    heads, scores = _readings(latest, known)
    if not len(heads):
        return 0, 0
    asked = np.array(
        [[aspect in KIND_ASPECTS[kind] for aspect in ASPECTS] for kind in heads["set_id"].map(known["kind"])]
    )
    shown = range(int(latest["image"].max()) + 1)
    lacks = np.isnan(scores[:, shown]) & asked[:, None]
    return int(lacks.any(axis=(1, 2)).sum()), len(heads)


def _readings(latest: pd.DataFrame, known: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Return (set_id, rater, place; a row a reading, in this order) and the scores (readings, images, aspects), NaN = none."""
    unknown = sorted(set(latest["set_id"]) - set(known.index))
    if unknown:
        raise InputError(f"ratings: set {unknown[0]} is not in the table of sets; give the sets that were rated")
    rated = latest[(latest["role"] != "control") & (latest["set_id"].map(known["kind"]) != "control")]
    heads = rated[READING].drop_duplicates().sort_values(READING, ignore_index=True)
    scores = np.full((len(heads), IMAGES, len(ASPECTS)), np.nan)
    row = rated.groupby(READING, sort=True).ngroup().to_numpy()
    scores[row, rated["image"].to_numpy(), rated["aspect"].map(ASPECTS.index).to_numpy(int)] = rated["score"]
    return heads, scores


def split_parts(
    pairs: Sequence[dict[str, Any]], heldout: float, report: float, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return (train, held-out, report), `heldout` and `report` being shares of all sets; see split_pairs."""
    if not heldout + report < 1:
        raise InputError(
            f"preferences.heldout = {heldout} and preferences.report = {report}: nothing is left to learn from; expected a "
            "sum below 1"
        )
    rest, chosen = split_pairs(pairs, heldout, seed)
    train, reported = split_pairs(rest, report / (1 - heldout), seed, "report")
    return train, chosen, reported


def split_pairs(
    pairs: Sequence[dict[str, Any]], share: float, seed: int, name: str = "heldout"
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return (train, held-out): whole sets, about `share` of them and one at least where there are two or more.

    Each kind of set (text, mask, both) gives its share, rounded so that the total is right.
    """
    if not 0 < share < 1:
        raise InputError(f"preferences.{name} = {share}: expected a share between 0 and 1")
    kinds = {pair["set_id"]: pair["kind"] for pair in pairs}
    count = min(max(1, round(share * len(kinds))), len(kinds) - 1) if kinds else 0
    sizes = Counter(kinds.values())
    taken = {kind: int(share * size) for kind, size in sizes.items()}
    # The largest remainders get what rounding down has left, a kind that would have no set left to teach last.
    behind = sorted(sizes, key=lambda k: (taken[k] + 1 == sizes[k], round(taken[k] - share * sizes[k], DIGITS), k))
    for kind in behind[: count - sum(taken.values())] if count > sum(taken.values()) else ():
        taken[kind] += 1
    chosen: set[str] = set()
    for kind, number in taken.items():
        names = (one for one in kinds if kinds[one] == kind)
        chosen |= set(sorted(names, key=lambda one: content_hash(seed, name, one))[:number])
    return [p for p in pairs if p["set_id"] not in chosen], [p for p in pairs if p["set_id"] in chosen]


def write_pairs(path: Path, pairs: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line."""
    path.write_text("".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs), encoding="utf-8")


def read_pairs(path: Path) -> list[dict[str, Any]]:
    """Return the pairs of a file; raises InputError naming the line that is not one."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; make it with build_preferences")
    pairs, lines = [], path.read_bytes().split(b"\n")
    for number, line in enumerate(lines if lines[-1] else lines[:-1], start=1):
        try:
            pair = json.loads(line)
            for side in ("winner", "loser"):
                if set(pair[side]) != {"sample", *ASPECTS}:
                    raise ValueError(f"{side} has keys {sorted(pair[side])}")
                for value in (pair[side][aspect] for aspect in ASPECTS):
                    if value is not None and not 0 <= value <= 5:
                        raise ValueError(f"{side} has a score of {value}, expected 0..5 or null")
            samples = [pair[side]["sample"] for side in ("winner", "loser")]
            if any(type(sample) is not int or sample < 0 for sample in samples) or samples[0] == samples[1]:
                raise ValueError(f"winner and loser have samples {samples}, expected two numbers of images")
            if not 0 < pair["weight"] < float("inf") or not all(
                isinstance(pair[key], str) for key in ("condition_id", "set_id")
            ):
                raise ValueError("weight must be above 0, condition_id and set_id texts")
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}:{number}: not a pair ({error!r}); remake it with build_preferences") from None
        pairs.append(pair)
    return pairs


def _compared(scores: np.ndarray, raters: np.ndarray, how: str) -> dict[tuple[int, int], ScoredPair]:
    """Return {(image, later image): scores of both, who compared them} of readings (n, images, aspects) by `raters` (n,).

    A score is None in an aspect in which no reading has both images; pairs without any aspect are left out.
    """
    compared = {}
    for pair in combinations(range(scores.shape[1]), 2):
        both = ~np.isnan(scores[:, pair]).any(axis=1)
        if not both.any():
            continue
        sides: tuple[Scores, Scores] = ({}, {})
        for number, aspect in enumerate(ASPECTS):
            chosen = both[:, number]
            # One mean a rater, (raters, 2), in the order of their names.
            means = [
                scores[chosen & (raters == name)][:, pair, number].mean(axis=0) for name in np.unique(raters[chosen])
            ]
            combined = [float(value) for value in COMBINE[how](means, axis=0)] if means else (None, None)
            for side, value in zip(sides, combined):
                side[aspect] = None if value is None else round(value, DIGITS)
        compared[pair] = (*sides, [str(name) for name in np.unique(raters[both.any(axis=1)])])
    return compared


def _differences(first: Scores, second: Scores) -> list[float]:
    both = ((first[aspect], second[aspect]) for aspect in ASPECTS)
    return [round(one - other, DIGITS) for one, other in both if one is not None and other is not None]


def _chosen(compared: Mapping[tuple[int, int], ScoredPair], settings: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return (winner, loser) samples. Where the aspects disagree, their sum names the winner, then the text."""
    pairs = []
    for (first, second), (*sides, _) in compared.items():
        gaps = _differences(*sides)
        if not any(gaps):
            continue
        if settings["pairs"] == "margin" and max(map(abs, gaps)) < settings["margin"]:
            continue
        total = round(sum(gaps), DIGITS) or next(gap for gap in gaps if gap)
        pairs.append((total, (first, second) if total > 0 else (second, first)))
    if settings["pairs"] == "best_worst" and pairs:
        # The widest gap is best against worst; of equal ones the first.
        return [max(pairs, key=lambda pair: abs(pair[0]))[1]]
    return [pair for _, pair in pairs]


def _text(value: TextCell) -> str | None:
    return None if pd.isna(value) else str(value)


def _check(settings: Mapping[str, Any]) -> None:
    for key, allowed in RULES.items():
        if settings[key] not in allowed:
            raise InputError(f"preferences.{key} = {settings[key]!r}: expected one of {', '.join(allowed)}")
    if settings["pairs"] == "margin" and not settings["margin"] > 0:
        raise InputError(f"preferences.margin = {settings['margin']}: expected points above 0")
