"""The error that a user can act on: one line that says what, where, what was expected, and what to do."""

from __future__ import annotations

from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave (a file, a row, a key) cannot be used; the message is one complete line.

    `faults` are its problems, one line each: nearly always the message alone.
    """

    faults: tuple[str, ...] = ()

    @classmethod
    def of(cls, faults: Iterable[str]) -> InputError:
        """Return one error of several problems; its message joins them, and the screen shows them as bullets."""
        lines = tuple(faults)
        error = cls("; ".join(lines))
        error.faults = lines
        return error


def listed(error: BaseException) -> str:
    """Return what the screen says of an error: its message, or the number of its problems and a bullet for each."""
    faults = getattr(error, "faults", ())
    if len(faults) < 2:
        return str(error)
    return "\n".join([f"{len(faults)} problems:", *(f"- {fault}" for fault in faults)])
