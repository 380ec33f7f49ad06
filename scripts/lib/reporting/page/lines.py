"""What has to hold for the answer to be believed, one line a statement: green, amber, red or not measured, with its reason.

A colour never stands alone: `WORDS` says it in words, and the page puts a sign beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.lib.reporting.page.comparisons import ComparisonRow
from scripts.lib.reporting.page.names import Names
from scripts.lib.reporting.page.tables import Tables
from scripts.lib.reporting.page.words import sentence

GREEN, AMBER, RED, GREY = "green", "amber", "red", "grey"
WORDS = {GREEN: "holds", AMBER: "in doubt", RED: "fails", GREY: "not measured"}


@dataclass(frozen=True)
class Line:
    """One statement that has to hold: `key` is the anchor of its section, `state` one of WORDS, `reason` a sentence.

    Words between backticks are a command or a file; the page sets them as such.
    """

    key: str
    title: str
    state: str
    reason: str

    @property
    def word(self) -> str:
        """The state in words."""
        return WORDS[self.state]


@dataclass(frozen=True)
class Facts:
    """What lines are made from: the tables, the comparisons, the resolved configuration and its names."""

    tables: Tables
    comparisons: Sequence[ComparisonRow]
    config: Mapping[str, Any]
    names: Names

    @property
    def arm(self) -> str:
        """The arm that the answer is about."""
        return str(self.config["figures"]["arm"])


def line(key: str, title: str, state: str, reason: str) -> Line:
    """Return a line whose reason is a sentence."""
    return Line(key, title, state, sentence(reason))


def absent(key: str, title: str, table: str, how: str = "`make evidence` measures it") -> Line:
    """Return the line of a statement whose table is not there."""
    return line(key, title, GREY, f"this run has no `{table}`; {how}")
