"""Empty files below a folder, for tests that look at names alone."""

from __future__ import annotations

from pathlib import Path


def touched(root: Path, *files: str) -> Path:
    """Make empty files, with their folders, and return the root."""
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root
