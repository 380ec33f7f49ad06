"""The identity of unfinished work: what it was begun from, so that it is resumed for exactly that and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.lib.core.seeds import content_hash
from scripts.lib.study.config import to_json
from scripts.lib.study.fingerprint import fingerprint
from scripts.lib.study.versions import versions


def resume_identity(command: str, settings: Mapping[str, Any], *content: object) -> str:
    """Return 16 hex digits that change with the code of `scripts.COMMAND`, the libraries that it computes with, its
    settings (whatever the order of their keys) or any part of `content`: hashes of data and models, seeds.
    """
    return content_hash(fingerprint(f"scripts.{command}") + versions(command), to_json(settings), *content)
