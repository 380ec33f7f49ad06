"""The jobs of a study, asked of Snakemake itself: a dry run in an empty folder, so that everything counts as not yet made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.cells import Cell
from scripts.lib.study.sources import PLACES

ROOT = Path(__file__).resolve().parents[3]
# Targets that together hold every stage that a study may run, and the parts of its configuration that each needs.
RATED = ("figure3", "figure4", "finetune", "proxy", "feedback")
EVERYTHING = {"all": (), "figure3": ("figure3", "finetune", "proxy"), "figures": RATED}


@dataclass(frozen=True)
class Job:
    """One job: its rule and wildcards, the jobs that it waits for (places in the list), what it asks for and leaves.

    `outputs` are its files; a target alone has none.
    """

    rule: str
    wildcards: Mapping[str, str]
    needs: tuple[int, ...]
    threads: int
    gpus: int
    benchmark: str | None
    outputs: tuple[str, ...] = ("",)

    @property
    def dataset(self) -> str:
        """The dataset that it is about."""
        return self.wildcards["dataset"]

    @property
    def cell(self) -> Cell:
        """The cell that it is about."""
        return Cell(self.dataset, self.wildcards["arm"], self.wildcards["fraction"])


def list_jobs(
    overlays: Sequence[Path], targets: Sequence[str], cores: int, given: Mapping[str, Any] | None = None
) -> list[Job]:
    """Return the jobs that make `targets` ([] = the workflow's default) in a study from nothing.

    `overlays` are the files beside config.yaml that the configuration came from, `given` the values of `--config`. Raises
    InputError with Snakemake's own last words when it cannot plan, e.g. for an unknown target.
    """
    with tempfile.TemporaryDirectory(prefix="synthorax-plan-") as folder:
        typed, listed = Path(folder, "given.json"), Path(folder, "jobs.json")
        typed.write_text(json.dumps({**dict.fromkeys(PLACES, "elsewhere"), **(given or {})}))
        command = [sys.executable, "-m", "scripts.lib.engine.dry_run", str(listed)]
        command += ["--snakefile", str(ROOT / "Snakefile"), "--cores", str(cores), "--directory", folder, *targets]
        command += ["--configfile", *map(str, overlays), str(typed)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode or not listed.is_file():
            raise InputError(f"Snakemake cannot plan this study: {_last_words(done.stdout + done.stderr)}")
        records = in_order(json.loads(listed.read_text()))
    maker = {file: number for number, record in enumerate(records) for file in record["output"]}
    return [
        Job(
            record["rule"], record["wildcards"], tuple(sorted({maker[file] for file in record["input"] if file in maker})),
            record["threads"], int(record["resources"].get("gpu", 0)), record["benchmark"], tuple(record["output"]),
        )
        for record in records
    ]  # fmt: skip


def in_order(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the jobs by how many wait for each other, then by name. Snakemake lists those of one depth in any order."""
    depth: dict[str, int] = {}
    ranked = []
    for record in records:
        rank = 1 + max((depth[file] for file in record["input"] if file in depth), default=0)
        depth |= dict.fromkeys(record["output"], rank)
        ranked.append((rank, record["rule"], sorted(record["wildcards"].items()), record))
    return [record for *_, record in sorted(ranked, key=lambda one: one[:3])]


def _last_words(text: str) -> str:
    """Return the part of Snakemake's output that says what is wrong, on one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = next((place for place, line in enumerate(lines) if "Error" in line or "Exception" in line), -3)
    return " ".join(lines[first:][:4])[:600] or "no reason given"
