"""What a run says of itself, ready to paste: what its columns mean, how it was done, and captions with its numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.lib.reporting.codebook import COLUMNS
from scripts.lib.reporting.codebook import TABLES as OF_TABLE
from scripts.lib.study.arms import FOUNDATION, REAL, arm_of
from scripts.lib.study.shared import stores_of
from scripts.lib.study.tasks import targets_of

CODEBOOK = ["table", "column", "meaning", "unit", "range"]
UNDESCRIBED = ("not described", "", "")
LINE = 100
# What the tables are about, in the order in which one reads them.
TABLES = {
    "significance": "one row per comparison: gain, interval, corrected P value, and why one could not be made",
    "differences": "each difference with an interval that counts trials and test patients, and the chance of harm",
    "power": "how small a difference this design can find, and what a given one needs",
    "trend": "whether more synthetic images help more",
    "intervals": "the mean of each cell with its interval",
    "trials": "every metric of every training, with all digits",
    "baselines": "what a model reaches that says the same of every film",
    "leakage": "whether test films taught a model",
    "transfer": "what models were trained on against what they were tested on: own films, other cohorts, images",
    "equivalence": "how many real films alone would give the score of each training with images",
    "subgroups": "scores by sex, age band and view, with and without images",
    "calibration": "whether the models' probabilities are right, by label",
    "reliability": "of films with a certain probability, the share that has the finding",
    "failures": "the test films that got worse with images, worst first",
    "memorisation": "how near images come to training films, with planted copies",
    "fidelity": "distances between images and real films, beside those between real films",
    "replication": "each difference over several seeds",
    "replication_seeds": "each difference under each seed",
    "replication_coverage": "how often the stated intervals hold the mean of the seeds",
    "faithfulness": "whether images show what they were asked to show",
    "shortcut": "whether a model may learn what is an image instead of the label",
    "table1": "the films of each dataset, beside those of the paper",
    "table2": "the score of each arm, beside what AURAD reports",
    "codebook": "what every column of these tables means",
    "figure2": "what Figure 2 draws",
    "figure3": "what Figure 3 draws",
    "figure4": "what Figure 4 draws",
}
CORRECTIONS = {"setting": "the multipliers of one setting", "study": "all comparisons of the study"}


def plain(name: str) -> str:
    """Return a name of the study as one writes it in a text: without underscores."""
    return name.replace("_", " ")


def listed(words: Sequence[str]) -> str:
    """Return "a", "a and b", or "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def codebook(tables: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return one row for each column of these tables, with meaning, unit and range; `tables` is {name: its columns}."""
    rows = []
    for table, columns in tables.items():
        described = {**COLUMNS, **OF_TABLE.get(table, {})}
        rows += [[table, column, *described.get(column, UNDESCRIBED)] for column in columns]
    return pd.DataFrame(rows, columns=CODEBOOK)


def tables_page(book: pd.DataFrame, config: Mapping[str, Any]) -> str:
    """Return README.md of results/tables: the tables and, below, the meaning of every column."""
    names = [*(name for name in TABLES if name in set(book["table"])), *sorted(set(book["table"]) - set(TABLES))]
    parts = [
        f"# Tables of the study {config['study']['name']}",
        *(["", phantom_line(config)] if phantom_datasets(config) else []),
        "",
        "Numbers have four significant digits; `trials.csv`, `baselines.csv`, `intervals.csv` and `transfer.csv` have all. `n/a` is a",
        "number that could not be had, and the column `note` says why. The table below is also in `codebook.csv`.",
        "",
        *(f"* `{name}.csv`: {TABLES.get(name, 'see docs/results.md')}" for name in names),
    ]
    for name in names:
        parts += ["", f"## {name}.csv", "", "| column | meaning | unit | range |", "|---|---|---|---|"]
        rows = book[book["table"] == name].fillna("")
        parts += [f"| `{row.column}` | {row.meaning} | {row.unit} | {row.range} |" for row in rows.itertuples()]
    return "\n".join(parts) + "\n"


def phantom_datasets(config: Mapping[str, Any]) -> list[str]:
    """Return the datasets of the study whose films the workflow has drawn itself."""
    study = config["study"]
    # Else nothing learns from the others.
    made = any({"generator", "cohort"} & set(config["arms"][name]) for name in study["arms"])
    used = dict.fromkeys([*study["datasets"], *([*study["foundation"], study["generator_dataset"]] if made else [])])
    return [name for name in used if config["datasets"][name]["root"] == "phantom"]


def phantom_line(config: Mapping[str, Any]) -> str:
    """Return the sentence that no reader may miss."""
    names = listed([str(config["datasets"][name].get("title", name)) for name in phantom_datasets(config)])
    return f"**PHANTOM.** The films of {names} are drawn by a program. Nothing here is evidence about patients."


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
        yield f"A latent diffusion model learned from films and reports of {learned}."
    for arm in arms:
        if arm.generator:
            filtered = config["arms"][arm.name].get("filter")
            kept = f", of which the filter {filtered} kept a part" if filtered else ""
            yield f"Arm {arm.name}: images of {arm.generator.says or arm.generator.name}{kept}."
        else:
            other = f" of {arm.cohort}" if arm.cohort else ""
            yield f"Arm {arm.name}: a control or images from elsewhere ({arm.source.name}{other})."
    most = {fraction: max(multipliers) for fraction, multipliers in study["multipliers"].items()}
    added = [f"{most[key]:g} at {100 * float(key):g} %" for key in sorted(most, key=float)]
    yield f"At most so many images were added for each real film: {listed(added)} of the real films."


def _models(config: Mapping[str, Any]) -> Iterator[str]:
    from scripts.lib.study.config import stage

    study = config["study"]
    for name in study["datasets"]:
        trials = stage(config, "trials", name)
        model = trials["model"]
        start = {None: "random weights"}.get(model["weights"], f"weights {Path(str(model['weights'])).name}")
        yield (
            f"{config['datasets'][name].get('title', name)}: {trials['task']} of {listed([plain(one) for one in targets_of(trials)])} by a "
            f"network with encoder {model['encoder']}, from {start}."
        )
    fractions = listed([f"{100 * fraction:g} %" for fraction in sorted(study["fractions"])])
    yield (
        f"Each was trained on {fractions} of the real training films, drawn by patient, alone and with synthetic images, "
        f"{study['trials']} times; trials of one number share films, first weights and seed. The seed of the study is {study['seed']}."
    )


def _statistics(config: Mapping[str, Any]) -> Iterator[str]:
    own = config["statistics"]
    shared = CORRECTIONS.get(own["family"], own["family"])
    yield (
        f"Synthetic and real were compared with a one-tailed test ({own['test']}) and a two-sided 95 % interval; P values were "
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
