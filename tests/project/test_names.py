"""One name, one thing: no two classes of the library share theirs, and its words have one spelling."""

from __future__ import annotations

import ast
import re
from collections import defaultdict

import pytest

from tests.conftest import ROOT

FILES = sorted((ROOT / "scripts").rglob("*.py"))


def test_no_two_classes_have_one_name() -> None:
    holders: dict[str, list[str]] = defaultdict(list)
    for file in FILES:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                holders[node.name].append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in holders.items() if len(files) > 1} == {}


def test_the_optimizer_is_spelled_as_its_key() -> None:
    texts = [
        *FILES,
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "rules").glob("*.*ml"),
        *(ROOT / "rules").glob("*.smk"),
        ROOT / "config.yaml",
    ]
    texts += (ROOT / "studies").rglob("*.yaml")
    spelled = [str(text.relative_to(ROOT)) for text in texts if re.search("optimiser", text.read_text("utf-8"), re.I)]
    assert spelled == []


@pytest.mark.parametrize(("file", "lines"), [("config.yaml", 200), ("Snakefile", 80), ("rules/common.smk", 90)])
def test_what_a_person_reads_first_stays_short(file: str, lines: int) -> None:
    assert len((ROOT / file).read_text(encoding="utf-8").splitlines()) <= lines
