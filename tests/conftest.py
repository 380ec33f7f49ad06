"""A copy of the repository that has run the tiny study once, shared by the tests of the whole workflow."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("Snakefile", "rules", "scripts", "envs", "profiles", "studies", "config.yaml")


@dataclass(frozen=True)
class Workflow:
    """A copy of the repository, in which `snakemake` runs the tiny study."""

    root: Path

    def command(self, *arguments: str, study: str | None = "studies/tiny.yaml") -> list[str]:
        overlay = ["--configfile", study] if study else []
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, *overlay]

    def run(self, *arguments: str, study: str | None = "studies/tiny.yaml") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments, study=study), cwd=self.root, capture_output=True, text=True, check=False
        )

    def planned(self, *arguments: str) -> dict[str, set[str]]:
        """Return {rule: reasons} of the jobs that a dry run would start."""
        done = self.run("--dry-run", *arguments, "--quiet", "host")
        assert done.returncode == 0, done.stdout + done.stderr
        text, found = done.stdout + done.stderr, {}
        for block in re.split(r"\n(?=(?:local)?rule \w+:|\[)", text):
            rule = re.search(r"(?:local)?rule (\w+):", block)
            reason = re.search(r"reason: (.*)", block)
            if rule and reason:
                found.setdefault(rule[1], set()).add(reason[1])
        return found

    def changed_rules(self, *arguments: str) -> set[str]:
        """Return the rules that a dry run starts because of themselves, not only because an input is made anew."""
        own = (
            "Code has changed",
            "Params have changed",
            "Updated input files",
            "Missing output",
            "Set of input",
            "Forced",
        )
        return {rule for rule, reasons in self.planned(*arguments).items() if any(w in r for w in own for r in reasons)}


def copy_repository(target: Path) -> Workflow:
    """Copy what the workflow needs into `target`, without results."""
    target.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target / name)
    return Workflow(target)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workflow]:
    """The tiny study, run to its end."""
    workflow = copy_repository(tmp_path_factory.mktemp("finished") / "a study's copy")
    done = workflow.run("results/figure2.pdf", "all")
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    yield workflow


@pytest.fixture(scope="session")
def real_films() -> Path:
    """The folder of real films; tests that need it are skipped where it is not given."""
    folder = os.environ.get("SYNTHORAX_REAL_CXR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SYNTHORAX_REAL_CXR names no folder of real films")
    return Path(folder)
