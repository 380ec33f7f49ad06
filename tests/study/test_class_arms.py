"""The arms of the class-conditional model: what they are made of, what taught them, and a plan of the whole study."""

from __future__ import annotations

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study.cells import Cell
from scripts.lib.study.config import CONFIG_FILE, ROOT, load_study
from scripts.lib.study.fidelity import Fidelity
from scripts.lib.study.firewall import Firewall
from scripts.lib.study.study import Study

SMALL = ROOT / "studies" / "paediatric-phantom.yaml"


@pytest.fixture(scope="module")
def study() -> Study:
    return Study(load_study([CONFIG_FILE, SMALL]))


def test_only_arms_that_follow_classes_have_conditions_of_classes(study: Study):
    whole = Study(load_study([CONFIG_FILE]))
    assert study.condition_settings(Cell("children", "class-ldm-safe", "1"))["kinds"] == {"class": 1.0}
    assert whole.condition_settings(Cell("rsna", "original", "1"))["kinds"] == {"text": 1.0, "mask": 0.0, "both": 0.0}


def test_the_generators_own_half_taught_it_and_no_proxy_chose(study: Study):
    cell = Cell("children", "class-ldm-safe", "0.1")
    assert Fidelity(study).teachers("class-ldm") == [("children", "generator")]
    assert Firewall(study).teachers(cell) == ["results/generators/class-ldm"]
    assert study.exposure(cell) == "" and study.arm("class-ldm-safe").candidates == 2


def test_a_dataset_of_masks_has_no_classes():
    with pytest.raises(InputError, match="generator_dataset = candid: its target is a mask"):
        Study(load_study([CONFIG_FILE])).generator_target()


def test_both_studies_are_whole(study: Study):
    full = Study(load_study([CONFIG_FILE, ROOT / "studies" / "paediatric.yaml"], {"data": "/data"}))
    assert full.resolution == 128 and full.external("children") == ["vindr"] and full.trials == 5
    assert study.generator_target() == full.generator_target() == ["pneumonia"]


def test_an_arm_of_classes_is_refused_in_a_dataset_of_masks():
    with pytest.raises(
        InputError, match="arms.class-ldm.generator = class-ldm: makes images of classes, .* of candid; leave candid"
    ):
        load_study([CONFIG_FILE], {"study": {"arms": ["class-ldm"], "datasets": ["candid", "rsna"]}})
