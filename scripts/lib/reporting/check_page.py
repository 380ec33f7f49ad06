"""The check page: one HTML file about the data of a study, without anything from elsewhere, verdict first."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, select_autoescape

from scripts.lib.cohort.looking import Look
from scripts.lib.reporting import check_facts, check_pictures
from scripts.lib.reporting.check_needs import MISSING, NOTE, WARNING, CheckLine
from scripts.lib.reporting.check_targets import Target
from scripts.lib.study.reported import TEMPLATES as REPORT_TEMPLATES
from scripts.lib.study.sources import PHANTOM

TEMPLATES = Path(__file__).parent / "templates"
FILMS, MASKS, REJECTED, GROUPS = 24, 12, 24, 12  # pictures of each kind on a page


@dataclass(frozen=True)
class Cost:
    """What the study will take on a class of machines; `hours` None where its size is not known, `why` then says why."""

    machine: str
    hours: float | None
    gigabytes: float
    warnings: Sequence[str] = ()
    why: str = ""


def write_page(
    path: Path,
    config: Mapping[str, Any],
    looks: Sequence[Look],
    found: Sequence[CheckLine],
    makes: Sequence[Target],
    cost: Cost,
    roots: Mapping[str, Path],
) -> None:
    """Write the page. `found` are all findings, `roots` the folders of the raw films."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(["html"]))
    page = environment.get_template("check.html").render(
        css=(REPORT_TEMPLATES / "report.css").read_text(encoding="utf-8"),
        study=config["study"]["name"],
        resolution=config["study"]["resolution"],
        phantom=[look.name for look in looks if config["datasets"][look.name]["root"] == PHANTOM],
        missing=[one for one in found if one.level == MISSING],
        warnings=[one for one in found if one.level == WARNING],
        notes=[one for one in found if one.level == NOTE],
        cost=cost,
        hours=duration(cost.hours),
        targets=makes,
        datasets=[dataset_of(look, config["datasets"][look.name], roots[look.name]) for look in looks],
    )
    path.write_text(page, encoding="utf-8")


def duration(hours: float | None) -> str:
    """Return hours in words that a person reads: minutes below two hours, days above two."""
    if hours is None:
        return "time not known"
    if hours < 2:
        minutes = max(1, round(hours * 60))
        return f"about {minutes} minute{'' if minutes == 1 else 's'}"
    return f"about {hours:.0f} hours" if hours < 48 else f"about {hours / 24:.0f} days"


def dataset_of(look: Look, section: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Return what the page shows of one dataset."""
    cohort, films = look.cohort, look.films
    labels = [str(label) for label in look.labels]
    shown: dict[str, Any] = {"films": [], "masks": [], "groups": [], "rejected": [], "odd": [], "n_groups": 0}
    if cohort is not None:
        split = dict(zip(films["image_id"].astype(str), films["split"].fillna("").astype(str)))
        shown["films"] = [
            _film(look, row, split, check_pictures.film) for row in check_pictures.spread_rows(len(cohort), FILMS)
        ]
        bits = dict(zip(films["image_id"].astype(str), films[check_facts.SHOWN])) if cohort.has_masks else {}
        drawn = [row for row, name in enumerate(cohort.index["image_id"].astype(str)) if bits.get(name)]
        chosen = [drawn[place] for place in check_pictures.spread_rows(len(drawn), MASKS)]
        shown["masks"] = [_film(look, row, split, check_pictures.masked_film) for row in chosen]
        groups = check_facts.duplicates(cohort, labels)
        shown["n_groups"] = len(groups)
        shown["groups"] = [
            {**group, "films": [_film(look, row, split, check_pictures.film) for row in group["rows"][:6]]}
            for group in groups[:GROUPS]
        ]
        shown["rejected"] = _rejected(cohort.folders[0], root, section)
        shown["odd"] = _rows(cohort.folders[0] / "notes.csv", ",")
    return {
        **shown,
        "name": look.name,
        "title": section.get("title", look.name),
        "phantom": section["root"] == PHANTOM,
        "patient": check_facts.patient_word(section),
        "n_films": len(films),
        "n_patients": int(films["patient_id"].nunique()) if len(films) else 0,
        "most_films": int(films["patient_id"].value_counts().max()) if len(films) else 0,
        "n_listed": look.listed,
        "sampled": len(cohort) if look.sampled and cohort is not None else 0,
        "labels": labels,
        "structures": [(name, check_pictures.COLOURS[bit % 8]) for bit, name in enumerate(look.structures)],
        "counts": check_facts.count_rows(films, labels, look.structures) if len(films) else [],
        "reports": int(films["report"].notna().sum()) if len(films) else 0,
    }


def _film(look: Look, row: int, split: Mapping[str, str], draw: Any) -> dict[str, str]:
    """Return a film's picture and the words below it."""
    assert look.cohort is not None
    line = look.cohort.index.iloc[row]
    name = str(line["image_id"])
    words = [f"{label} {'?' if pd.isna(line[label]) else line[label]}" for label in look.labels[:3]]
    about = ", ".join([*filter(None, [split.get(name, "")]), *words])
    return {"src": draw(look.cohort, row), "name": name, "about": about}


def _rejected(folder: Path, root: Path, section: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the files that were not taken, with the reason and, where there is something to see, their picture."""
    rows = _rows(folder / "quarantine.tsv", "\t")
    most = section.get("max_pixels") or 64_000_000
    for row in rows[:REJECTED]:
        row["src"] = check_pictures.file_picture(root, row["source_file"], most)
    return rows


def _rows(path: Path, delimiter: str) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter))
