"""Methods of a run, ready to paste: paragraphs on data, images, trials and statistics, and captions with its numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.lib.downstream.settings import steps_of
from scripts.lib.reporting.arm_words import mixed_how, shown_how
from scripts.lib.reporting.page.names import Names
from scripts.lib.reporting.study_pages import listed, phantom_datasets, phantom_line, plain
from scripts.lib.study.arms import FOUNDATION, REAL, arm_of
from scripts.lib.study.shared import stores_of
from scripts.lib.study.tasks import targets_of

LINE = 100
OPTIMIZERS = {
    "adamw": "AdamW",
    "adam": "Adam",
    "sgd": "SGD with a momentum of 0.9",
    "muon": "Muon (AdamW for what is no matrix)",
}
CORRECTIONS = {
    "setting": "the multipliers of one setting",
    "dataset": "all comparisons of one dataset",
    "task": "all comparisons of the datasets of one task",
    "study": "all comparisons of the study",
}


def methods_page(
    config: Mapping[str, Any], cohorts: pd.DataFrame, figure2: pd.DataFrame, versions: Mapping[str, str]
) -> str:
    """Return methods.md: paragraphs on data, generator, trials and statistics, and the captions of figures and tables.

    cohorts  table1.csv; figure2  tables/figure2.csv; versions  {package: version} of what computes
    """
    parts = [f"# Methods of the study {config['study']['name']}"]
    if phantom_datasets(config):
        parts.append(phantom_line(config))
    for title, sentences in (
        ("Data", _data(config, cohorts)),
        ("Synthetic images", _images(config)),
        ("Downstream models", _models(config)),
        ("Statistics", _statistics(config)),
        ("Software", _software(config, versions)),
    ):
        parts += [f"## {title}", _filled(" ".join(sentences))]
    parts += ["## Captions", *(_filled(text) for text in _captions(config, figure2))]
    return "\n\n".join(parts) + "\n"


def _filled(text: str) -> str:
    return textwrap.fill(text, LINE, break_long_words=False, break_on_hyphens=False)


def _data(config: Mapping[str, Any], cohorts: pd.DataFrame) -> Iterator[str]:
    for name in stores_of(config, config["study"]["datasets"]):
        row = cohorts[cohorts["dataset"] == name].iloc[0]
        parts = [f"{_count(row[key])} for {words}" for key, words in SPLITS.items() if _count(row[key]) != "0"]
        title = config["datasets"][name].get("title", name)
        lost = "" if _count(row["quarantined"]) == "0" else f" {_count(row['quarantined'])} films could not be used."
        yield f"{title}: {_count(row['taken'])} films of {_count(row['patients'])} patients, {listed(parts)}.{lost}"
    side = config["study"]["resolution"]
    yield f"Films were made square, scaled to {side} x {side} pixels and stored with 8 bits; splits never divide a patient."


SPLITS = {
    "generator": "training the generator",
    "train": "training",
    "validate": "validation",
    "test": "testing",
}


def _count(value: Any) -> str:
    return "0" if pd.isna(value) or value == "" else f"{int(float(value)):,}"


def _images(config: Mapping[str, Any]) -> Iterator[str]:
    study, base = config["study"], config["base"]["path"]
    arms = [arm_of(config, name) for name in study["arms"]]
    needed = any(FOUNDATION in arm.taught_by for arm in arms)  # a generator of classes learns without it
    if needed and base is not None:
        yield f"The foundation model was {Path(base).name}."
    elif needed:
        learned = listed([str(config["datasets"][name].get("title", name)) for name in study["foundation"]])
        yield f"A latent diffusion model learned from films of {learned} and what is written of them: reports, or else the words of their labels."
    for arm in arms:
        how = shown_how(config, arm.name)
        if arm.generator:
            filtered = config["arms"][arm.name].get("filter")
            kept = f", of which the filter {filtered} kept a part" if filtered else ""
            yield f"Arm {arm.name}: images of {arm.generator.says or arm.generator.name}{kept}{how}."
        elif arm.path:
            yield f"Arm {arm.name}: images that were made elsewhere{how}."
        else:
            yield f"Arm {arm.name}: {Names(config).added(arm.name)}{how}."
    given = {float(key): multipliers for key, multipliers in study["multipliers"].items()}
    added = [f"{max(given[fraction]):g} at {100 * fraction:g} %" for fraction in sorted(study["fractions"])]
    yield f"At most so many were added for each real film: {listed(added)} of the real films."


def _models(config: Mapping[str, Any]) -> Iterator[str]:
    from scripts.lib.study.config import stage

    study = config["study"]
    for name in study["datasets"]:
        trials = stage(config, "trials", name)
        model = trials["model"]
        encoder = "an encoder of plain convolutions" if model["encoder"] == "small" else f"encoder {model['encoder']}"
        start = {None: "random weights"}.get(model["weights"], f"weights {Path(str(model['weights'])).name}")
        yield (
            f"{config['datasets'][name].get('title', name)}: {trials['task']} of {listed([plain(one) for one in targets_of(trials)])} by a "
            f"network with {encoder}, from {start}; {_trained(trials, study['fractions'])}."
        )
    fractions = listed([f"{100 * fraction:g} %" for fraction in sorted(study["fractions"])])
    yield (
        f"Each was trained on {fractions} of the real training films, drawn by patient, alone and with what each arm adds, "
        f"{study['trials']} times; trials of one number share films, first weights and seed. The seed of the study is {study['seed']}."
    )


def _trained(trials: Mapping[str, Any], fractions: Sequence[float]) -> str:
    """Return how the models of a dataset are trained: optimizer, batches, length, and how images come into a batch."""
    own, budget = trials["optimizer"], trials["budget"]
    if budget["kind"] == "steps":
        steps = list(dict.fromkeys(f"{steps_of(budget, fraction):,}" for fraction in sorted(fractions)))
        each = " of " + listed([f"{100 * fraction:g} %" for fraction in sorted(fractions)]) if len(steps) > 1 else ""
        length = f"{listed(steps)} steps{each}"
    else:
        length = f"at most {budget['epochs']} passes over all films, images included"
    return f"{OPTIMIZERS[own['name']]} at a rate of {own['learning_rate']:g}, batches of {trials['batch_size']}, {length}; {mixed_how(trials['mixing'])}"


def _statistics(config: Mapping[str, Any]) -> Iterator[str]:
    own = config["statistics"]
    shared = CORRECTIONS[own["family"]]
    yield (
        f"Trials with what an arm adds were compared with those of real films alone by a one-tailed t test ({own['test']}), with a two-sided 95 % interval; P values were "
        f"corrected with Bonferroni over {shared}, and below {own['alpha']:g} called significant."
    )
    yield (
        f"Differences have bootstrap intervals that count trials and test patients ({own['bootstrap']['draws']:,} draws). "
        "Trivial baselines stand beside every result."
    )
    if config["study"]["trials"] < 5:
        yield f"{config['study']['trials']} trials a cell make weak tests."


def _software(config: Mapping[str, Any], versions: Mapping[str, str]) -> Iterator[str]:
    told = listed([f"{name} {version}" for name, version in versions.items()])
    gpus = config["compute"]["gpus"]  # of one training, at most
    where = "the processor" if not gpus else "one GPU" if gpus == 1 else f"up to {gpus} GPUs a training"
    yield f"All was computed with {told}, on {where}."
    yield "Please cite Synthorax as CITATION.cff says, and Prakash et al. 2025 (arXiv 2411.18602)."


def _hatched(figure2: pd.DataFrame) -> str:
    """Return which arms the hatched bars of Figure 2 are, "" where there are none: the first beside real films has the others."""
    arms = [arm for arm in figure2.loc[figure2["kind"] == "mean", "arm"].unique() if arm != REAL]
    return f" Hatched bars: {listed(arms[1:])}, at the largest multiplier." if arms[1:] else ""


def _captions(config: Mapping[str, Any], figure2: pd.DataFrame) -> Iterator[str]:
    from scripts.lib.reporting.docs_captions import facts_of

    drawn = "Films are drawn by a program (phantom). " if phantom_datasets(config) else ""
    facts = facts_of(figure2)
    rows = [
        f"{one['rise']} of {one['cells']} with {100 * one['fraction']:g} % ({one['significant']} significant)"
        for one in facts["fractions"]
    ]
    yield (
        f"**Figure 2.** {drawn}Score on the test films with real films alone and with synthetic images added, {facts['trials']} trials "
        f"a cell; lines are means with 95 % intervals. Cells whose mean is higher with synthetic images: {listed(rows)}.{_hatched(figure2)}"
    )
    yield f"**Table 1.** {drawn}The cohorts: patients, films by split, labels in training / test, and films that were not taken."
    yield f"**Evidence.** {drawn}Differences to real films alone with two-sided 95 % intervals that count trials and test patients."
