"""The jobs of a study, asked of Snakemake itself: a dry run in an empty folder, so that everything counts as not yet made.

What a real study needs and this machine does not have (raw trees, weights) is put there as empty files of the right names: a
plan needs no data.
"""

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
from scripts.lib.formats.sources import tables
from scripts.lib.study.cells import Cell
from scripts.lib.study.config import merge, stage
from scripts.lib.study.shared import store_of
from scripts.lib.study.sources import PHANTOM, made_here

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
    config: Mapping[str, Any],
    overlays: Sequence[Path],
    targets: Sequence[str],
    cores: int,
    given: Mapping[str, Any] | None = None,
) -> list[Job]:
    """Return the jobs that make `targets` ([] = the workflow's default) in a study from nothing.

    `config` is the resolved configuration, `overlays` the files beside config.yaml that it came from, `given` the values of
    `--config`. Raises InputError with Snakemake's own last words when it cannot plan, e.g. for an unknown target.
    """
    with tempfile.TemporaryDirectory(prefix="synthorax-plan-") as name:
        folder = Path(name)
        empty, stand_ins, listed = folder / "run", folder / "stand-ins.json", folder / "jobs.json"
        empty.mkdir()
        stand_ins.write_text(json.dumps(merge(given or {}, write_stand_ins(config, folder / "data", empty))))
        command = [sys.executable, "-m", "scripts.lib.planning.listing", str(listed)]
        command += ["--snakefile", str(ROOT / "Snakefile"), "--cores", str(cores), "--directory", str(empty), *targets]
        command += ["--configfile", *map(str, overlays), str(stand_ins)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode or not listed.is_file():
            raise InputError(f"Snakemake cannot plan this study: {_last_words(done.stdout + done.stderr)}")
        records = json.loads(listed.read_text())
    maker = {file: number for number, record in enumerate(records) for file in record["output"]}
    return [
        Job(
            record["rule"], record["wildcards"], tuple(sorted({maker[file] for file in record["input"] if file in maker})),
            record["threads"], int(record["resources"].get("gpu", 0)), record["benchmark"], tuple(record["output"]),
        )
        for record in records
    ]  # fmt: skip


def write_stand_ins(config: Mapping[str, Any], folder: Path, run: Path) -> dict[str, Any]:
    """Write empty files for every source outside the workflow; return the configuration overlay that names them.

    `run` is the folder that the dry run looks at: a relative path of the configuration is made there.
    """
    overlay: dict[str, Any] = {"datasets": {}, "data": str(folder)}
    for name, section in config["datasets"].items():
        if section["root"] != PHANTOM and store_of(config, name) == name:
            root = folder / "roots" / name
            root.mkdir(parents=True)
            for table in tables(section["format"], root, section.get("reader")):
                _touch(table)
            overlay["datasets"][name] = {"root": str(root)}
    if config["base"]["path"]:
        _touch(folder / "base" / "model_index.json").write_text("{}")
        overlay["base"] = {"path": str(folder / "base")}
    for name in config["study"]["datasets"]:
        weights = stage(config, "trials", name)["model"]["weights"]
        if weights not in (None, "imagenet", "mgca"):
            stand_in = _touch(folder / "weights" / name / Path(weights).name)
            overlay["datasets"].setdefault(name, {})["trials"] = {"model": {"weights": str(stand_in)}}
    for name, arm in config["arms"].items():
        if arm.get("path") and not made_here(arm["path"]):
            stand_in = folder / "pools" / name
            for table in tables("folder", stand_in, arm.get("reader")):
                _touch(table)
            overlay.setdefault("arms", {})[name] = {"path": str(stand_in)}
    if config["mgca"]["text"]["path"]:
        overlay["mgca"] = {"text": {"path": str(_touch(folder / "bert" / "config.json").parent)}}
    if (config["proxy"]["model"] or "").startswith("local-dir:"):
        overlay["proxy"] = {"model": f"local-dir:{_touch(folder / 'proxy' / 'config.json').parent}"}
    if config["feedback"]["ratings"]:
        _touch(run / config["feedback"]["ratings"])
    return overlay


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def _last_words(text: str) -> str:
    """Return the part of Snakemake's output that says what is wrong, on one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if "Error" in line or "Exception" in line:
            return " ".join(lines[number : number + 4])[:600]
    return " ".join(lines[-3:])[:600] or "no reason given"
