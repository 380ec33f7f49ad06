"""A copy of the repository that has run the tiny study once, shared by the tests of the whole workflow."""

from __future__ import annotations

import fcntl
import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from tests.helpers.forked_snakemake import Begun, begin, snakemake
from tests.helpers.job_server import shared_server

# Processes whose threads wait for each other by spinning would be many times slower, and the low bits of a training depend
# on the number of its threads: one, on a machine of any size.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Hundreds of processes are started from copies of the repository: where none of them may keep what it has compiled, each
# compiles the library anew, and each worker all tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Under `make test`, every make that a test starts would take itself for a part of it: it would greet with the name of its
# folder, and take over options and variables that were typed for the outer one.
for name in ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"):
    os.environ.pop(name, None)

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("Snakefile", "rules", "report", "scripts", "envs", "profiles", "studies", "config.yaml")


@dataclass(frozen=True)
class Workflow:
    """A copy of the repository, in which `snakemake` runs the tiny study."""

    root: Path
    interpreter: str = sys.executable

    def command(self, *arguments: str, study: str | None = "studies/tiny.yaml") -> list[str]:
        overlay = ["--configfile", study] if study else []
        # Models this small are no faster with two threads, which would wait for each other beside other load.
        return [self.interpreter, "-m", "snakemake", "--cores", "2", "--max-threads", "1", *arguments, *overlay]

    def run(self, *arguments: str, study: str | None = "studies/tiny.yaml") -> subprocess.CompletedProcess[str]:
        command = self.command(*arguments, study=study)
        if {"-n", "--dry-run"} & set(arguments) or self.interpreter != sys.executable:
            # Starts no job, or jobs that are forks themselves: a fork is as good as a process of its own.
            return snakemake(command[3:], self.root, interpreter=self.interpreter)
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)

    def begin(self, *arguments: str, output: Path) -> Begun:
        """Start a run and go on; what it prints is added to a file."""
        return begin(self.command(*arguments)[3:], self.root, output, interpreter=self.interpreter)

    def planned(self, *arguments: str) -> set[str]:
        """Return the rules that a dry run would start."""
        return {rule for rules in self.reasons(*arguments).values() for rule in rules}

    def changed(self, *arguments: str) -> set[str]:
        """Return the rules that a dry run starts because of themselves, not because an input is made anew."""
        reasons = self.reasons(*arguments)
        return {rule for reason, rules in reasons.items() if "updated by another job" not in reason for rule in rules}

    def reasons(self, *arguments: str) -> dict[str, list[str]]:
        """Return {reason: rules} from the summary at the end of a dry run; empty when there is nothing to do."""
        done = self.run("--dry-run", *arguments)
        text = done.stdout + done.stderr
        assert done.returncode == 0, text
        if "Nothing to be done" in text:
            return {}
        summary = text.split("Reasons:\n", 1)[1]
        found = re.findall(r"^    ([^\n(]+):\n        ([^\n]+)$", summary, re.M)
        return {reason: rules.split(", ") for reason, rules in found}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, the whole workflow first: other processes run the other files beside them."""
    items.sort(
        key=lambda item: [
            item.path.name != "test_workflow.py",
            *(item.get_closest_marker(name) is None for name in ("workflow", "early")),
        ]
    )


@pytest.fixture(scope="module", autouse=True)
def what_is_loaded_is_passed_by() -> None:
    """Let collections of garbage pass by what there is before a file's tests: of torch and the others half a million objects.

    statsmodels' corrections collect at each call, a fifth of a second where all of it is looked at.
    """
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let the end of the process free all of it: libraries in C++ tell of what is left."""
    gc.unfreeze()


# What a skipped test says, what such tests are, and how to run them.
SKIPS = {
    "chromium": "in a browser (`apt-get install chromium`)",
    "SYNTHORAX_REAL_CXR": "on real films (SYNTHORAX_REAL_CXR=FOLDER of labels.csv, images/ and masks/)",
}


# What the tests of a mark are, and how to run them; `make test` leaves them out.
MARKED = {
    "long": "those of the whole that take long (`make test-long`)",
    "cluster": "those on a SLURM (`make test-cluster`)",
}


def skipped_line(reasons: list[str], chosen: str) -> str:
    """Return the line that says which tests did not run and how to run them.

    `reasons` are those that skipped tests gave, `chosen` the expression of marks that were wanted.
    """
    told = []
    for word, what in SKIPS.items():
        if count := sum(word in reason for reason in reasons):
            told.append(f"{count} {what}")
    others = sorted({reason for reason in reasons if not any(word in reason for word in SKIPS)})
    told += [f"{sum(one == reason for one in reasons)} because: {reason}" for reason in others]
    told += [what for mark, what in MARKED.items() if mark not in chosen or f"not {mark}" in chosen]
    return f"Skipped tests: {'; '.join(told)}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what did not run and how to get it."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = [str(report.longrepr[-1]) for report in reports if isinstance(report.longrepr, tuple)]
    reasons = [reason.removeprefix("Skipped: ") for reason in reasons]
    terminalreporter.write_line(skipped_line(reasons, terminalreporter.config.getoption("markexpr")))


@cache
def plan_once() -> None:
    """Let the repository keep what a start of the workflow works out of its sources: a copy would work it out anew, in 3 s."""
    place = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX)  # the other processes of the tests wait, and find it
        with tempfile.TemporaryDirectory() as folder:
            done = snakemake(["-n", "--quiet", "all", "--directory", folder, "--configfile", "studies/tiny.yaml"], ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        os.close(place)


def copy_repository(target: Path) -> Workflow:
    """Copy what the workflow needs into `target`, without results."""
    plan_once()
    target.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            # With what Python and the workflow keep of the sources; what is just being written has another name, and goes.
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("*.part", "*.pyc.*", "*.json.*"))
        else:
            shutil.copy2(source, target / name)
    return Workflow(target)


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    """Close what a test has drawn and not saved: pyplot keeps every figure, and warns of the 21st."""
    yield
    if (pyplot := sys.modules.get("matplotlib.pyplot")) is not None:
        pyplot.close("all")


@pytest.fixture(scope="session")
def forked_jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An interpreter whose Snakemake runs its jobs as forks of one process, which all processes of the tests share."""
    own = tmp_path_factory.getbasetemp()
    with shared_server((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "jobs") as interpreter:
        yield interpreter


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, forked_jobs: str) -> Workflow:
    """The tiny study, run to its end, with all evidence."""
    copy = copy_repository(tmp_path_factory.mktemp("finished") / "a study's copy")
    workflow = replace(copy, interpreter=forked_jobs)
    done = workflow.run("figure3", "figures", "all", "evidence", "--omit-from", "write_report")
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    done = workflow.run("all", "report")  # the page comes last: it may otherwise be written before the last table
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    return workflow


@pytest.fixture(scope="session")
def real_films() -> Path:
    """The folder of real films; tests that need it are skipped where it is not given."""
    folder = os.environ.get("SYNTHORAX_REAL_CXR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SYNTHORAX_REAL_CXR names no folder of real films")
    return Path(folder)
