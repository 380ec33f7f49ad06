"""What docs/extending.md shows is taken as it stands: the overlay by the schema, the reader by the registry."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.formats import registry, sources
from scripts.lib.study.config import load_study
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.M | re.S)


def test_the_overlay_adds_an_arm(tmp_path: Path) -> None:
    (overlay,) = blocks("yaml")
    (tmp_path / "mine.yaml").write_text(overlay)
    config = load_study([ROOT / "config.yaml", tmp_path / "mine.yaml"])
    assert config["study"]["arms"] == ["original", "tuned-filtered"]
    assert config["arms"]["tuned-filtered"]["candidates"] == 10


def test_the_reader_lists_films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, keys = blocks("python")
    names: dict[str, Any] = {"SHARED": sources.SHARED}
    exec(compile(reader + keys, "docs/extending.md", "exec", dont_inherit=True), names)
    assert set.intersection(*map(set, sources.READERS.values())) <= set(names["CLINIC"])
    monkeypatch.setitem(registry.READERS, "clinic", names["read"])
    monkeypatch.setitem(sources.READERS, "clinic", names["CLINIC"])
    monkeypatch.setitem(sources.TABLE_KEYS, "clinic", ("table", "patients"))
    monkeypatch.setitem(sources.WHERE, "clinic", "the clinic")
    (tmp_path / "films.csv").write_text("name,person,pneumonia\nb,p2,0\na,p1,1\nc,p1,\n")
    listing = registry.list_records("clinic", tmp_path, None, ["pneumonia"], None)
    found = [(film.image_id, film.patient_id, film.labels["pneumonia"]) for film in listing.records]
    assert found == [("a", "p1", 1), ("b", "p2", 0), ("c", "p1", None)]
    assert listing.records[0].source_file == "films/a.png"
