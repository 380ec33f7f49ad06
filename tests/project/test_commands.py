"""Every command that README, docs, config.yaml and the studies write down is run: dry, or with --help where it is long."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.engine.command_line import check_command_line
from scripts.lib.study.config import load_study
from scripts.lib.study.parts import check_part
from tests.conftest import ROOT, Workflow, copy_repository
from tests.helpers.forked_snakemake import snakemake

pytestmark = pytest.mark.long
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("benchmarks/*.md"))]
COMMENTED = [ROOT / "config.yaml", *sorted(ROOT.glob("studies/**/*.yaml"))]
BEGINNINGS = ("snakemake ", "make ", "python -m ", ".venv/bin/")
NOT_DRY = {  # what a dry run cannot have, and why
    "make test": "pytest itself",
    "make test-cluster": "needs a SLURM",
    "make lint": "tests/workflow/test_workflow.py runs it",
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


OWN_IMAGES = (ROOT / "docs" / "own-images.md").read_text()
OWN_DATA = (ROOT / "docs" / "own-data.md").read_text()


def overlay_for_own_data() -> str:
    """Return the overlay for own data, word for word."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", OWN_DATA, re.M | re.S)
    return next(block for block in blocks if "root: /path/to/films" in block)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A copy of the repository with what the commands name: the overlay for own data and its films, the Makefile, .venv."""
    workflow = copy_repository(tmp_path_factory.mktemp("door") / "copy")
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


def filled(command: str, place: Workflow) -> list[str]:
    """Return a command's words with a real folder in place of PATH, and without shell variables."""
    command = command.replace("PATH", shlex.quote(str(place.root / "films"))).replace("studies/NAME", "studies/tiny")
    words = shlex.split(command)
    if "studies/mine.yaml" in words:  # its root /path/to/films is not here: a second overlay says where it is
        words.insert(words.index("studies/mine.yaml") + 1, "here.yaml")
    if "studies/own-images.yaml" in words:
        words.insert(words.index("studies/own-images.yaml") + 1, "there.yaml")
    return words


def environment(place: Workflow) -> dict[str, str]:
    path = f"{place.root / '.venv' / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(place.root)}


def run(words: list[str], place: Workflow) -> subprocess.CompletedProcess[str]:
    own = environment(place)
    return subprocess.run(words, cwd=place.root, env=own, capture_output=True, text=True, check=False)


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
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


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
    done = help_of(str(Path(forked_jobs).with_name("python")), module, *part)
    assert done.returncode == 0 and "usage" in done.stdout, done.stdout + done.stderr
    for option in [word for word in words if word.startswith("--")]:
        assert option in done.stdout, f"{command}: {option} is no option of {module}"


TARGETS = (
    "all",
    "check_data",
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


def test_make_clean_forgets_only_the_folder_that_it_is_given(place: Workflow) -> None:
    for folder in (".", "runs/mine"):
        (place.root / folder / "results" / "x").mkdir(parents=True, exist_ok=True)
    assert run(["make", "clean", "DIR=runs/mine"], place).returncode == 0
    assert (place.root / "results" / "x").is_dir() and not (place.root / "runs/mine/results/x").exists()


def planned(place: Workflow, *words: str) -> tuple[int, str]:
    done = snakemake(["-n", *words], place.root, environment(place))
    return done.returncode, done.stdout + done.stderr


def test_the_overlay_for_own_data_is_taken_as_it_stands(place: Workflow) -> None:
    status, text = planned(place, "results/figure2.pdf", "--configfile", "studies/mine.yaml", "here.yaml")
    assert status == 0, text[-3000:]
    assert "phantom" not in text and "chexpert" not in text


def test_own_images_need_no_generator(place: Workflow) -> None:
    words = ("results/figure2.pdf", "--configfile", "studies/own-images.yaml", "there.yaml")
    status, text = planned(place, *words)
    assert status == 0, text[-3000:]
    assert "import_pool" in text and not re.search(r"train_base|train_controlnet|sample_pool|mimic|candid", text)


@pytest.mark.parametrize(
    ("target", "keys"),
    [
        ("figure3", ["figures.figure3.arms", "learns from masks, and mine has none"]),
        ("figures", ["figures.figure3.arms", "learns from masks, and mine has none"]),
        ("rated_sets", ["feedback.sets.mask_dataset = mine: has no masks"]),
    ],
)
def test_an_own_study_never_plans_the_phantom(place: Workflow, target: str, keys: list[str]) -> None:
    status, text = planned(place, target, "--configfile", "studies/mine.yaml", "here.yaml")
    errors = [line for line in text.splitlines() if line.startswith("Error: ")]
    assert status != 0 and len(errors) == 1 and "Traceback" not in text, text[-3000:]
    assert all(key in errors[0] for key in keys), errors
    assert "phantom" not in text


@pytest.mark.parametrize(
    ("part", "keys"),
    [
        ("figure4", ["figures.figure4.arms: the generator of dpo learns from masks, and mine has none"]),
        ("finetune", ["finetune.source.arm: the generator of proxy-filtered learns from masks"]),
        ("simulation", ["judge.masks.dataset = mine: has no masks (datasets.mine.structures: [])"]),
    ],
)
def test_each_part_says_which_keys_an_own_study_has_to_set(place: Workflow, part: str, keys: list[str]) -> None:
    config = load_study([ROOT / "config.yaml", place.root / "studies" / "mine.yaml"])
    with pytest.raises(InputError) as fault:
        check_part(config, part)
    assert all(key in str(fault.value) for key in keys) and "\n" not in str(fault.value)
    check_part(load_study([ROOT / "config.yaml"]), part)


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("fiugre3", "figure3"),
        ("results/rsan/summary.csv", "results/rsna/summary.csv"),
        ("tables/trails.csv", "results/tables/trials.csv"),
    ],
)
def test_a_target_typed_wrongly_is_answered_with_what_was_meant(target: str, meant: str, place: Workflow) -> None:
    status, text = planned(place, target)
    told = [line for line in text.splitlines() if line.startswith("Error: ")]
    assert status != 0 and told == [f"Error: {target}: no such target or result; did you mean {meant}?"], text[-2000:]


