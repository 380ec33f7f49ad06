"""The stages of a study for Figure 1, with pictures and numbers taken from its own results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.plotting.figure1 import DrawnStage, OutlinedFilm

SHOWN = 3


@dataclass(frozen=True)
class StageMaterial:
    """What Figure 1 shows: cohorts in the study's order, pools made from masks and from words (None where the study has
    none), the conditions of the first, a scored pool with what was kept of it, and the tables of Figure 2."""

    cohorts: Mapping[str, Cohort]
    figure2: pd.DataFrame
    significance: pd.DataFrame
    mask_pool: Cohort | None = None
    mask_cohort: Cohort | None = None
    mask_conditions: pd.DataFrame | None = None
    text_pool: Cohort | None = None
    scored_pool: Cohort | None = None
    scores: pd.DataFrame | None = None
    kept: pd.DataFrame | None = None


def study_stages(material: StageMaterial, about: Mapping[str, Any]) -> list[DrawnStage]:
    """Return the boxes of the study in order. `about`: titles by dataset, foundation, base, fractions, multipliers, trials,
    target (structure of the mask pool), proxy, models by task."""
    stages = [
        _cohorts(material, about),
        _subsets(material, about),
        _conditions(material, about),
        _generator(material, about),
    ]
    stages += [_pools(material, about)]
    if material.scores is not None and material.scored_pool is not None and material.kept is not None:
        stages.append(_choice(material.scores, material.scored_pool, material.kept))
    return [*stages, _trials(material, about), _tests(material)]


def _cohorts(material: StageMaterial, about: Mapping[str, Any]) -> DrawnStage:
    pictures: list[OutlinedFilm] = []
    count = 0
    for name, cohort in material.cohorts.items():
        count += len(cohort)
        if len(pictures) < SHOWN:
            row = cohort.rows(split="train")[:1]
            pictures.append(OutlinedFilm(cohort.images(row)[0], caption=about["titles"][name]))
    return DrawnStage(
        "Cohorts",
        [f"{len(material.cohorts)} datasets, {count:,} films", "decoded, split by patient"],
        pictures,
    )


def _subsets(material: StageMaterial, about: Mapping[str, Any]) -> DrawnStage:
    cohort = next(iter(material.cohorts.values()))
    rows = cohort.rows(split="train")[1 : 1 + SHOWN]
    pictures = [
        OutlinedFilm(film, caption=f"{fraction * 100:g} %")
        for film, fraction in zip(cohort.images(rows), about["fractions"][:SHOWN])
    ]
    return DrawnStage("Subsets", ["nested shares of the real films,", f"{about['trials']} draws by patient"], pictures)


def _conditions(material: StageMaterial, about: Mapping[str, Any]) -> DrawnStage:
    pictures, words = [], []
    if material.mask_pool is not None and material.mask_conditions is not None and material.mask_cohort is not None:
        changed = material.mask_conditions["transform"].fillna("{}") != "{}"
        line = material.mask_conditions[changed & material.mask_conditions["mask_source"].notna()].iloc[0]
        source = np.flatnonzero(material.mask_cohort.index["image_id"] == line["mask_source"])
        place = _place(material.mask_pool, line)
        pictures = [
            OutlinedFilm(_mask_picture(material.mask_cohort, source, about["target"]), caption="mask"),
            OutlinedFilm(_mask_picture(material.mask_pool, place, about["target"]), caption="changed"),
        ]
    if material.text_pool is not None:
        words = list(dict.fromkeys(material.text_pool.index["report"].dropna()))[:SHOWN]
    lines = [f"words: {', '.join(words)} ..."] if words else []
    return DrawnStage("Conditions", [*lines, "masks: resized, shifted, mirrored"], pictures)


def _place(pool: Cohort, line: pd.Series) -> np.ndarray:
    same = (pool.index["condition_id"] == line["condition_id"]) & (pool.index["sample"] == line["sample"])
    return np.flatnonzero(same)


def _mask_picture(cohort: Cohort, rows: np.ndarray, structure: str) -> np.ndarray:
    return (cohort.mask(rows[:1], structure)[0] * 255).astype(np.uint8)


def _generator(material: StageMaterial, about: Mapping[str, Any]) -> DrawnStage:
    pictures = []
    if material.mask_pool is not None:
        rows = np.arange(min(2, len(material.mask_pool)))
        outlines = material.mask_pool.mask(rows, about["target"])
        pictures = [OutlinedFilm(film, outline) for film, outline in zip(material.mask_pool.images(rows), outlines)]
    base = about["base"] or f"trained on {', '.join(about['foundation'])}"
    return DrawnStage(
        "Generator", [f"foundation model: {base}", "frozen, with a ControlNet for masks"], pictures, "model"
    )


def _pools(material: StageMaterial, about: Mapping[str, Any]) -> DrawnStage:
    pictures = []
    if material.text_pool is not None:
        index = material.text_pool.index
        rows = index.drop_duplicates("report").index[:SHOWN].to_numpy()
        pictures = [
            OutlinedFilm(film, caption=str(word))
            for film, word in zip(material.text_pool.images(rows), index["report"].iloc[rows])
        ]
    times = ", ".join(f"{value}" for value in about["multipliers"] if value)
    return DrawnStage(
        "Pools",
        [f"{times} films for each real one,", "the same pixels in any sharding"],
        pictures,
        "model",
    )


def _choice(scores: pd.DataFrame, pool: Cohort, chosen: pd.DataFrame) -> DrawnStage:
    """Show the highest and the lowest score of one label, and one that was kept between them."""
    kept = set(zip(chosen["condition_id"], chosen["sample"]))
    ranked = scores[scores["label"] == scores["label"].iloc[0]].sort_values("score", kind="stable")
    rows = ranked.iloc[[0, len(ranked) // 2, -1]]
    films = pool.images(rows.index.to_numpy())
    pictures = [
        OutlinedFilm(film, framed=(line.condition_id, line.sample) in kept, caption=f"{line.score:.2f}")
        for film, line in zip(films, rows.itertuples())
    ]
    return DrawnStage(
        "Choice",
        [f"proxy model scores '{rows['label'].iloc[0]}'", f"{len(kept):,} of {len(scores):,} kept (framed)"],
        pictures,
        "judge",
    )


def _trials(material: StageMaterial, about: Mapping[str, Any]) -> DrawnStage:
    means = material.figure2[material.figure2["kind"] == "mean"]
    dataset = means["dataset"].iloc[-1]
    here = means[(means["dataset"] == dataset) & (means["fraction"] == means["fraction"].min())].sort_values(
        "multiplier"
    )
    bars = [
        ("real" if not line.multiplier else f"{int(line.multiplier)}x", float(line.value)) for line in here.itertuples()
    ]
    share = f"{here['fraction'].iloc[0] * 100:g} %"
    text = [f"{about['titles'][dataset]} at {share}: {here['metric'].iloc[0]}", ", ".join(about["models"])]
    return DrawnStage("Trials", text, (), "judge", bars)


def _tests(material: StageMaterial) -> DrawnStage:
    tested = material.significance.dropna(subset=["p_bonferroni"])
    lines = [f"{len(tested)} cells, one-tailed t, Bonferroni"]
    if len(tested):
        best = tested.sort_values("p_bonferroni", kind="stable").iloc[0]
        lines = [
            f"{best['dataset']}, {best['fraction'] * 100:g} %, {int(best['multiplier'])}x:",
            f"{best['difference']:+.3f} (95 % CI {best['ci_low']:.3f} to {best['ci_high']:.3f})",
            f"P = {best['p_bonferroni']:.2g} after Bonferroni",
            *lines,
        ]
    gain = tested.groupby("multiplier")["difference"].mean()
    gains = zip(gain.index, gain)
    return DrawnStage("Tests", lines, (), "judge", [(f"{int(times)}x", float(value)) for times, value in gains])
