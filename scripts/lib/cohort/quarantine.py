"""The inputs that were not taken: their table, and the share of them beyond which a run stops."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from scripts.lib.core.errors import InputError
from scripts.lib.formats.record import Rejection
from scripts.lib.formats.spreadsheet import inert

QUARANTINE = "quarantine.tsv"
COLUMNS = ("source_file", "image_id", "reason", "sha256")


def write_quarantine(path: Path, rejections: Sequence[Rejection]) -> None:
    """Write the table, tab-separated, sorted by file; sha256 is that of the file's bytes, "" where there is no file."""
    lines = ["\t".join(COLUMNS)]
    for item in sorted(rejections, key=lambda item: (item.source_file, item.image_id)):
        lines.append("\t".join(_cell(value) for value in (item.source_file, item.image_id, item.reason, item.sha256)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_quarantine(path: Path) -> list[Rejection]:
    """Return the rows of a table that write_quarantine wrote."""
    with path.open(newline="", encoding="utf-8") as stream:
        return [Rejection(**row) for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)]


def check_share(rejections: Sequence[Rejection], total: int, limit: float, dataset: str) -> None:
    """Raise InputError when more than the share `limit` of `total` inputs was rejected, with the commonest reasons."""
    if len(rejections) <= limit * total:
        return
    raise InputError(
        f"{dataset}: {len(rejections)} of {total} films cannot be used ({len(rejections) / total:.1%}), more than "
        f"quarantine_limit {limit:g}; mend the files or raise the limit: {commonest(rejections)}"
    )


def commonest(rejections: Sequence[Rejection]) -> str:
    """Return the three commonest reasons of rejections with an example each, in one line."""
    kinds = Counter(re.sub(r"\d+", "#", rejection.reason) for rejection in rejections)
    examples = {re.sub(r"\d+", "#", rejection.reason): rejection for rejection in reversed(rejections)}
    return "; ".join(
        f"{count} x {_cell(examples[kind].reason)}, e.g. {examples[kind].source_file}"
        for kind, count in kinds.most_common(3)
    )


def _cell(text: str) -> str:
    return inert(" ".join(str(text).split()))