def test_short_names_plan_what_make_plans(place: Workflow) -> None:
    def jobs(target: str) -> set[str]:
        status, text = planned(place, target)
        assert status == 0, text[-2000:]
        return set(re.findall(r"^(?!all|figure2|total)\w+ +\d+$", text, re.M))

    assert jobs("figure2") == jobs("all") != set()


def test_data_that_is_not_set_is_one_sentence(place: Workflow) -> None:
    status, text = planned(place, "--configfile", "studies/paper.yaml")
    told = [line for line in text.splitlines() if line.startswith("Error: ")]
    assert status != 0 and len(told) == 1 and "{data}" not in told[0], text[-2000:]
    assert "`data`, the folder that holds the raw datasets, is not set" in told[0] and "--config data=PATH" in told[0]


@pytest.mark.parametrize("profile", ["default", "generic", "slurm"])
def test_every_profile_names_a_swallowed_target(place: Workflow, profile: str) -> None:
    status, text = planned(
        place, "--workflow-profile", f"profiles/{profile}", "--configfile", "studies/tiny.yaml", "all"
    )
    assert status != 0 and "Traceback" not in text, text[-2000:]
    assert ["write targets first" in line for line in text.splitlines() if line.startswith("Error: ")] == [True], text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-n", "--configfile", "studies/tiny.yaml", "figure3"], "snakemake figure3 -n --configfile studies/tiny.yaml"),
        (["-n", "--config", "data=/x", "results/figure2.pdf"], "snakemake results/figure2.pdf -n --config data=/x"),
        (["-C", "data=/x", "all", "-n"], "snakemake all -n -C data=/x"),
        (["--configfile", "figure3"], "snakemake figure3"),
        (["--configfile", "none.yaml"], "none.yaml: no such configuration file"),
        (["--config", "study.trials=3"], "--config 'study={trials: 3}'"),
        (["--config", "study.a.b=3"], "--config 'study={a: {b: 3}}'"),
        (["--config", "study={trials: [3"], "--config study: not valid YAML"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_was_typed_wrongly_is_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit):
        check_command_line(words)
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1, said


def test_what_was_typed_rightly_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    check_command_line(
        ["all", "--configfile", "studies/tiny.yaml", "config.yaml", "-n", "--config", "data=/x", "films="]
    )
    check_command_line(["--configfile=studies/tiny.yaml", "figure3", "--config", "data=a=b", "--", "all"])


def test_snakemakes_own_ways_of_giving_values_work(place: Workflow) -> None:
    """tiny has 1 fraction; 6 arms with `real` in siim and 5 in rsna: 33 trainings with 3 trials, 44 with 4 trials."""
    (place.root / "more.yaml").write_text("study: {trials: 3}\n")
    (place.root / "more.json").write_text('{"study": {"trials": 4}}')
    files = ["--configfile", "studies/tiny.yaml"]

    def trainings(*words: str) -> str | None:
        status, text = planned(place, "results/figure2.pdf", *words)
        assert status == 0, text[-2000:]
        found = re.search(r"^train_trials +(\d+)", text, re.M)
        return found and found[1]

    files += ["more.yaml", "more.json"]
    assert trainings(*files, "--config", "films=2019", "data=") == "44"
    assert trainings(*files, "-C", "study={trials: 3, seed: 7}", "sampling={speed: {compile: none}}") == "33"
