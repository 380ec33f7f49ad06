"""The rating desk: answers what a rater sees at a place, and takes scores into the log."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.feedback.app.guide import guide
from scripts.lib.feedback.app.log_desk import LogDesk
from scripts.lib.feedback.app.pictures import Pictures
from scripts.lib.feedback.app.places import Place, count_done, is_complete, next_open, on_screen
from scripts.lib.feedback.log import Rating, RatingLog, read_ratings, read_remarks
from scripts.lib.feedback.log_lines import latest_moment
from scripts.lib.feedback.log_values import COMMENT, FLAGS, Remark, as_comment


class Desk(LogDesk[Place]):
    """The state of all raters, as the log has it. Its answers hold screen positions, never sets, roles or samples."""

    log: RatingLog

    def __init__(
        self, places: Mapping[str, Sequence[Place]], pictures: Pictures, log: RatingLog, study: str = "study"
    ) -> None:
        super().__init__(places, log, study, pictures.origin)
        self.pictures = pictures
        self._scores: dict[str, dict[tuple[int, int, str], int]] = {rater: {} for rater in places}
        self._remarks: dict[str, dict[tuple[int, int | None, str], bool | str]] = {rater: {} for rater in places}
        self._open()

    def _read(self) -> None:
        sets = {place.set_id for own in self.places.values() for place in own}
        _, history, self.warnings = read_ratings(self.log.path, sets, self.places)
        for line in history.to_dict("records"):
            self._given_before(line, "rated")
            self._scores[line["rater"]][line["place"], line["image"], line["aspect"]] = line["score"]
        remarks = read_remarks(self.log.path, sets, self.places)
        for line in remarks.to_dict("records"):
            image = None if pd.isna(line["image"]) else int(line["image"])
            self._remarks[line["rater"]][line["place"], image, line["remark"]] = line["value"]
        for told in (history, remarks):
            if (moment := latest_moment(told)) is not None:
                self.log.follow(moment)

    def start(self, rater: str) -> dict[str, Any]:
        """Return what the start page shows: {study, rater, origin, places, anchors, training}; see guide.py."""
        return self._about(rater) | {"places": len(self.places[rater])} | guide(self.pictures.pool.resolution)

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
            self._given(rater, rating.place, time.time())
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
        """Return what `state` says, with {scores: {aspect: one score or null an image}, remarks: {not_chest, unsure: true or
        false an image, comment}}.
        """
        own, scores, remarks = self.places[rater], self._scores[rater], self._remarks[rater]
        flags = {name: [bool(remarks.get((place.number, image, name))) for image in place.order] for name in FLAGS}
        open_cells = sum(len(one.order) * len(one.aspects) for one in own) - len(scores)
        return self._about(rater) | {
            "minutes": self._paces[rater].minutes(open_cells),
            "remarks": {**flags, COMMENT: remarks.get((place.number, None, COMMENT), "")},
            "place": place.number,
            "places": len(own),
            "done": count_done(own, scores),
            "complete": is_complete(place, scores),
            "scores": on_screen(place, scores),
            "next": self._next_open(rater, place.number + 1),
        }

    def _next_open(self, rater: str, start: int) -> int | None:
        return next_open(self.places[rater], self._scores[rater], start)


def _sample(place: Place, position: object) -> int:
    """Return the sample number at a position of the screen; raises InputError for anything else."""
    if not isinstance(position, int) or isinstance(position, bool) or not 0 <= position < len(place.order):
        raise InputError(f"image {position!r}: expected a whole number from 0 to {len(place.order) - 1}")
    return place.order[position]
