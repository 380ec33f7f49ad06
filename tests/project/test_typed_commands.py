"""What a person types at Snakemake: own studies, short names, values, and typos, each answered in one line."""

from __future__ import annotations

import re

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.engine.command_line import check_command_line
from scripts.lib.study.config import load_study
from scripts.lib.study.parts import check_part
from tests.conftest import ROOT, Workflow
from tests.helpers.written_commands import (
    planned,
    write_place,
)

pytestmark = pytest.mark.early


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    return write_place(tmp_path_factory.mktemp("door") / "copy")


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


@pytest.mark.parametrize(("option", "words"), [("--forcerun", "train_base"), ("--omit-from", "train_base sample_pool")])
def test_a_target_behind_the_rules_that_are_made_again_is_named(place: Workflow, option: str, words: str) -> None:
    status, text = planned(place, option, *words.split(), "figure2")
    told = [line for line in text.splitlines() if line.startswith("Error: ")]
    assert (
        status != 0
        and len(told) == 1
        and told[0].endswith(f"snakemake figure2 {option} {' '.join(sorted(words.split()))}")
    ), text[-2000:]


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
        (["-R", "train_base", "--config", "data=/x", "all"], "snakemake all -R train_base --config data=/x"),
        (["--configfile", "studies/tiny"], "did you mean studies/tiny.yaml?"),
        (["--configfile", "studies/tiny.yaml", "report"], "snakemake report --configfile studies/tiny.yaml"),
        (["--configfile=", "all"], "--configfile '': no configuration file"),
        (["--config", "data=/x", "films=/y", "data=/z"], "data=/x and data=/z: the key data stands twice"),
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
