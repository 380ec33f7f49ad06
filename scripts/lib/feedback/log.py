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

import fcntl
import json
import os
import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.lib.core.atomic import sync
from scripts.lib.core.errors import InputError
from scripts.lib.feedback.log_values import ASPECTS, IMAGES, MAX_SCORE, ROLES, Remark, check_name, whole

if TYPE_CHECKING:
    import pandas as pd

TAIL = 1 << 16  # bytes at the end of a log, many times more than the longest line
TICK = timedelta(milliseconds=1)  # times are written no finer
BLANK = b" \t\r\0"  # what a line without a rating may hold; a crash of the machine can leave zeros
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


class RatingLog:
    """Append ratings to the log at `path`, which is made, with its folder, when it is not there.

    Any number of processes may append to one log: each line is written under a lock. `session` and `clock` are given
    where the same ratings must make the same bytes, as in a simulation; otherwise random and the time of day.
    """

    def __init__(
        self, path: str | Path, session: str | None = None, clock: Callable[[], datetime] | None = None
    ) -> None:
        self.path = Path(path)
        self.session = session or uuid.uuid4().hex[:12]
        self._clock = clock or (lambda: datetime.now(UTC))
        self._sequence = 0
        self._earliest = datetime.min.replace(tzinfo=UTC)

    def follow(self, moment: datetime) -> None:
        """Let every rating to come be later than `moment`, even if the clock has been set back behind it."""
        self._earliest = max(self._earliest, moment + TICK)

    def append(self, rating: Rating | Remark) -> None:
        """Write one rating or remark; it is on the disk when this returns. Raises OSError when it cannot be written."""
        self.extend([rating])

    def extend(self, ratings: Iterable[Rating | Remark]) -> None:
        """Write several ratings at once, with one sync of the disk."""
        lines = []
        for rating in ratings:
            time = max(self._clock(), self._earliest).astimezone(UTC).isoformat(timespec="milliseconds")
            origin = {"session": self.session, "sequence": self._sequence}
            lines.append(json.dumps({"time": time} | asdict(rating) | origin) + "\n")
            self._sequence += 1  # also when writing fails: part of it may be on the disk, and a number is used once
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = not self.path.exists()
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _write_all(descriptor, (_end_lines(descriptor) + "".join(lines)).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            sync(self.path.parent)


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
    history = _in_order(history, Path(path), KEYS)
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
    told = _in_order(pd.DataFrame(remarks, columns=[*REMARK_KEYS, "line"]), Path(path), REMARK_KEYS)
    told = told.astype({"image": "Int64"})  # a comment has none
    return told.drop_duplicates(REMARKED, keep="last", ignore_index=True)[list(REMARK_KEYS)]


def _read_lines(
    path: Path, sets: Collection[str] | None, raters: Collection[str] | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """Return (ratings, remarks, warnings) of a log, in the order of its lines."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        raise InputError(f"{path}: no ratings; rate with python -m scripts.rate_images, or simulate") from None
    records: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    warnings: list[str] = []
    placed: dict[tuple[str, int], tuple[str, str]] = {}
    filled = [(number, line) for number, line in enumerate(lines, start=1) if line.strip(BLANK)]
    if filled and _is_torn(filled[-1][1]):
        number, line = filled.pop()
        warnings.append(f"{path}:{number}: the last line, torn by a crash, is dropped: {line[:60]!r}...")
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


def _in_order(history: pd.DataFrame, path: Path, keys: Collection[str]) -> pd.DataFrame:
    """Return the ratings or remarks in the order in which they were given, each once."""
    if history.empty:
        return history
    known = history.sort_values(["session", "sequence", "line"], kind="stable").drop_duplicates(list(keys))
    same = known[known.duplicated(["session", "sequence"])]
    if len(same):
        raise InputError(
            f"{path}:{same['line'].iloc[0]}: session {same['session'].iloc[0]} has another rating with sequence "
            f"{same['sequence'].iloc[0]}; remove one of the lines"
        )
    given = known["time"].map(_moment)
    own = given.groupby(known["session"]).cummax()
    return (
        known.assign(given=own).sort_values(["given", "session", "sequence"], ignore_index=True).drop(columns="given")
    )


def latest_moment(history: pd.DataFrame) -> datetime | None:
    """Return the latest time in a log's history, None without ratings."""
    return max(map(datetime.fromisoformat, history["time"]), default=None)


def _moment(text: str) -> float | None:
    """Return a time as seconds since 1970, or None where the text is none, or does not say in which zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.timestamp()


def _parse(line: bytes, sets: Collection[str] | None, raters: Collection[str] | None) -> dict[str, Any]:
    """Return one line as a mapping with the keys KEYS or REMARK_KEYS; InputError without file and line."""
    try:
        record = json.loads(line.rstrip(BLANK), object_pairs_hook=_each_once)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON ({error})") from None
    kind: type[Rating] | type[Remark] = Remark if isinstance(record, dict) and "remark" in record else Rating
    expected = KEYS if kind is Rating else REMARK_KEYS
    if isinstance(record, dict) and kind is Rating:
        record.setdefault("outline_seen", record.pop("outline", None))  # its name in earlier logs
    if not isinstance(record, dict) or set(record) != set(expected):
        found = sorted(record) if isinstance(record, dict) else type(record).__name__
        raise InputError(f"keys {found}, expected {sorted(expected)}")
    rating = kind(**{field.name: record[field.name] for field in fields(kind)})
    for name, known in (("set_id", sets), ("rater", raters)):
        if known is not None and record[name] not in known:
            raise InputError(f"{name} {record[name]!r} is not of this study")
    for name in ("time", "session"):
        check_name(name, record[name])
    if _moment(record["time"]) is None:
        raise InputError(
            f"time {record['time']!r}: expected ISO 8601 with its offset, as 2026-01-31T12:00:00.000+00:00"
        )
    return record | asdict(rating) | {"sequence": whole("sequence", record["sequence"], None)}


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the keys of a record with their values; of a key that is given twice the last value would count in silence."""
    record = dict(pairs)
    if len(record) < len(pairs):
        twice = [key for key, _ in pairs if [name for name, _ in pairs].count(key) > 1]
        raise InputError(f"key {twice[0]!r} is given twice")
    return record


def _is_torn(line: bytes) -> bool:
    """Whether this is the beginning of a line whose end never reached the disk.

    No value of a line holds a closing brace, so that a beginning has none at all: a line with one was written to its end.
    """
    return line.startswith(b"{") and b"}" not in line


def _end_lines(descriptor: int) -> str:
    """Cut a torn line off the end of the log; return what must come first so that a new line begins on one of its own."""
    size = os.fstat(descriptor).st_size
    data = os.pread(descriptor, size - max(0, size - TAIL), max(0, size - TAIL))
    tail = data.rstrip(BLANK + b"\n")
    start = tail.rfind(b"\n") + 1
    if _is_torn(tail[start:]):
        os.ftruncate(descriptor, size - len(data) + start)
        return ""
    return "\n" if data and not data.endswith(b"\n") else ""


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
