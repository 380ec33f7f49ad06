"""The ratings: an append-only log of JSON lines that outlives crashes, written and read here alone.

One line a score, in this order of keys:
    time      when, ISO 8601 in UTC             session   which process wrote it
    rater     who                               sequence  rising within the session, from 0
    set_id    which set of four images          place     the set's place in this rater's order, from 0
    role      shared | own | repeat | control   image     sample number 0..3 (not where it stood on the screen)
    aspect    text | mask                       score     0..5
    outline_seen  true | false: whether the mask's outline has been on the screen in this set when the score was given; null
              without a mask, and where nothing says so, as in the oldest logs. Logs of earlier versions call it `outline`.
Other lines hold a remark in place of aspect and score (log_values.py): a flag of an image, or a comment on the set.
Nothing is ever changed or removed: the latest of (rater, place, image, aspect) counts, the others are its history.
The one exception is a line at the end of the file that a crash has torn: nobody was told that it is saved, and the next
rating takes its place. A damaged line anywhere else is an error, since a hand, and no crash, has damaged it.
Latest is what `time` says, not the order of the lines, so that logs can be merged: within a session `sequence` decides,
even if the clock was set back meanwhile; between two sessions at one time the one whose name is later in the alphabet.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.lib.core.errors import InputError
from scripts.lib.feedback.log_lines import LineLog, check_keys, check_origin, filled_lines, in_order, read_object
from scripts.lib.feedback.log_values import ASPECTS, IMAGES, MAX_SCORE, ROLES, Remark, check_name, whole

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("time", "rater", "set_id", "role", "place", "image", "aspect", "score", "outline_seen", "session", "sequence")
WHAT = ["rater", "place", "image", "aspect"]
REMARK_KEYS = ("time", *(field.name for field in fields(Remark)), "session", "sequence")
REMARKED = ["rater", "place", "image", "remark"]


@dataclass(frozen=True)
class Rating:
    """One score of one image in one aspect; whole numbers only, else InputError.

    place >= 0, image (sample number) 0..3, score 0..5; numpy's whole numbers become Python's. outline_seen: whether the
    mask's outline has been on the screen, None where there is no mask.
    """

    rater: str
    set_id: str
    role: str
    place: int
    image: int
    aspect: str
    score: int
    outline_seen: bool | None = None

    def __post_init__(self) -> None:
        for name in ("rater", "set_id"):
            check_name(name, getattr(self, name))
        for name, known in (("role", ROLES), ("aspect", ASPECTS)):
            if getattr(self, name) not in known:
                raise InputError(f"{name} {getattr(self, name)!r}: expected one of {', '.join(known)}")
        for name, limit in (("place", None), ("image", IMAGES - 1), ("score", MAX_SCORE)):
            object.__setattr__(self, name, whole(name, getattr(self, name), limit))
        if self.outline_seen is not None and type(self.outline_seen) is not bool:
            raise InputError(f"outline_seen {self.outline_seen!r}: expected true, false or null")


class RatingLog(LineLog[Rating | Remark]):
    """The log of ratings and remarks, appended to; see LineLog."""


def read_ratings(
    path: str | Path, sets: Collection[str] | None = None, raters: Collection[str] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return (latest, history, warnings) of the log at `path`.

    history  one row a rating, in the order in which they were given: KEYS and `line`, its number from 1
    latest   the rows that count, one for each (rater, place, image, aspect), sorted by these: the last that was given
    warnings one text where a crash has torn the last line; it was never confirmed to its rater and is dropped

    The order is the one above, so merged logs, shuffled lines and lines that are there twice end in the same result.

    Any other line that is not a rating raises InputError with file and line: no JSON, unknown or missing key, a score that is
    not 0..5, a time without offset, one place of a rater with two sets, two ratings of one session and sequence, and,
    where `sets` or `raters` are given, a name that is not in them.
    """
    import pandas as pd

    records, _, warnings = _read_lines(Path(path), sets, raters)
    history = pd.DataFrame(records, columns=[*KEYS, "line"])
    history = history.astype(dict.fromkeys(("place", "image", "score", "sequence", "line"), "int64"))
    history = in_order(history, Path(path), KEYS)
    latest = history.drop_duplicates(WHAT, keep="last").sort_values(WHAT, kind="stable", ignore_index=True)
    return latest, history, warnings


def read_remarks(
    path: str | Path, sets: Collection[str] | None = None, raters: Collection[str] | None = None
) -> pd.DataFrame:
    """Return the remarks of a log that count, one row for each (rater, place, image, remark), the last that was given.

    Columns REMARK_KEYS; a flag that was taken off again is there with the value false. Raises InputError as read_ratings does.
    """
    import pandas as pd

    _, remarks, _ = _read_lines(Path(path), sets, raters)
    remarked = in_order(pd.DataFrame(remarks, columns=[*REMARK_KEYS, "line"]), Path(path), REMARK_KEYS)
    remarked = remarked.astype({"image": "Int64"})  # a comment has none
    return remarked.drop_duplicates(REMARKED, keep="last", ignore_index=True)[list(REMARK_KEYS)]


def _read_lines(
    path: Path, sets: Collection[str] | None, raters: Collection[str] | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """Return (ratings, remarks, warnings) of a log, in the order of its lines."""
    advice = "no ratings; rate with python -m scripts.rate_images, or simulate"
    filled, warnings = filled_lines(path, advice)
    records: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    placed: dict[tuple[str, int], tuple[str, str]] = {}
    for number, line in filled:
        try:
            record = _parse(line, sets, raters)
            shown = (record["set_id"], record["role"])
            if placed.setdefault((record["rater"], record["place"]), shown) != shown:
                raise InputError(f"{shown} at a place that held {placed[record['rater'], record['place']]} before")
        except InputError as error:
            raise InputError(f"{path}:{number}: {error}; correct or remove this line") from None
        records["remark" in record].append(record | {"line": number})
    return *records, warnings


def _parse(line: bytes, sets: Collection[str] | None, raters: Collection[str] | None) -> dict[str, Any]:
    """Return one line as a mapping with the keys KEYS or REMARK_KEYS; InputError without file and line."""
    record = read_object(line)
    kind: type[Rating] | type[Remark] = Remark if isinstance(record, dict) and "remark" in record else Rating
    expected = KEYS if kind is Rating else REMARK_KEYS
    if isinstance(record, dict) and kind is Rating:
        record.setdefault("outline_seen", record.pop("outline", None))  # its name in earlier logs
    record = check_keys(record, expected)
    rating = kind(**{field.name: record[field.name] for field in fields(kind)})
    return record | asdict(rating) | {"sequence": check_origin(record, sets, raters)}
