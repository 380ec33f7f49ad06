"""The card of an exported pool: what it is, how it was made, what was measured of it, and what only a person can say."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from scripts.lib.cohort.learned import read_learned
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.markdown import markdown_cell, markdown_row
from scripts.lib.pools.places import PoolPlace

FOR_YOU = "*for you to say*"


def taught_by(root: Path, fingerprint: str | None) -> pd.DataFrame | None:
    """Return the list of the films that taught the generator with this fingerprint, None where it is not found."""
    if not fingerprint:
        return None
    for file in sorted((root / "generators").glob("*/synthorax.json")):
        if f'"{fingerprint}"' in file.read_text(encoding="utf-8") and _is(file, fingerprint):
            return read_learned(file.parent)
    return None


def _is(file: Path, fingerprint: str) -> bool:
    """Whether a generator has this fingerprint, not only its base."""
    from scripts.lib.core.json_files import read_json

    return bool(read_json(file, "a generator").get("fingerprint") == fingerprint)


def teachers(learned: pd.DataFrame | None) -> str:
    """Return "1,021 films of candid (controlnet), 2,832 films of mimic (base)", or that it is not known."""
    if learned is None or learned.empty:
        return "not known"
    counts = learned.groupby(["dataset", "role"], dropna=False).size().reset_index(name="films")
    return ", ".join(
        f"not known ({role})" if pd.isna(dataset) else f"{n:,} {'film' if n == 1 else 'films'} of {dataset} ({role})"
        for dataset, role, n in counts.itertuples(index=False)
    )


def data_card(place: PoolPlace, pool: Cohort, count: int) -> str:
    """Return the card as Markdown: the facts that the run knows, and the items that are left to a person."""
    meta = pool.meta
    rows = pool.index.iloc[:count]
    shown = [
        markdown_row([label, f"{int((rows[label] == 1).sum()):,}", f"{int((rows[label] == 0).sum()):,}"])
        for label in pool.labels
    ]
    lines = [
        f"# Synthetic chest X-rays: {place.dataset}, arm {place.arm}, {place.part}",
        "",
        f"{count:,} synthetic images of {pool.resolution} x {pool.resolution} pixels, 8 bits. **A model made them; none was taken of a patient.** Each PNG says in "
        "its text chunk `synthorax` what it is.",
        "",
        "| | |",
        "|---|---|",
        f"| generator (fingerprint) | {meta.get('generator') or 'made elsewhere'} |",
        f"| what taught it | {teachers(taught_by(place.root, meta.get('generator')))} |",
        f"| seed of the study | {meta.get('seed', 'not known')} |",
        f"| masks | {markdown_cell(', '.join(pool.structures)) if pool.has_masks else 'none'} |",
        f"| intended use | {FOR_YOU} |",
        f"| licence, consent, contact | {FOR_YOU} |",
        "",
        "## Labels",
        "",
        *(["| label | with | without |", "|---|---|---|", *shown] if shown else ["None."]),
        "",
        "Labels are what was asked for. Nobody has confirmed that an image shows them, unless a table below says so.",
        "",
        "## Measured",
        "",
        *_measured(place.folder),
        "",
        "## Files",
        "",
        "`labels.csv` has one row an image. `masks/STRUCTURE/` holds 0 and 255. `images/prompt_INFO.csv` is CheXGenBench's table.",
    ]
    return "\n".join(lines) + "\n"


def _measured(folder: Path) -> list[str]:
    """Return the tables that lie beside the pool, each as Markdown without its long notes."""
    lines: list[str] = []
    for name in ("memorisation", "fidelity", "faithfulness"):
        path = folder / f"{name}.csv"
        if path.is_file():
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
            columns = [
                one for one in ("features", "measure", "value", "low", "high", "floor", "n", "verdict") if one in table
            ]
            rows = [markdown_row(row) for row in table[columns].itertuples(index=False, name=None)]
            lines += [f"**{name}**", "", markdown_row(columns), "|" + "---|" * len(columns), *rows, ""]
    return lines[:-1] if lines else ["Nothing: `make evidence` measures copies and fidelity."]
