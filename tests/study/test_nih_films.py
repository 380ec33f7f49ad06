"""What is said of datasets whose films are NIH's, when nothing says whose they are."""

from __future__ import annotations

from typing import Any

from scripts.lib.study import config as study_config
from scripts.lib.study.nih_films import unlinked_films
from tests.conftest import ROOT

ROOTS = {"rsna": {"root": "/data/rsna"}, "siim": {"root": "/data/siim"}}


def lines(*overlays: str, **given: Any) -> list[str]:
    return unlinked_films(study_config.load_study([ROOT / "config.yaml", *(ROOT / path for path in overlays)], given))


def test_the_papers_study_links_rsna_and_says_that_siim_is_not() -> None:
    assert lines("studies/paper.yaml", data="/data") == [
        "siim: its films are NIH ChestX-ray14's, as are films of rsna; no entry of leakage.links says whose they are, so a "
        "person of both is not found; docs/leakage.md"
    ]
    table = {"leakage": {"links": [{"dataset": name, "to": "nih", "table": "who.csv"} for name in ("rsna", "siim")]}}
    assert lines("studies/paper.yaml", data="/data", **table) == []


def test_names_of_the_challenges_are_no_numbers_of_nih() -> None:
    links = [{"dataset": "rsna", "to": "nih"}, {"dataset": "siim", "to": "nih"}]
    own = ROOTS | {"rsna": {"root": "/data/rsna", "reader": {"patients": None}}}
    assert [line.split(":")[0] for line in lines(datasets=own, leakage={"links": links})] == ["siim", "rsna"]


def test_phantoms_and_a_dataset_alone_say_nothing() -> None:
    assert lines() == [] and lines(datasets={"siim": ROOTS["siim"]}) == []


def test_a_register_of_the_study_counts_as_such_a_dataset() -> None:
    nih = {
        "root": "/data/nih",
        "format": "folder",
        "task": "classification",
        "target": "pneumonia",
        "labels": ["pneumonia"],
    }
    given: dict[str, Any] = {
        "study": {"datasets": ["siim", "nih"]},
        "datasets": {"siim": ROOTS["siim"], "nih": nih},
        "leakage": {"links": [{"dataset": "siim", "to": "nih"}]},
    }
    (line,) = lines(**given)
    assert line.startswith("siim: its films are NIH ChestX-ray14's, as are films of nih; no entry")
