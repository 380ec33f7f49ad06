"""Every command that README, docs, config.yaml and the studies write down is run: dry, or with --help where it is long."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from functools import cache

import pytest

from scripts.lib.engine.command_line import check_command_line
from tests.conftest import ROOT, Workflow
from tests.helpers.forked_snakemake import snakemake
from tests.helpers.job_server import fork_of
from tests.helpers.written_commands import (
    environment,
    run,
    write_place,
)

pytestmark = pytest.mark.early
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("benchmarks/*.md"))]
COMMENTED = [ROOT / "config.yaml", *sorted(ROOT.glob("studies/**/*.yaml"))]
BEGINNINGS = ("snakemake ", "make ", "python -m ", ".venv/bin/")
NOT_DRY = {  # what a dry run cannot have, and why
    "make test": "pytest itself",
    "make test-long": "pytest itself",
    "make test-cluster": "needs a SLURM",
    "make lint": "needs no study, and takes minutes",
}


def commands() -> list[str]:
    """Return the commands of the pages' fences and inline code, and of the comments of configurations, each once."""
    found: list[str] = []
    for page in PAGES:
        text = page.read_text()
        for fence in re.findall(r"^```(?:bash|sh|console)\n(.*?)^```", text, re.M | re.S):
            whole = fence.replace("\\\n", " ")  # a command may go on in the next line
            found += [line.split("  #")[0].strip().removeprefix("$ ") for line in whole.splitlines()]
        plain = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
        found += [code.strip() for code in re.findall(r"`([^`]+)`", plain)]
    for file in COMMENTED:
        found += re.findall(r"`([^`]+)`", file.read_text())
        found += [line.strip("# ") for line in file.read_text().splitlines() if line.startswith("#     ")]
    bare = [" ".join(code.split()).removeprefix("/usr/bin/time -v ") for code in found]
    wanted = [code for code in bare if code.startswith(BEGINNINGS)]
    # The number of cores changes nothing of a plan.
    return sorted({re.sub(r" --cores \d+", "", code): code for code in wanted}.values())


COMMANDS = commands()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    return write_place(tmp_path_factory.mktemp("door") / "copy")


def filled(command: str, place: Workflow) -> list[str]:
    """Return a command's words with a real folder in place of PATH, and without shell variables."""
    command = command.replace("PATH", shlex.quote(str(place.root / "films"))).replace("studies/NAME", "studies/tiny")
    words = shlex.split(command)
    if "studies/mine.yaml" in words:  # its root /path/to/films is not here: a second overlay says where it is
        words.insert(words.index("studies/mine.yaml") + 1, "here.yaml")
    if "studies/own-images.yaml" in words:
        words.insert(words.index("studies/own-images.yaml") + 1, "there.yaml")
    return words


def dry_run(words: list[str], place: Workflow) -> None:
    """Dry-run Snakemake: it plans, or says in one line which real data it lacks."""
    done = snakemake(["-n", "--quiet", "all", "--nocolor", *words[1:]], place.root, environment(place))
    text = done.stdout + done.stderr
    assert "Traceback" not in text, text[-3000:]
    errors = [line for line in text.splitlines() if line.startswith("Error: ")]
    if len(errors) == 1 and errors[0].endswith(" problems:"):
        errors = [line for line in text.splitlines() if line.startswith("- ")]
    real_data = ("no such f", "no model_index.json", "profiles/slurm")
    lacks_data = bool(errors) and all(any(part in line for part in real_data) for line in errors)
    lacks_slurm = "--workflow-profile" in words and "slurm" in text
    assert done.returncode == 0 or lacks_data or lacks_slurm, text[-3000:]


def test_the_pages_have_commands() -> None:
    programs = [command.split()[0] for command in COMMANDS]
    assert programs.count("snakemake") >= 10 and programs.count("make") >= 10 and programs.count("python") >= 5


def plans() -> dict[tuple[str, ...], list[str]]:
    """Return {options: targets} of Snakemake's commands: what differs by its targets alone is planned together."""
    found: dict[tuple[str, ...], list[str]] = {}
    for command in COMMANDS:
        if not command.startswith(("snakemake ", ".venv/bin/snakemake")):
            continue
        words = re.sub(r" (--cores \d+|-n)(?= |$)", "", command).split()[1:]  # quoted words stay as they stand
        count = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
        found.setdefault(tuple(words[count:]), []).extend(words[:count] or ["all"])
    return found


@pytest.mark.parametrize(("options", "targets"), plans().items(), ids=lambda words: " ".join(words))
def test_the_snakemake_commands_of_the_pages_plan(
    options: tuple[str, ...], targets: list[str], place: Workflow
) -> None:
    if "--unlock" in options:
        assert snakemake(options, place.root, environment(place)).returncode == 0
        return
    command = " ".join(["snakemake", "--cores 2", *sorted(set(targets) - {"all"}), *options])
    if "all" in targets:
        command = command.replace("--cores 2", "--cores 2 all", 1)
    dry_run(filled(command, place), place)


