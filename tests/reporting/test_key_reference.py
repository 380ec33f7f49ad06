"""docs/configuration.md says what the schema and the defaults say, and every key is described."""

from __future__ import annotations

from pathlib import Path

from scripts.lib.reporting.key_reference import NOTHING, Key, list_keys, page, page_differs, write_page
from scripts.lib.study.config import CONFIG_FILE, ROOT, read_study
from scripts.lib.study.schema import read_schema

FREE = (
    "arms.",
    "datasets.",
    "search.space.",
    "edits.judge",
    "faithfulness.sources",
    "experts.own",
)  # mappings of names; their entries are described once, as NAME


def all_keys() -> dict[str, Key]:
    sections = list_keys(read_schema(), read_study([CONFIG_FILE]))
    return {key.path: key for keys in sections.values() for key in keys}


def test_the_page_of_this_repository_is_up_to_date() -> None:
    assert list(page_differs(ROOT)) == []


def test_every_key_has_a_description() -> None:
    assert [path for path, key in all_keys().items() if not key.description] == []


def test_every_default_is_listed() -> None:
    def missing(value: object, path: str) -> list[str]:
        if path in keys:
            return [] if keys[path].default == value else [path]
        if isinstance(value, dict) and value:
            return [found for name, inner in value.items() for found in missing(inner, f"{path}.{name}".strip("."))]
        return [] if path.startswith(FREE) else [path]

    keys = all_keys()
    assert missing(read_study([CONFIG_FILE]), "") == []


def test_a_line_names_default_bounds_and_choices() -> None:
    keys = all_keys()
    assert keys["study.resolution"] == Key(
        "study.resolution",
        read_study([CONFIG_FILE])["study"]["resolution"],
        "whole number, at least 32, at most 2048, a multiple of 32",
        "side of a stored image in pixels",
    )
    assert keys["statistics.test"].values == "welch, pooled, paired"
    assert keys["conditions.segmentation.positive_share"].values == "number, at least 0, at most 1 or subset"
    assert keys["base.path"].default is None and keys["arms.NAME.filter"].default is NOTHING
    assert keys["datasets.NAME.split.test"].values == "number, more than 0"
    assert "trials.segmentation.loss.dice" in keys and "trials.multilabel.loss.dice" not in keys


def test_a_page_changed_by_hand_is_found_and_renewed(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    assert len(list(page_differs(tmp_path))) == 1
    assert write_page(tmp_path) == "docs/configuration.md" and list(page_differs(tmp_path)) == []
    file = tmp_path / "docs" / "configuration.md"
    file.write_text(file.read_text().replace("`64`", "`65`", 1))
    (line,) = page_differs(tmp_path)
    assert "python -m scripts.renew_docs --configuration" in line
    assert page().count("\n## ") == len(list_keys(read_schema(), read_study([CONFIG_FILE]))) + 1
