"""What Snakemake's parser made of a file of rules is taken again for the same text, in a copy of the folder too."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.parser import parse
from snakemake.sourcecache import LocalSourceFile

from scripts.lib.engine.parsed_rules import ParsedRules

RULES = (
    'rule one:\n    output: "a"\n    shell: "touch {output}"\n\n\nrule two:\n    output: "b"\n    run:\n        pass\n'
)
WORKFLOW = SimpleNamespace(
    sourcecache=SimpleNamespace(open=lambda path: io.StringIO(Path(path.get_path_or_uri(True)).read_text()))
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return []


def parsed(file: Path, asked: list[str], rulecount: int = 3) -> tuple[str, int, dict[int, int]]:
    """Parse as a run that starts would, and say in `asked` that the parser was asked."""

    def own(path: Any, *rest: Any, **named: Any) -> tuple[str, int]:
        asked.append(file.name)
        return parse(path, *rest, **named)

    lines: dict[int, int] = {}
    code, count = ParsedRules(own)(LocalSourceFile(str(file)), WORKFLOW, rulecount=rulecount, linemap=lines)
    return code, count, lines


def plain(file: Path, rulecount: int = 3) -> tuple[str, int, dict[int, int]]:
    lines: dict[int, int] = {}
    return *parse(LocalSourceFile(str(file)), WORKFLOW, rulecount=rulecount, linemap=lines), lines


def test_a_text_is_parsed_once_and_its_copy_names_itself(tmp_path: Path, asked: list[str]) -> None:
    file = tmp_path / "it's here" / "rules" / "some.smk"
    file.parent.mkdir(parents=True)
    file.write_text(RULES)
    expected = plain(file)
    assert parsed(file, asked) == parsed(file, asked) == expected and len(asked) == 1
    assert expected[1] == 5 and str(file) in expected[0].replace("\\", "")
    copied = tmp_path / "there"
    shutil.copytree(file.parent, copied)
    there = copied / file.name
    assert parsed(there, asked) == plain(there) != expected and len(asked) == 1


def test_another_text_or_number_of_rules_and_what_is_broken_are_parsed_anew(tmp_path: Path, asked: list[str]) -> None:
    file = tmp_path / "some.smk"
    file.write_text(RULES)
    parsed(file, asked)
    assert parsed(file, asked, 0) == plain(file, 0)
    file.write_text(RULES.replace("two", "three"))
    assert parsed(file, asked, 0) == plain(file, 0) and len(asked) == 3
    (kept,) = (tmp_path / "__pycache__").iterdir()
    for broken in ("", '["a', "{}", "3"):
        kept.write_text(broken)
        assert parsed(file, asked, 0) == plain(file, 0)
    assert len(asked) == 7


def test_nothing_is_written_where_python_writes_nothing(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "some.smk"
    file.write_text(RULES)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert parsed(file, asked) == parsed(file, asked) == plain(file) and len(asked) == 2
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "__pycache__").write_text("a file in the place of the folder")
    assert parsed(file, asked) == plain(file) and len(asked) == 3
