"""The rating desk: answers what a rater sees at a place, and takes scores into the log."""

from __future__ import annotations

import fcntl
import statistics
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.feedback.app.guide import guide
from scripts.lib.feedback.app.pictures import Pictures
from scripts.lib.feedback.app.places import Place, count_done, is_complete, next_open, on_screen
from scripts.lib.feedback.log import Rating, RatingLog, read_ratings, read_remarks
from scripts.lib.feedback.log_lines import latest_moment
from scripts.lib.feedback.log_values import COMMENT, FLAGS, Remark, as_comment


class Desk:
    """The state of all raters, as the log has it. Its answers hold screen positions, never sets, roles or samples.

    `places` is {rater: places in order}, `study` its name for the raters. Methods may be called from several threads.
    """

    def __init__(
        self, places: Mapping[str, Sequence[Place]], pictures: Pictures, log: RatingLog, study: str = "study"
    ) -> None:
        self.places, self.pictures, self.log, self.study = places, pictures, log, study
        self.warnings: list[str] = []
        self._lock = threading.Lock()
        self._serving = hold(log.path)
        self._scores: dict[str, dict[tuple[int, int, str], int]] = {rater: {} for rater in places}
        self._last: dict[str, int] = dict.fromkeys(places, 0)
        self._remarks: dict[str, dict[tuple[int, int | None, str], bool | str]] = {rater: {} for rater in places}
        self._paces = {rater: Pace() for rater in places}
        if log.path.exists():
            try:
                self._read()
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Let another rating app serve the log."""
        self._serving.close()

    def _read(self) -> None:
        """Take what the log holds. What comes now counts more than all of it, here and for everyone who reads the log."""
        sets = {place.set_id for own in self.places.values() for place in own}
        _, history, self.warnings = read_ratings(self.log.path, sets, self.places)
        self._replay(history)
        remarks = read_remarks(self.log.path, sets, self.places)
        for line in remarks.to_dict("records"):
            image = None if pd.isna(line["image"]) else int(line["image"])
            self._remarks[line["rater"]][line["place"], image, line["remark"]] = line["value"]
        for told in (history, remarks):
            if (moment := latest_moment(told)) is not None:
                self.log.follow(moment)

    def _replay(self, history: pd.DataFrame) -> None:
        for line in history.to_dict("records"):
            rater, number = line["rater"], line["place"]
            own = self.places[rater]
            place = own[number] if number < len(own) else None
            if place is None or (place.set_id, place.role) != (line["set_id"], line["role"]):
                raise InputError(
                    f"{self.log.path}:{line['line']}: {rater} rated {line['set_id']} ({line['role']}) at place {number}, "
                    "which the assignments do not have there; keep this log and give --ratings a new file"
                )
            self._scores[rater][number, line["image"], line["aspect"]] = line["score"]
            self._last[rater] = number
            self._paces[rater].scored(datetime.fromisoformat(line["time"]).timestamp())

    def start(self, rater: str) -> dict[str, Any]:
        """Return what the start page shows: {study, rater, places, anchors, training}; see guide.py."""
        about = {"study": self.study, "rater": rater, "places": len(self.places[rater])}
        return about | guide(self.pictures.pool.resolution)

    def state(self, rater: str, number: int | None = None) -> dict[str, Any]:
        """Return the scores and the progress at a place; None: where the rater stopped.

        {study, rater, place, places, done, complete, minutes: what is left at this rater's pace, or null while that is not
        known, scores: {aspect: one score or null an image}, remarks: {not_chest, unsure: true or false an image, comment},
        next: the next place that is not complete, from the following one on and then from the beginning, or null}; when
        all is done and no place is asked for, `place` is null as well.
        """
        with self._lock:
            if number is None:
                number = next_open(self.places[rater], self._scores[rater], self._last[rater])
                if number is None:
                    total = len(self.places[rater])
                    about = {"study": self.study, "rater": rater, "minutes": 0.0}
                    return about | {"place": None, "places": total, "done": total, "complete": True, "next": None}
            return self._state(rater, self._place(rater, number))

    def view(self, rater: str, number: int) -> dict[str, Any]:
        """Return {place, aspects, prompt, images: data URLs in the order of the screen, mask}."""
        place = self._place(rater, number)
        view = self.pictures.view(place.set_id)
        images = [view["images"][image] for image in place.order]
        return {"place": number, "aspects": place.aspects, **view, "images": images}

    def score(
        self,
        rater: str,
        number: object,
        position: object,
        aspect: object,
        score: Any,
        outline_seen: Any = None,
    ) -> dict[str, Any]:
        """Log a score of the image at a screen position (from 0); return {state, then}.

        `outline_seen`: whether the page has shown the mask's outline in this set; of no account in a set without a mask.

        `state` is that of the place, `then` that of the next open place if this one is complete, else None. When this
        returns the score is on the disk. InputError for what cannot be scored, OSError when it cannot be written.
        """
        place = self._place(rater, number)
        image = _sample(place, position)
        if aspect not in place.aspects:
            raise InputError(f"aspect {aspect!r}: this set is scored for {' and '.join(place.aspects)}")
        shown = outline_seen if "mask" in place.aspects else None
        rating = Rating(rater, place.set_id, place.role, place.number, image, aspect, score, shown)
        with self._lock:
            self.log.append(rating)
            self._scores[rater][rating.place, rating.image, rating.aspect] = rating.score
            self._last[rater] = rating.place
            self._paces[rater].scored(time.time())
            state = self._state(rater, place)
            then = state["next"] if state["complete"] else None
            return {"state": state, "then": None if then is None else self._state(rater, self.places[rater][then])}

    def remark(self, rater: str, number: object, position: object, remark: Any, value: Any) -> dict[str, Any]:
        """Log a flag of the image at a screen position, or a comment on the set (position null); return its state.

        When this returns the remark is on the disk. InputError for what is no remark, OSError when it cannot be written.
        """
        place = self._place(rater, number)
        image = None if position is None else _sample(place, position)
        told = as_comment(value) if remark == COMMENT else value
        made = Remark(rater, place.set_id, place.role, place.number, image, remark, told)
        with self._lock:
            self.log.append(made)
            self._remarks[rater][made.place, made.image, made.remark] = made.value
            return self._state(rater, place)

    def _state(self, rater: str, place: Place) -> dict[str, Any]:
        own, scores, remarks = self.places[rater], self._scores[rater], self._remarks[rater]
        flags = {name: [bool(remarks.get((place.number, image, name))) for image in place.order] for name in FLAGS}
        open_cells = sum(len(one.order) * len(one.aspects) for one in own) - len(scores)
        return {
            "study": self.study,
            "rater": rater,
            "minutes": self._paces[rater].minutes(open_cells),
            "remarks": {**flags, COMMENT: remarks.get((place.number, None, COMMENT), "")},
            "place": place.number,
            "places": len(own),
            "done": count_done(own, scores),
            "complete": is_complete(place, scores),
            "scores": on_screen(place, scores),
            "next": next_open(own, scores, place.number + 1),
        }

    def _place(self, rater: str, number: object) -> Place:
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


def _sample(place: Place, position: object) -> int:
    """Return the sample number at a position of the screen; raises InputError for anything else."""
    if not isinstance(position, int) or isinstance(position, bool) or not 0 <= position < len(place.order):
        raise InputError(f"image {position!r}: expected a whole number from 0 to {len(place.order) - 1}")
    return place.order[position]


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
