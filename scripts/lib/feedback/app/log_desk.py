"""What the desks of both rating pages share: places that raters go through in order, and a log that is the truth."""

from __future__ import annotations

import fcntl
import statistics
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Generic, Protocol, TypeVar

from scripts.lib.core.errors import InputError
from scripts.lib.feedback.log_lines import LineLog


class AnyPlace(Protocol):
    """What one rater sees at one number: a set, in a role."""

    @property
    def number(self) -> int: ...

    @property
    def set_id(self) -> str: ...

    @property
    def role(self) -> str: ...


Spot = TypeVar("Spot", bound=AnyPlace)


class LogDesk(ABC, Generic[Spot]):
    """The state of all raters, as the log has it; one desk serves a log at a time.

    places  {rater: places in order}; study: its name for the raters; origin: what is said of phantom films, else "".
    Methods may be called from several threads.
    A subclass makes what it keeps before it calls `_open`.
    """

    def __init__(self, places: Mapping[str, Sequence[Spot]], log: LineLog[Any], study: str, origin: str = "") -> None:
        self.places, self.log, self.study, self.origin = places, log, study, origin
        self.warnings: list[str] = []
        self._lock = threading.Lock()
        self._serving = hold(log.path)
        self._last: dict[str, int] = dict.fromkeys(places, 0)
        self._paces = {rater: Pace() for rater in places}

    def _open(self) -> None:
        """Take what the log holds; a log that cannot be read is let go of."""
        if self.log.path.exists():
            try:
                self._read()
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Let another rating app serve the log."""
        self._serving.close()

    def state(self, rater: str, number: int | None = None) -> dict[str, Any]:
        """Return what was given at a place and the progress there; None: where the rater stopped.

        {study, rater, origin, place, places, done, complete, minutes: what is left at this rater's pace, or null while that is not
        known, next: the next place that is not complete, from the following one on and then from the beginning, or null}, and
        what the subclass adds; when all is done and no place is asked for, `place` is null as well, and nothing is added.
        """
        with self._lock:
            if number is None:
                number = self._next_open(rater, self._last[rater])
                if number is None:
                    total = len(self.places[rater])
                    ended = {"place": None, "places": total, "done": total, "complete": True, "next": None}
                    return self._about(rater) | ended | {"minutes": 0.0}
            return self._state(rater, self._place(rater, number))

    def _about(self, rater: str) -> dict[str, Any]:
        """Return what each answer begins with: {study, rater, origin}."""
        return {"study": self.study, "rater": rater, "origin": self.origin}

    @abstractmethod
    def _read(self) -> None:
        """Take what the log holds. What comes now counts more than all of it, here and for everyone who reads the log."""

    @abstractmethod
    def _next_open(self, rater: str, start: int) -> int | None:
        """Return the first place from `start` on, and then from the beginning, that is not complete."""

    @abstractmethod
    def _state(self, rater: str, place: Spot) -> dict[str, Any]: ...

    def _given_before(self, line: Mapping[Any, Any], did: str) -> None:
        """Take a line of the log into pace and progress; raises InputError where the assignments have something else there."""
        rater, number = line["rater"], line["place"]
        own = self.places[rater]
        place = own[number] if number < len(own) else None
        if place is None or (place.set_id, place.role) != (line["set_id"], line["role"]):
            raise InputError(
                f"{self.log.path}:{line['line']}: {rater} {did} {line['set_id']} ({line['role']}) at place {number}, "
                "which the assignments do not have there; keep this log and give --ratings a new file"
            )
        self._given(rater, number, datetime.fromisoformat(line["time"]).timestamp())

    def _given(self, rater: str, number: int, moment: float) -> None:
        """Note that a rater gave something at a place, at a moment in seconds since 1970."""
        self._last[rater] = number
        self._paces[rater].scored(moment)

    def _place(self, rater: str, number: object) -> Spot:
        own = self.places[rater]
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(own):
            raise InputError(f"place {number!r}: expected a whole number from 0 to {len(own) - 1}")
        return own[number]


class Pace:
    """How fast a rater scores: the median of the times between two scores, breaks left out."""

    LONGEST = 120.0  # seconds between two scores; longer ones are breaks
    KEPT = 60  # of the latest times
    FEWEST = 4  # times that say something

    def __init__(self) -> None:
        self._last: float | None = None
        self._gaps: deque[float] = deque(maxlen=self.KEPT)

    def scored(self, moment: float) -> None:
        """Take the moment of a score, in seconds since 1970."""
        if self._last is not None and 0 <= moment - self._last <= self.LONGEST:
            self._gaps.append(moment - self._last)
        self._last = moment

    def minutes(self, scores: int) -> float | None:
        """Return the minutes that so many scores take; None while too few are known."""
        return None if len(self._gaps) < self.FEWEST else round(scores * statistics.median(self._gaps) / 60, 1)


def hold(log: Path) -> IO[str]:
    """Return a file whose lock, which dies with this process, says that the log is being served."""
    log.parent.mkdir(parents=True, exist_ok=True)
    stream = (log.parent / f".{log.name}.serving").open("a")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        raise InputError(f"{log}: another rating app serves this log; stop it first, or use its page") from None
    return stream
