"""Faulty classes of machines and options of a plan: each ends with one line that names what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.lib.core.errors import InputError
from scripts.lib.planning.estimate import assumed_shares, machine_size
from scripts.lib.planning.rates import FOLDER, read_rates
from scripts.plan_study import main
from tests.planning.test_plan import MACHINE, PAPER, TINY, study

GPU = {**MACHINE, "gpu": "toy"}
UNIT = {"unit": "step", "per_second": 2.0, "shape": {}}


def written(folder: Path, content: Any) -> Path:
    path = folder / "toy.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return folder


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("machine: [", "not YAML"),
        ("", "keys machine and rates"),
        ({"machine": MACHINE}, "keys machine and rates"),
        ({"machine": {**MACHINE, "cores": None}, "rates": {}}, "machine.cores is missing"),
        ({"machine": {**MACHINE, "cores": 0}, "rates": {}}, "machine.cores = 0"),
        ({"machine": {**GPU, "peak_tflops": {"bf16": -1}}, "rates": {}}, "peak_tflops"),
        ({"machine": {**GPU, "efficiency": [0.1, 1.5]}, "rates": {}}, "machine.efficiency"),
        ({"machine": {**GPU, "processor_rates": "mainframe"}, "rates": {}}, "processor_rates = 'mainframe'"),
        ({"machine": MACHINE, "rates": {"train_base": None}}, "rates.train_base"),
        ({"machine": MACHINE, "rates": {"train_base": {"job_seconds": -3}}}, "rates.train_base.job_seconds = -3"),
        ({"machine": MACHINE, "rates": {"train_base": {"units": [{**UNIT, "per_second": -1}]}}}, "unit 'step' = -1"),
        (
            {"machine": MACHINE, "rates": {"train_base": {"units": [{**UNIT, "per_second": None}]}}},
            "unit 'step' = None",
        ),
        ({"machine": MACHINE, "rates": {"train_base": {"units": [{"unit": "step", "shape": {}}]}}}, "lacks per_second"),
        ({"machine": MACHINE, "rates": {"train_base": {"units": ["step"]}}}, "lacks per_second, shape, unit"),
    ],
)
def test_a_faulty_rates_file_ends_with_one_line(tmp_path: Path, content: Any, named: str) -> None:
    with pytest.raises(InputError) as error:
        read_rates("toy", written(tmp_path, content))
    assert named in str(error.value) and "toy.yaml" in str(error.value) and "\n" not in str(error.value)


def test_the_classes_that_are_there_are_whole() -> None:
    for path in FOLDER.glob("*.yaml"):
        assert read_rates(path.stem)["machine"]["name"] == path.stem


@pytest.mark.parametrize(
    ("cores", "gpus", "machine", "named"),
    [
        (0, None, GPU, "--cores 0"),
        (None, -1, GPU, "--gpus -1"),
        (None, 0, GPU, "compute.gpus: 1"),
        (None, 1, MACHINE, "has no GPU"),
    ],
)
def test_numbers_that_a_class_or_a_study_cannot_do_with(
    cores: int | None, gpus: int | None, machine: dict[str, Any], named: str
) -> None:
    with pytest.raises(InputError) as error:
        machine_size(cores, gpus, machine, study(PAPER))
    assert named in str(error.value) and "\n" not in str(error.value)


def test_numbers_of_a_class_where_none_are_given() -> None:
    assert machine_size(None, None, GPU, study(PAPER)) == (2, 1)
    assert machine_size(8, None, MACHINE, study(PAPER)) == (8, 0)
    assert machine_size(None, 0, GPU, study(TINY)) == (2, 0)  # compute.gpus is 0 there


def test_shares_of_the_peak() -> None:
    assert assumed_shares([0.35], GPU) == ((0.35, 0.35), "--efficiency")
    assert assumed_shares(None, {**GPU, "efficiency": [0.3, 0.1], "efficiency_source": "hearsay"}) == (
        (0.1, 0.3),
        "hearsay",
    )
    assert assumed_shares(None, GPU)[0] is None
    for faulty in ([0.0], [35], [0.1, 0.2, 0.3], [float("nan")]):
        with pytest.raises(InputError, match="--efficiency"):
            assumed_shares(faulty, GPU)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--configfile", "none.yaml"], "none.yaml"),
        (["--machine", "mainframe"], "known classes: "),
        (["--configfile", str(PAPER), "--machine", "h200", "--gpus", "0"], "ask for a GPU"),
        (["--machine", "h200", "--efficiency", "35"], "--efficiency = "),
    ],
)
def test_a_plan_that_cannot_be_made_ends_with_one_line(arguments: list[str], named: str) -> None:
    with pytest.raises(InputError) as error:
        main(arguments)
    assert named in str(error.value) and "\n" not in str(error.value)
