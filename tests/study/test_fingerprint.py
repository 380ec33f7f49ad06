"""The fingerprint changes with the code that runs, and with nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.lib.study import fingerprint as fp


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "scripts" / "lib"
    package.mkdir(parents=True)
    for name in ("scripts/__init__.py", "scripts/lib/__init__.py"):
        (tmp_path / name).write_text("")
    (package / "masks.py").write_text('"""Masks."""\n\ndef grow(mask):\n    """Grow."""\n    return mask + 1\n')
    (package / "other.py").write_text("VALUE = 1\n")
    (tmp_path / "scripts" / "sample.py").write_text(
        "import os\n\ndef main():\n    from scripts.lib.masks import grow\n    return grow(1)\n"
    )
    monkeypatch.setattr(fp, "ROOT", tmp_path)
    return tmp_path


def start() -> str:
    """Return the fingerprint of the command as another process would find it."""
    fp.forget()
    return fp.fingerprint("scripts.sample")


def test_late_imports_and_packages_are_followed(tree: Path) -> None:
    assert set(fp.imported_modules("scripts.sample")) == {
        "scripts",
        "scripts.lib",
        "scripts.lib.masks",
        "scripts.sample",
    }


def test_touch_comment_and_docstring_change_nothing(tree: Path) -> None:
    before = start()
    masks = tree / "scripts" / "lib" / "masks.py"
    masks.touch()
    assert start() == before
    masks.write_text(
        '"""Other words."""\n\n# why\ndef grow(mask):\n    """Longer: grow a mask."""\n    return mask + 1\n'
    )
    assert start() == before


def test_an_edit_of_an_imported_module_counts_and_of_another_does_not(tree: Path) -> None:
    before = start()
    (tree / "scripts" / "lib" / "other.py").write_text("VALUE = 22\n")
    assert start() == before
    (tree / "scripts" / "lib" / "masks.py").write_text("def grow(mask):\n    return mask + 22\n")
    assert start() != before


def test_a_relative_import_is_refused_because_it_cannot_be_followed(tree: Path) -> None:
    (tree / "scripts" / "sample.py").write_text("from .lib import masks\n")
    with pytest.raises(ValueError, match="write it absolute"):
        start()


def test_an_unknown_module_is_named(tree: Path) -> None:
    with pytest.raises(ValueError, match=r"no module scripts\.nothing"):
        fp.fingerprint("scripts.nothing")


def test_every_command_of_the_rules_exists_and_has_a_fingerprint() -> None:
    import re

    root = Path(__file__).resolve().parents[2]
    commands = {
        name
        for file in (root / "rules").glob("*.smk")
        for name in re.findall(r"python -m (scripts\.\w+)", file.read_text())
    }
    assert len(commands) >= 15
    assert len({fp.fingerprint(command) for command in commands}) == len(commands)


def kept(tree: Path) -> Path:
    return tree / "scripts" / "__pycache__" / fp.KNOWN


def test_texts_that_were_looked_at_are_kept_for_the_next_start(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fp.sys, "dont_write_bytecode", False)
    before = start()
    known = json.loads(kept(tree).read_text())
    assert len(known) == 3  # the two empty files are one text; `other` is not imported

    with monkeypatch.context() as patch:
        patch.setattr(fp.ast, "parse", lambda *_, **__: pytest.fail("a known text is looked at again"))
        assert start() == before
    # What is kept is what counts: another digest in the file is another fingerprint.
    kept(tree).write_text(json.dumps({key: ["0" * 64, imports] for key, (_, imports) in known.items()}))
    assert start() != before
    for broken in ("", '{"a', "[]"):
        kept(tree).write_text(broken)
        assert start() == before
    assert json.loads(kept(tree).read_text()) == known


def test_nothing_is_written_where_python_writes_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fp.sys, "dont_write_bytecode", True)
    start()
    assert not kept(tree).exists()
    monkeypatch.setattr(fp.sys, "dont_write_bytecode", False)
    kept(tree).parent.write_text("a file in the place of the folder")
    (tree / "scripts" / "lib" / "masks.py").write_text("NEW = 1\n")
    assert start()


def test_many_texts_are_cut_to_those_in_use(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fp.sys, "dont_write_bytecode", False)
    monkeypatch.setattr(fp, "MOST_KNOWN", 4)
    sizes = []
    for number in range(4):
        (tree / "scripts" / "lib" / "masks.py").write_text(f"VALUE = {number}\n")
        start()
        sizes.append(len(json.loads(kept(tree).read_text())))
    # The text of two empty files, the command's and the module's; each edit is one more, and the fifth text is one too many.
    assert sizes == [3, 4, 3, 4]