@cache
def help_of(python: str, module: str, *part: str) -> subprocess.CompletedProcess[str]:
    """Run `PYTHON -m MODULE [PART] --help`, once for all commands that name it."""
    command = [python, "-m", module, *part, "--help"]
    own = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("python -m ")])
def test_a_python_command_of_the_pages_is_there(command: str, forked_jobs: str) -> None:
    module = shlex.split(command)[2]
    if module == "scripts.NAME":
        module = "scripts.prepare_cohort"
    file = ROOT / f"{module.replace('.', '/')}.py"
    folder = ROOT / module.replace(".", "/") / "__main__.py"
    assert file.is_file() or folder.is_file(), command
    words = shlex.split(command.replace("[", "").replace("]", ""))[3:]
    part = words[:1] if words and not words[0].startswith("-") else []
    done = help_of(fork_of(forked_jobs), module, *part)
    assert done.returncode == 0 and "usage" in done.stdout, done.stdout + done.stderr
    for option in [word for word in words if word.startswith("--")]:
        assert option in done.stdout, f"{command}: {option} is no option of {module}"


TARGETS = (
    "all",
    "check_data",
    "figure5",
    "figure3",
    "figures",
    "evidence",
    "replicate",
    "rated_sets",
    "report",
    "masks",
    "paediatric",
    "search",
    "forms",
    "questionnaire",
    "reading_forms",
    "reading",
)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ") and c not in NOT_DRY])
def test_a_make_command_of_the_pages_plans(command: str, place: Workflow) -> None:
    words = filled(command, place)
    done = run(["make", "--dry-run", *words[1:]], place)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [shlex.split(line)[1:] for line in done.stdout.splitlines() if line.startswith(".venv/bin/snakemake")]
    for line in lines:
        check_command_line([str(place.root / word) if word.startswith("studies/") else word for word in line])
        assert line[2] in TARGETS  # the commands of Snakemake above plan them


@pytest.mark.parametrize("target", ["figure2", "figure3", "figures", "controls", "replicate", "rate", "check", "plan"])
def test_every_study_target_of_make_takes_a_study_and_a_folder(target: str, place: Workflow) -> None:
    study, config = "studies/tiny.yaml", "study={trials: 3}"
    done = run(["make", "-n", target, f"STUDY={study}", "DIR=runs/a b", "CONFIG='study={trials: 3}'"], place)
    lines = [shlex.split(line) for line in done.stdout.splitlines() if line.startswith(".venv/bin/")]
    assert done.returncode == 0 and lines
    assert study in lines[0] and config in lines[0]
    assert any(word in ("runs/a b", "runs/a b/results") for word in lines[0])
    assert any(word in ("runs/a b", "runs/a b/results") for word in lines[-1]), lines[-1]


@pytest.mark.parametrize("target", ["paediatric", "search", "ask", "questionnaire"])
def test_the_children_have_a_folder_of_their_own(target: str, place: Workflow) -> None:
    """Beside the embedded study's results theirs would take the place of its figures and tables."""
    for given, folder in (([], "runs/paediatric"), (["DIR=runs/a"], "runs/a"), (["DIR=."], None)):
        done = run(["make", "-n", target, *given], place)
        lines = [shlex.split(line) for line in done.stdout.splitlines() if line.startswith(".venv/bin/snakemake")]
        folders = {line[line.index("--directory") + 1] if "--directory" in line else None for line in lines}
        assert folders == {folder}
    assert ("report" in [line[3] for line in lines]) == (target == "paediatric")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("figure2 study=studies/tiny.yaml", "study: no variable of this Makefile; known are CONFIG CORES"),
        ("figure2 CONFIGFILE=studies/tiny.yaml STUDIES=x", "no variable of this Makefile"),
        ("check Dir=runs/a", "Dir: no variable of this Makefile"),
        ("demo STUDY=studies/tiny.yaml", "STUDY: make demo shows a study of its own"),
        ("figure2 SEEDS=3", "SEEDS: goes with make replicate alone"),
    ],
)
def test_a_variable_that_would_change_nothing_is_one_line(words: str, told: str, place: Workflow) -> None:
    done = run(["make", "-n", *words.split()], place)
    assert done.returncode != 0 and done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    assert told in done.stderr


def test_make_clean_forgets_only_the_folder_that_it_is_given(place: Workflow) -> None:
    for folder in (".", "runs/mine"):
        (place.root / folder / "results" / "x").mkdir(parents=True, exist_ok=True)
    assert run(["make", "clean", "DIR=runs/mine"], place).returncode == 0
    assert (place.root / "results" / "x").is_dir() and not (place.root / "runs/mine/results/x").exists()
