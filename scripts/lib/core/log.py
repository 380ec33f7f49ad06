"""Lines for the rule's log file."""

from __future__ import annotations

import sys


def log(line: str) -> None:
    """Write one line to stderr, which a rule sends to its log file."""
    print(line, file=sys.stderr, flush=True)
