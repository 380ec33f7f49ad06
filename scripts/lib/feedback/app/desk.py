"""The rating desk: answers what a rater sees at a place, and takes scores into the log."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.feedback.app.pictures import Pictures
from scripts.lib.feedback.app.places import Place, count_done, is_complete, next_open, on_screen
from scripts.lib.feedback.log import Rating, RatingLog, latest_moment, read_ratings


class Desk:
    """The state of all raters, as the log has it. Its answers hold screen positions, never sets, roles or samples.

    `places` is {rater: places in order}. Methods may be called from several threads.
    """

    def __init__(self, places: Mapping[str, Sequence[Place]], pictures: Pictures, log: RatingLog) -> None:
        self.places, self.pictures, self.log = places, pictures, log
        self.warnings: list[str] = []
        self._lock = threading.Lock()
        self._serving = _hold(log.path)
        self._scores: dict[str, dict[tuple[int, int, str], int]] = {rater: {} for rater in places}
        self._last: dict[str, int] = dict.fromkeys(places, 0)
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
        if (moment := latest_moment(history)) is not None:
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

    def state(self, rater: str, number: int | None = None) -> dict[str, Any]:
        """Return the scores and the progress at a place; None: where the rater stopped.

        {place, places, done, complete, scores: {aspect: one score or null an image}, next: the next place that is not
        complete, from the following one on and then from the beginning, or null}; when all is done and no place is asked
        for, `place` is null as well.
        """
        with self._lock:
            if number is None:
                number = next_open(self.places[rater], self._scores[rater], self._last[rater])
                if number is None:
                    total = len(self.places[rater])
                    return {"place": None, "places": total, "done": total, "complete": True, "next": None}
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
        outline: Any = None,
    ) -> dict[str, Any]:
        """Log a score of the image at a screen position (from 0); return {state, then}.

        `outline`: whether the page shows the mask's outline at this moment; of no account in a set without a mask.

        `state` is that of the place, `then` that of the next open place if this one is complete, else None. When this
        returns the score is on the disk. InputError for what cannot be scored, OSError when it cannot be written.
        """
        place = self._place(rater, number)
        if not isinstance(position, int) or isinstance(position, bool) or not 0 <= position < len(place.order):
            raise InputError(f"image {position!r}: expected a whole number from 0 to {len(place.order) - 1}")
        if aspect not in place.aspects:
            raise InputError(f"aspect {aspect!r}: this set is scored for {' and '.join(place.aspects)}")
        shown = outline if "mask" in place.aspects else None
        rating = Rating(rater, place.set_id, place.role, place.number, place.order[position], aspect, score, shown)
        with self._lock:
            self.log.append(rating)
            self._scores[rater][rating.place, rating.image, rating.aspect] = rating.score
            self._last[rater] = rating.place
            state = self._state(rater, place)
            then = state["next"] if state["complete"] else None
            return {"state": state, "then": None if then is None else self._state(rater, self.places[rater][then])}

    def _state(self, rater: str, place: Place) -> dict[str, Any]:
        own, scores = self.places[rater], self._scores[rater]
        return {
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


def _hold(log: Path) -> IO[str]:
    """Return a file whose lock, which dies with this process, says that the log is being served."""
    log.parent.mkdir(parents=True, exist_ok=True)
    stream = (log.parent / f".{log.name}.serving").open("a")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        raise InputError(f"{log}: another rating app serves this log; stop it first, or use its page") from None
    return stream
