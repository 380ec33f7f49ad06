"""From scores to pairs: which of two images of one set raters prefer, split into train and held-out by set.

A line of a preferences file: set_id, kind, prompt, mask_source, condition_id, winner and loser {sample, text, mask},
weight, raters. Nothing in it depends on the order of the log's lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.lib.errors import InputError
from scripts.lib.feedback.log import ASPECTS
from scripts.lib.seeds import content_hash

RULES = {"pairs": ("all", "best_worst", "margin"), "raters": ("combined", "each"), "combine": ("mean", "median")}
DIGITS = 9  # means closer than this are equal: their difference is a rounding error
Scores = dict[str, float | None]


def build_pairs(latest: pd.DataFrame, sets: pd.DataFrame, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all pairs, in canonical order; ties in every aspect are dropped, controls left out.

    `latest` as of log.read_ratings; `settings`: pairs, margin (points), raters, combine. A rater's repeats of a set are
    averaged first. With `raters: each` a pair weighs 1 / raters of its set, so that a shared set counts once.
    """
    _check(settings)
    known = sets.drop_duplicates("set_id").set_index("set_id")
    unknown = sorted(set(latest["set_id"]) - set(known.index))
    if unknown:
        raise InputError(f"ratings: set {unknown[0]} is not in the table of sets; give the sets that were rated")
    rated = latest[(latest["role"] != "control") & (latest["set_id"].map(known["kind"]) != "control")]
    own = rated.groupby(["set_id", "rater", "image", "aspect"])["score"].mean().reset_index()
    pairs = []
    for set_id, scores in own.groupby("set_id", sort=True):
        names = sorted(scores["rater"].unique())
        groups = [names] if settings["raters"] == "combined" else [[name] for name in names]
        row = {key: _text(known.loc[set_id, key]) for key in ("kind", "prompt", "mask_source", "condition_id")}
        for group in groups:
            images = _combine(scores[scores["rater"].isin(group)], settings["combine"])
            for winner, loser in _chosen(images, settings):
                sides = {"winner": {"sample": winner} | images[winner], "loser": {"sample": loser} | images[loser]}
                weight = round(1 / len(groups), DIGITS)
                pairs.append({"set_id": str(set_id), **row, **sides, "weight": weight, "raters": group})
    return pairs


def split_pairs(
    pairs: Sequence[dict[str, Any]], share: float, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return (train, held-out): whole sets, about `share` of them and one at least where there are two or more."""
    if not 0 < share < 1:
        raise InputError(f"preferences.heldout = {share}: expected a share between 0 and 1")
    names = sorted({pair["set_id"] for pair in pairs}, key=lambda name: content_hash(seed, "heldout", name))
    count = min(max(1, round(share * len(names))), len(names) - 1) if names else 0
    chosen = set(names[:count])
    return [p for p in pairs if p["set_id"] not in chosen], [p for p in pairs if p["set_id"] in chosen]


def write_pairs(path: Path, pairs: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line."""
    path.write_text("".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs))


def read_pairs(path: Path) -> list[dict[str, Any]]:
    """Return the pairs of a file; raises InputError naming the line that is not one."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; make it with build_preferences")
    pairs = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            pair = json.loads(line)
            for side in ("winner", "loser"):
                if set(pair[side]) != {"sample", *ASPECTS}:
                    raise ValueError(f"{side} has keys {sorted(pair[side])}")
                for value in (pair[side][aspect] for aspect in ASPECTS):
                    if value is not None and not 0 <= value <= 5:
                        raise ValueError(f"{side} has a score of {value}, expected 0..5 or null")
            if not pair["weight"] > 0 or not isinstance(pair["condition_id"], str):
                raise ValueError("weight must be above 0 and condition_id a text")
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}:{number}: not a pair ({error!r}); remake it with build_preferences") from None
        pairs.append(pair)
    return pairs


def _combine(scores: pd.DataFrame, how: str) -> dict[int, Scores]:
    """Return {image: {text, mask}}: the raters' mean or median, None where nobody has rated that aspect."""
    merged = scores.groupby(["image", "aspect"])["score"].agg(how).round(DIGITS)
    images = sorted({int(image) for image, _ in merged.index})
    return {
        image: {a: float(merged[image, a]) if (image, a) in merged.index else None for a in ASPECTS} for image in images
    }


def _differences(first: Scores, second: Scores) -> list[float]:
    return [round(first[a] - second[a], DIGITS) for a in ASPECTS if first[a] is not None and second[a] is not None]


def _chosen(images: Mapping[int, Scores], settings: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return (winner, loser) samples. Where the aspects disagree, their sum names the winner, then the text."""
    pairs = []
    for first, second in combinations(sorted(images), 2):
        gaps = _differences(images[first], images[second])
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


def _text(value: object) -> str | None:
    return None if pd.isna(value) else str(value)


def _check(settings: Mapping[str, Any]) -> None:
    for key, allowed in RULES.items():
        if settings[key] not in allowed:
            raise InputError(f"preferences.{key} = {settings[key]!r}: expected one of {', '.join(allowed)}")
    if settings["pairs"] == "margin" and not settings["margin"] > 0:
        raise InputError(f"preferences.margin = {settings['margin']}: expected points above 0")
