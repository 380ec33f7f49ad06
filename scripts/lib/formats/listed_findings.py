"""Labels of a column that lists what each film shows: "Effusion|Edema", "No Finding", "['pneumonia', 'nodule']"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.core.nearest import did_you_mean
from scripts.lib.formats.columns import find_column, plain_name
from scripts.lib.formats.labels import decide
from scripts.lib.formats.tables import Row, Table, is_missing

NAMED = 12  # findings that a complaint names, the commonest first


def findings_in(cell: str, separator: str) -> list[str]:
    """Return the plain names of the findings that a cell lists, without repeats; brackets and quotes of a list do not count.

    >>> findings_in("['Pleural effusion', 'edema']", ",")
    ['pleural_effusion', 'edema']
    """
    return list(dict.fromkeys(name for part in cell.split(separator) if (name := plain_name(part))))


class ListedFindings:
    """The column reader.findings of a table, and the labels that are read from it: those that are no column of their own.

    words  {label: plain name of its finding}; reader.columns says where the table calls it otherwise
    """

    def __init__(self, table: Table, labels: Sequence[str], settings: Mapping[str, Any]) -> None:
        self.table, self.column, self.settings = table, str(settings["findings"]), settings
        if self.column and self.column not in table.columns:
            near = did_you_mean(self.column, table.columns)
            raise InputError(f"{table.path}: no column {self.column}, named in reader.findings{near}")
        called = {label: settings["columns"].get(label, label) for label in labels if self.column}
        self.words = {label: plain_name(name) for label, name in called.items() if find_column(table, name) is None}
        self.met: Counter[str] = Counter()

    def labels(self, row: Row) -> dict[str, int | None]:
        """Return 1 for each label that the row lists and 0 for the others; of an empty cell what reader.blank says."""
        if not self.words:
            return {}
        if is_missing(row[self.column]):
            return {label: decide(None, label, "ignore", self.settings["blank"]) for label in self.words}
        shown = findings_in(row[self.column], self.settings["findings_separator"])
        self.met.update(shown)
        return {label: int(word in shown) for label, word in self.words.items()}

    def check(self) -> None:
        """Raise InputError for a label that no row of the table lists, once all rows were read."""
        for label, word in self.words.items():
            if not self.met[word]:
                known = [name for name, _ in self.met.most_common()]
                raise InputError(
                    f"{self.table.path} column {self.column}: no film has the finding {word!r} of label {label!r}"
                    f"{did_you_mean(word, known)}; it lists {', '.join(known[:NAMED]) or 'nothing'}; "
                    f"reader.columns: {{{label}: ...}} says what the table calls it"
                )
