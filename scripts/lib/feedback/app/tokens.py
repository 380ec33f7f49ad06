"""One secret token a rater, made once and kept in a file that only its owner can read."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError

TOKEN_BYTES = 24


def load_tokens(path: Path, raters: Iterable[str]) -> dict[str, str]:
    """Return {rater: token} for these raters; tokens that `path` does not have yet are made and added to it.

    A file that others can read or that is not such a mapping raises InputError. A rater who is no longer in the study
    keeps the entry in the file and gets no access.
    """
    known = _read(path) if path.exists() else {}
    wanted = list(raters)
    missing = [rater for rater in wanted if rater not in known]
    if missing:
        known |= {rater: secrets.token_urlsafe(TOKEN_BYTES) for rater in missing}
        with atomic_file(path) as temporary:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(json.dumps(known, indent=1) + "\n")
    return {rater: known[rater] for rater in wanted}


def find_rater(tokens: Mapping[str, str], token: str) -> str | None:
    """Return whose token this is, or None; the time taken does not tell how much of a token was right."""
    owner = None
    for rater, known in tokens.items():
        if hmac.compare_digest(known.encode(), token.encode()):
            owner = rater
    return owner


def _read(path: Path) -> dict[str, str]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise InputError(f"{path}: others can read these tokens (mode {mode:o}); run chmod 600 on it")
    try:
        tokens = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); remove it to make new tokens") from None
    valid = isinstance(tokens, dict) and all(
        isinstance(own, str) and len(own) >= TOKEN_BYTES for own in tokens.values()
    )
    if not valid or len(set(tokens.values())) != len(tokens):
        raise InputError(f"{path}: expected a token of its own for each rater; remove it to make new tokens")
    return tokens
