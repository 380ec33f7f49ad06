"""What the values of a line of the log may be: names, whole numbers, and the words of the study."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

from scripts.lib.core.errors import InputError

ROLES = ("shared", "own", "repeat", "control")
ASPECTS = ("text", "mask")
IMAGES = 4
MAX_SCORE = 5
MAX_NAME = 100
MAX_COMMENT = 500
FLAGS = ("not_chest", "unsure")
COMMENT = "comment"


@dataclass(frozen=True)
class Remark:
    """What a rater says of a set beside its scores.

    remark  not_chest: the image is no chest film | unsure: the rater is not sure of its scores | comment
    image   sample number 0..3; None for a comment, which is about the set
    value   true or false of a flag; of a comment its text, "" takes it back
    """

    rater: str
    set_id: str
    role: str
    place: int
    image: int | None
    remark: str
    value: bool | str

    def __post_init__(self) -> None:
        check_name("rater", self.rater)
        check_name("set_id", self.set_id)
        if self.role not in ROLES:
            raise InputError(f"role {self.role!r}: expected one of {', '.join(ROLES)}")
        object.__setattr__(self, "place", whole("place", self.place, None))
        if self.remark in FLAGS:
            object.__setattr__(self, "image", whole("image", self.image, IMAGES - 1))
            if type(self.value) is not bool:
                raise InputError(f"{self.remark} {self.value!r}: expected true or false")
        elif self.remark != COMMENT:
            raise InputError(f"remark {self.remark!r}: expected one of {', '.join((*FLAGS, COMMENT))}")
        elif self.image is not None or not is_comment(self.value):
            raise InputError(
                f"comment {str(self.value)[:60]!r}: expected a text of at most {MAX_COMMENT} printable characters "
                "without a brace, and image null"
            )


def is_comment(value: object) -> bool:
    """Whether this may stand in the log as a comment: no line breaks, and no brace, which tells a torn line."""
    return isinstance(value, str) and len(value) <= MAX_COMMENT and value.isprintable() and "}" not in value


def as_comment(text: Any) -> Any:
    """Return what somebody typed as a comment that the log takes: spaces for line breaks, brackets for braces."""
    if not isinstance(text, str):
        return text
    return " ".join(text.split()).replace("{", "(").replace("}", ")")


def check_name(name: str, value: object) -> None:
    """Raise InputError unless a value is a short printable text without a closing brace."""
    if (
        not isinstance(value, str)
        or not value.strip()
        or len(value) > MAX_NAME
        or not value.isprintable()
        or "}" in value
    ):
        raise InputError(f"{name} {value!r}: expected a text of 1 to {MAX_NAME} printable characters without a brace")


def whole(name: str, value: object, limit: int | None) -> int:
    """Return a whole number from 0 to `limit` (None: any) as Python's int; raises InputError for anything else."""
    upto = "from 0" if limit is None else f"from 0 to {limit}"
    number = None if isinstance(value, bool) or not isinstance(value, Integral) else int(value)
    if number is None or number < 0 or (limit is not None and number > limit):
        raise InputError(f"{name} {value!r}: expected a whole number {upto}")
    return number
