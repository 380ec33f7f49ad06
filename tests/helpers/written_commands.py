"""A copy of the repository with what the written commands name, and ways to run them there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, Workflow, copy_repository
from tests.helpers.forked_snakemake import snakemake

OWN_IMAGES = (ROOT / "docs" / "own-images.md").read_text()
OWN_DATA = (ROOT / "docs" / "own-data.md").read_text()


def overlay_for_own_data() -> str:
    """Return the overlay for own data, word for word."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", OWN_DATA, re.M | re.S)
    return next(block for block in blocks if "root: /path/to/films" in block)


def write_place(folder: Path) -> Workflow:
    """Return a copy of the repository with what the commands name: the overlay for own data and its films, the Makefile, .venv."""
    workflow = copy_repository(folder)
    films = workflow.root / "films"
    films.mkdir()
    table = re.search(r"^```\n(image_id,file,.*?)^```", OWN_DATA, re.M | re.S)
    assert table is not None and table[1] in (ROOT / "README.md").read_text()
    (films / "films.csv").write_text(table[1])
    (films / "labels.csv").write_text("image_id,file,source,patient_id,pneumonia\n")
    (workflow.root / "studies" / "mine.yaml").write_text(overlay_for_own_data())
    (workflow.root / "here.yaml").write_text(f"datasets: {{mine: {{root: '{films}'}}}}\n")
    overlay = re.search(r"^```yaml\n(.*?)^```", OWN_IMAGES, re.M | re.S)
    assert overlay is not None
    (workflow.root / "studies" / "own-images.yaml").write_text(overlay[1])
    (films / "images.csv").write_text("image_id,file,pneumonia\n")
    (workflow.root / "there.yaml").write_text(f"arms: {{mine: {{path: '{films}'}}}}\n")
    for name in ("Makefile", "requirements.lock"):
        (workflow.root / name).write_bytes((ROOT / name).read_bytes())
    binaries = workflow.root / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python").symlink_to(sys.executable)
    script = f'#!/bin/sh\nexec "{sys.executable}" -m snakemake "$@"\n'
    (binaries / "snakemake").write_text(script)
    (binaries / "snakemake").chmod(0o755)
    (workflow.root / ".venv" / ".ready").touch()
    return workflow


def environment(place: Workflow) -> dict[str, str]:
    """Return the environment in which its .venv comes first."""
    path = f"{place.root / '.venv' / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(place.root)}


def run(words: list[str], place: Workflow) -> subprocess.CompletedProcess[str]:
    """Run a command there."""
    own = environment(place)
    return subprocess.run(words, cwd=place.root, env=own, capture_output=True, text=True, check=False)


def planned(place: Workflow, *words: str) -> tuple[int, str]:
    """Dry-run Snakemake there; return its status and what it said."""
    done = snakemake(["-n", *words], place.root, environment(place))
    return done.returncode, done.stdout + done.stderr
