"""The table of faithfulness: do the images of a pool show what their label or their mask says?

A judge that learned from real films alone looks at the images. Beside what it finds stand the floor (the same judge on real films
that it has not seen) and chance (the same with labels dealt out anew, or with masks of other images).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.core.parquet import read_parquet
from scripts.lib.fidelity.agreement import (
    IDS,
    MASKS,
    NONE,
    Estimate,
    agreement,
    asked_and_found,
    auroc_of,
    mean_of,
    share_of,
    shuffled_auroc,
)
from scripts.lib.fidelity.verdicts import FAILS, PASSES, UNDECIDED

COLUMNS = [
    *["dataset", "arm", "fraction", "judge", "measure", "shows", "value", "low", "high", "n"],
    *["floor", "floor_low", "floor_high", "chance", "chance_low", "chance_high", "verdict", "note"],
]
LEAST = 20  # images, and films, of each class (or with a mask) that a verdict needs
Measure = tuple[str, str, Estimate, Estimate, Estimate]  # name, what is to be seen, images, floor, chance


def table(
    images: pd.DataFrame, real: pd.DataFrame, shows: Sequence[str], masks: bool, settings: Mapping[str, Any],
    cell: Mapping[str, str], notes: Sequence[str] = (),
) -> pd.DataFrame:  # fmt: skip
    """Return the table (COLUMNS) of one pool; its first row has the measure that decides, its last one `share`.

    images, real  what the judge found on the pool and on held-out real films (agreement.py)
    shows         the labels, or the one structure, that images are asked for
    settings      least: share of what real films reach above chance that images must reach; percentile: see `agreement`
    cell          dataset, arm, fraction, judge
    """
    measures = _of_masks(images, real, shows[0]) if masks else _of_labels(images, real, shows)
    main = measures[0]
    share = share_of(main[2], main[3], main[4].value)
    usual = [agreement(part, real, [] if masks else shows) for part in (images, real)]
    agree = [
        mean_of((one >= settings["percentile"] / 100).astype(float), _groups(part))
        for one, part in zip(usual, (images, real))
    ]
    every = [*measures, ("agree", main[1], agree[0], agree[1], NONE), ("share", main[1], share, NONE, NONE)]
    lacking = _lacking(images, real, shows, masks)
    word, why = _verdict(main, share, lacking, settings["least"])
    said = "; ".join(filter(None, [why, *notes]))
    rows = [
        {**cell, "measure": name, "shows": about, **_numbers(estimate, floor, chance), "n": estimate.n, "verdict": word,
         "note": said if name in (main[0], "share") and about == main[1] else ""}
        for name, about, estimate, floor, chance in every
    ]  # fmt: skip
    made = pd.DataFrame(rows).reindex(columns=COLUMNS)
    numbers = COLUMNS[6:9] + COLUMNS[10:16]
    return made.assign(**{name: made[name].astype(float).round(6) for name in numbers})


def _of_labels(images: pd.DataFrame, real: pd.DataFrame, labels: Sequence[str]) -> list[Measure]:
    """Return the AUROC over all labels that can be compared, then that of each where there are several."""
    sides = [asked_and_found(part, labels) for part in (images, real)]
    both = [k for k in range(len(labels)) if all({0, 1} <= set(asked[:, k]) for asked, _ in sides)]
    groups = [_groups(part) for part in (images, real)]
    several = [("auroc", "+".join(labels[k] for k in both) or "+".join(labels), both)]
    if len(labels) > 1:
        several += [("auroc", labels[k], [k]) for k in range(len(labels))]
    out: list[Measure] = []
    for name, about, chosen in several:
        if not chosen:
            out.append((name, about, NONE, NONE, NONE))
            continue
        own, floor = [
            auroc_of(asked[:, chosen], found[:, chosen], group) for (asked, found), group in zip(sides, groups)
        ]
        out.append((name, about, own, floor, shuffled_auroc(*(part[:, chosen] for part in sides[0]))))
    return out


def _of_masks(images: pd.DataFrame, real: pd.DataFrame, structure: str) -> list[Measure]:
    """Return Dice and agreement of the side on images with a mask, and how often nothing is found on those without one."""

    def both(values: Callable[[pd.DataFrame], np.ndarray]) -> tuple[Estimate, Estimate]:
        return mean_of(values(images), _groups(images)), mean_of(values(real), _groups(real))

    chance, _ = both(lambda part: _shown(part, "by_chance"))
    return [
        ("dice", structure, *both(lambda part: _shown(part, "dice")), chance),
        ("side", structure, *both(_same_side), NONE),
        ("clear", f"no {structure}", *both(_clear), NONE),
    ]


def _shown(part: pd.DataFrame, name: str) -> np.ndarray:
    return np.where(part["asked"] > 0, part[name].to_numpy(float), np.nan)


def _clear(part: pd.DataFrame) -> np.ndarray:
    return np.where(part["asked"] > 0, np.nan, (part["found"] == 0).astype(float))


def _same_side(part: pd.DataFrame) -> np.ndarray:
    """Return whether mask and finding lie on the same side, NaN where the mask is on neither; nothing found is another side."""
    asked, found = part["side_asked"], part["side_found"]
    return np.where(asked.isna(), np.nan, (asked == found).fillna(False).to_numpy(float))


def _groups(part: pd.DataFrame) -> np.ndarray:
    return part["group"].to_numpy(dtype=str)


def _lacking(images: pd.DataFrame, real: pd.DataFrame, shows: Sequence[str], masks: bool) -> str:
    """Return what is too few for a verdict, "" where nothing is."""
    lacking = []
    for part, name in ((images, "images"), (real, "held-out films")):
        if masks:
            count, of = int((part["asked"] > 0).sum()), f"with {shows[0]}"
        else:
            asked, _ = asked_and_found(part, shows)
            classes = [(int((column == 1).sum()), int((column == 0).sum())) for column in asked.T]
            count = max(min(pair) for pair in classes)
            of = f"of the rarer class of {shows[0] if len(shows) == 1 else 'any label'}"
        if count < LEAST:
            lacking.append(f"{count} {name} {of}, fewer than {LEAST}")
    return "; ".join(lacking)


def _verdict(main: Measure, share: Estimate, lacking: str, least: float) -> tuple[str, str]:
    """Return the verdict, and why.

    fails      the images reach less than `least` of what real films reach above chance (upper end of the interval)
    passes     they reach it (lower end)
    undecided  neither, or too few images or films, or the judge does not tell real films either
    """
    name, _, estimate, floor, chance = main
    if lacking:
        return UNDECIDED, lacking
    if not floor.low > chance.high:
        return UNDECIDED, f"the judge hardly tells real films: {name} {floor.value:.3f}, chance {chance.value:.3f}"
    why = f"{name} {estimate.value:.3f}; real films {floor.value:.3f}, chance {chance.value:.3f}"
    if share.high < least:
        return FAILS, f"images show {max(0.0, share.value):.0%} of what real films show, less than {least:.0%}: {why}"
    return (PASSES, why) if share.low >= least else (UNDECIDED, f"{share.value:.0%} of what real films show, {share.low:.0%} to {share.high:.0%}: {why}")  # fmt: skip


def _numbers(own: Estimate, floor: Estimate, chance: Estimate) -> dict[str, float]:
    out: dict[str, float] = {}
    for prefix, one in (("", own), ("floor", floor), ("chance", chance)):
        join = f"{prefix}_" if prefix else ""
        out |= {prefix or "value": one.value, f"{join}low": one.low, f"{join}high": one.high}
    return out


def read_findings(path: Path, shows: Sequence[str]) -> tuple[pd.DataFrame, bool]:
    """Return what a judge found, and whether it looked for masks; raises InputError for a file that does not hold `shows`,
    an image that occurs twice, or one without a finding.
    """
    findings = read_parquet(path, "table of a judge's findings", "judge anew")
    masks = "dice" in findings
    wanted = list(MASKS) if masks else [*IDS, *(f"{part}_{name}" for name in shows for part in ("asked", "found"))]
    if missing := [name for name in wanted if name not in findings]:
        raise InputError(f"{path}: no column {', '.join(missing)}; judge anew")
    found = ["found"] if masks else [f"found_{name}" for name in shows]
    for fault, rows in (
        ("occurs twice", findings["image_id"].duplicated()),
        ("has no finding", findings[found].isna().any(axis=1)),
    ):
        if rows.any():
            raise InputError(f"{path}: image {findings['image_id'][rows].iloc[0]} {fault}; judge anew")
    return findings, masks


def read_held(judge: Path, shows: Sequence[str], masks: bool) -> pd.DataFrame:
    """Return what a judge found on films held out; raises InputError where it looked for other things than on the images."""
    held, with_masks = read_findings(judge / "held.parquet", shows)
    if with_masks != masks:
        raise InputError(
            f"{judge}: a judge of {'masks' if with_masks else 'labels'}, but images were judged by the other; judge anew"
        )
    return held


def of_images(found: pd.DataFrame, names: pd.Series, where: Path) -> pd.DataFrame:
    """Return what was found on these images, in their order; raises InputError for one that was not judged."""
    places = pd.Index(found["image_id"]).get_indexer(pd.Index(names))
    if (places < 0).any():
        name = names.iloc[int((places < 0).argmax())]
        raise InputError(f"{where}: image {name} was not judged; judge all images (--most 0)")
    return found.iloc[places].reset_index(drop=True)
