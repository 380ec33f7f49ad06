"""What every log of raters is made of: JSON lines that are only ever appended, and outlive crashes.

A line that a crash has torn off at the end of a file was never confirmed to anybody: it is dropped, and the next line takes
its place. log.py says which lines count.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from scripts.lib.core.atomic import sync
from scripts.lib.core.errors import InputError
from scripts.lib.feedback.log_values import check_name, whole

if TYPE_CHECKING:
    import pandas as pd
    from _typeshed import DataclassInstance

TAIL = 1 << 16  # bytes at the end of a log, many times more than the longest line
TICK = timedelta(milliseconds=1)  # times are written no finer
SIMULATED, PAUSE = (
    datetime(2000, 1, 1, tzinfo=UTC),
    timedelta(seconds=5),
)  # where simulated times begin, and their steps
BLANK = b" \t\r\0"  # what a line without content may hold; a crash of the machine can leave zeros
Line = TypeVar("Line", bound="DataclassInstance")  # a dataclass whose fields are the values of a line


class LineLog(Generic[Line]):
    """Append lines to the log at `path`, which is made, with its folder, when it is not there.

    Any number of processes may append to one log: each line is written under a lock. `session` and `clock` are given
    where the same lines must make the same bytes, as in a simulation; otherwise random and the time of day.
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
        """Let every line to come be later than `moment`, even if the clock has been set back behind it."""
        self._earliest = max(self._earliest, moment + TICK)

    def append(self, line: Line) -> None:
        """Write one line; it is on the disk when this returns. Raises OSError when it cannot be written."""
        self.extend([line])

    def extend(self, made: Iterable[Line]) -> None:
        """Write several lines at once, with one sync of the disk."""
        lines = []
        for one in made:
            time = max(self._clock(), self._earliest).astimezone(UTC).isoformat(timespec="milliseconds")
            origin = {"session": self.session, "sequence": self._sequence}
            lines.append(json.dumps({"time": time} | asdict(one) | origin) + "\n")
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


def write_simulated(made: Callable[..., LineLog[Any]], path: Path, lines: Sequence[Any]) -> None:
    """Write simulated lines, which name their `rater`, to the log at `path`: a session for each rater, at times from 2000 on.

    made: the log's class. The times are plainly none of this day, so the same lines make the same bytes.
    """
    ticks = count()

    def clock() -> datetime:
        return SIMULATED + PAUSE * next(ticks)

    by_rater: dict[str, list[Any]] = {}
    for line in lines:
        by_rater.setdefault(line.rater, []).append(line)
    for rater, of_rater in by_rater.items():
        made(path, session=f"simulated-{rater}", clock=clock).extend(of_rater)


def filled_lines(path: Path, advice: str) -> tuple[list[tuple[int, bytes]], list[str]]:
    """Return (number from 1, line) of a log, blank lines left out, and a warning where a crash has torn the last one.

    Raises InputError with `advice` where there is no file.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        raise InputError(f"{path}: {advice}") from None
    filled = [(number, line) for number, line in enumerate(lines, start=1) if line.strip(BLANK)]
    if not filled or not is_torn(filled[-1][1]):
        return filled, []
    number, line = filled.pop()
    return filled, [f"{path}:{number}: the last line, torn by a crash, is dropped: {line[:60]!r}..."]


def read_object(line: bytes) -> Any:
    """Return the JSON of one line; InputError without file and line where it is none, or names a key twice."""
    try:
        return json.loads(line.rstrip(BLANK), object_pairs_hook=each_once)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON ({error})") from None


def check_keys(record: Any, expected: Collection[str]) -> dict[str, Any]:
    """Return a record that has these keys and no other; raises InputError for anything else."""
    if not isinstance(record, dict) or set(record) != set(expected):
        keys = sorted(record) if isinstance(record, dict) else type(record).__name__
        raise InputError(f"keys {keys}, expected {sorted(expected)}")
    return record


def check_origin(record: dict[str, Any], sets: Collection[str] | None, raters: Collection[str] | None) -> int:
    """Return the sequence of a record; raises InputError unless its set, rater, time, session and sequence may stand there."""
    for name, known in (("set_id", sets), ("rater", raters)):
        if known is not None and record[name] not in known:
            raise InputError(f"{name} {record[name]!r} is not of this study")
    for name in ("time", "session"):
        check_name(name, record[name])
    if moment_of(record["time"]) is None:
        raise InputError(
            f"time {record['time']!r}: expected ISO 8601 with its offset, as 2026-01-31T12:00:00.000+00:00"
        )
    return whole("sequence", record["sequence"], None)


def in_order(history: pd.DataFrame, path: Path, keys: Collection[str], kind: str = "rating") -> pd.DataFrame:
    """Return the lines in the order in which they were given, each once."""
    if history.empty:
        return history
    known = history.sort_values(["session", "sequence", "line"], kind="stable").drop_duplicates(list(keys))
    same = known[known.duplicated(["session", "sequence"])]
    if len(same):
        raise InputError(
            f"{path}:{same['line'].iloc[0]}: session {same['session'].iloc[0]} has another {kind} with sequence "
            f"{same['sequence'].iloc[0]}; remove one of the lines"
        )
    given = known["time"].map(moment_of)
    latest = given.groupby(known["session"]).cummax()
    return (
        known.assign(given=latest)
        .sort_values(["given", "session", "sequence"], ignore_index=True)
        .drop(columns="given")
    )


def latest_moment(history: pd.DataFrame) -> datetime | None:
    """Return the latest time in a log's history, None without ratings."""
    return max(map(datetime.fromisoformat, history["time"]), default=None)


def moment_of(text: str) -> float | None:
    """Return a time as seconds since 1970, or None where the text is none, or does not say in which zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.timestamp()


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the keys of a record with their values; of a key that is given twice the last value would count in silence."""
    record = dict(pairs)
    if len(record) < len(pairs):
        twice = [key for key, _ in pairs if [name for name, _ in pairs].count(key) > 1]
        raise InputError(f"key {twice[0]!r} is given twice")
    return record


def is_torn(line: bytes) -> bool:
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
    if is_torn(tail[start:]):
        os.ftruncate(descriptor, size - len(data) + start)
        return ""
    return "\n" if data and not data.endswith(b"\n") else ""


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
