"""docs/architecture.md names every room, in the order in which rooms may import, and answers where functions are."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
LIBRARY = ROOT / "scripts" / "lib"


def rooms() -> list[str]:
    table = PAGE.split("## The rooms\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([a-z_]+)` \|", table, re.M)


def test_every_room_is_on_the_map() -> None:
    there = {path.name for path in LIBRARY.iterdir() if (path / "__init__.py").is_file()}
    assert set(rooms()) == there and len(rooms()) == len(there)


def test_a_room_imports_only_from_rooms_above_it() -> None:
    order = rooms()
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for place, room in enumerate(order)
        for file in sorted((LIBRARY / room).rglob("*.py"))
        for name in re.findall(r"(?:from|import) scripts\.lib\.([a-z_]+)", file.read_text())
        if name in order and order.index(name) > place
    ]
    assert wrong == []


def test_no_file_imports_in_a_circle() -> None:
    modules = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in (ROOT / "scripts").rglob("*.py")
    }
    taken = {
        name: re.findall(
            r"^ *from (scripts\.[\w.]+) import", file.read_text(encoding="utf-8"), re.M
        )  # also in functions
        for name, file in modules.items()
    }
    # Raises CycleError, which names the circle.
    TopologicalSorter({name: modules.keys() & names for name, names in taken.items()}).prepare()


def test_each_question_of_the_page_is_answered_by_its_room() -> None:
    answers = re.findall(r"^\| \.\.\. [^|]+\? \| `([a-z_]+)` \| `(\w+)` \|", PAGE, re.M)
    assert len(answers) >= 10
    for room, name in answers:
        files = sorted((LIBRARY / room).rglob("*.py"))
        holders = [file for file in files if re.search(rf"^(?:def|class) {name}\b", file.read_text(), re.M)]
        assert holders, f"no function {name} in the room {room}"
