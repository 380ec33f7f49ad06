"""The error that a user can act on: one line that says what, where, what was expected, and what to do."""


class InputError(ValueError):
    """Something the user gave (a file, a row, a key) cannot be used; the message is one complete line."""
