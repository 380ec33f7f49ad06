"""Captions of the films that the generator has not seen: at most five words a report, without comparison."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.prompts import null_text
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash
from scripts.lib.feedback.caption_rules import MAX_WORDS, NORMAL, caption

COLUMNS = ("dataset", "image_id", "patient_id", "caption", "source", "report_sha")
SEEN = "generator"  # the split that the ControlNet learns from
RULES = "rules"
COMPARISON = re.compile(
    r"\b(?:unchanged|stable|new|newly|interval|prior|previous(?:ly)?|since|compar\w+|again|persist\w+|residual|increas\w+"
    r"|decreas\w+|improv\w+|worse\w*|resol\w+|progress\w+|recurrent|larger|smaller|date|\d{2,})\b",
    re.IGNORECASE,
)
STRANGE = re.compile(r"[^A-Za-z0-9 ,/'()-]")
Writer = Callable[[str], str | None]


class NoCaption(InputError):
    """An answer that cannot serve as a caption."""


def held_out_rows(cohort: Cohort, splits: Mapping[str, Sequence[str]]) -> np.ndarray:
    """Return the rows of a cohort that no generator was trained on: those of `splits[dataset]`, in their order.

    Raises InputError for a cohort without an entry, for the split `generator`, and where there is no such film.
    """
    dataset = str(cohort.meta.get("dataset"))
    if dataset not in splits:
        raise InputError(
            f"feedback.splits: no entry for cohort {dataset!r}, only for {sorted(splits)}; add {dataset}: [..]"
        )
    chosen = list(splits[dataset])
    if SEEN in chosen:
        raise InputError(f"feedback.splits.{dataset}: split {SEEN} trains the ControlNet; name splits it has not seen")
    rows = np.flatnonzero(cohort.index["split"].isin(chosen).to_numpy())
    if not len(rows):
        there = sorted(cohort.index["split"].dropna().unique())
        raise InputError(f"feedback.splits.{dataset} = {chosen}: no film there; this cohort has the splits {there}")
    return rows


def check_caption(text: str | None) -> str:
    """Return an answer as a caption: first letter large, no full stop, every kind of "normal" as "Normal".

    Raises NoCaption, without saying where, for more than five words, words of comparison, or what is no plain text.
    """
    plain = " ".join((text or "").split()).strip(" .\"'`*")
    if not plain:
        raise NoCaption("an empty answer; expected a caption")
    if STRANGE.search(plain):
        raise NoCaption(f"{plain[:60]!r}: expected letters, digits, spaces and commas")
    if len(plain.split()) > MAX_WORDS:
        raise NoCaption(f"{plain[:80]!r} has {len(plain.split())} words, expected at most {MAX_WORDS}")
    compared = COMPARISON.search(plain)
    if compared:
        raise NoCaption(f"{plain!r}: {compared[0]!r} compares with another film; expected a caption of this one alone")
    return NORMAL if plain.lower() == NORMAL.lower() else plain[0].upper() + plain[1:]


def caption_table(
    cohorts: Sequence[Cohort],
    splits: Mapping[str, Sequence[str]],
    source: str,
    write: Writer = caption,
    drop_refused: bool = False,
) -> tuple[pd.DataFrame, Counter[str]]:
    """Return (one row a captioned film, what was left out and why), rows by dataset and image_id.

    `write` turns a report into a caption or None; it is asked once for each different report. `source`: its name.
    Raises InputError when a cohort is given twice, no film gets a caption, or an answer is no caption; with
    `drop_refused` films whose answer is none are left out instead.
    """
    names = [str(cohort.meta.get("dataset")) for cohort in cohorts]
    if len(set(names)) < len(names):
        raise InputError(f"cohorts {names}: one is given twice; name each dataset once")
    known: dict[str, str | None] = {}
    rows, left_out = [], Counter[str]()
    for dataset, cohort in zip(names, cohorts):
        films = cohort.index.iloc[held_out_rows(cohort, splits)]
        for image, patient, text in zip(films["image_id"], films["patient_id"], films["report"]):
            report = null_text(text)
            if report is None:
                left_out["without a report"] += 1
                continue
            if report not in known:
                known[report] = _written(write, report, f"{dataset}, image {image}", drop_refused)
            if not known[report]:
                left_out["whose answer was refused" if known[report] == "" else "whose report says nothing of it"] += 1
                continue
            rows.append((dataset, image, patient, known[report], source, content_hash(report)))
    if not rows:
        raise InputError(f"cohorts {names}: none of {sum(left_out.values())} films gets a caption: {dict(left_out)}")
    table = pd.DataFrame(rows, columns=COLUMNS).astype("string")
    return table.sort_values(["dataset", "image_id"], kind="stable", ignore_index=True), left_out


def _written(write: Writer, report: str, where: str, drop: bool) -> str | None:
    """Return the caption, None where the report says nothing, "" where the answer was refused and is dropped."""
    try:
        answer = write(report)
        return None if answer is None else check_caption(answer)
    except NoCaption as error:
        if drop:
            return ""
        raise InputError(f"{where}: {error}; change the instruction, or set captions.refused: drop") from None
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
