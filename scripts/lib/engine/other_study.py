"""Whose results a folder holds: a run says so before it takes the place of another study's tables, figures and report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from scripts.lib.study.reported import RECORD


def replaced_study(name: str, results: Path) -> Iterator[str]:
    """Yield a line if the report in `results` is that of another study than `name`.

    A report that cannot be read says nothing: the run writes it anew.
    """
    try:
        known = json.loads((results / RECORD).read_text())["study"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if known != name:
        yield (
            f"{results}/ holds the study {known}. The study {name} takes the place of its tables, figures and report, and makes "
            f"models and images anew where settings differ; --directory runs/{name} (make: DIR=runs/{name}) keeps both"
        )
