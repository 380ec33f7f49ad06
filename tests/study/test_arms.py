"""The registry of arms: schema and checks ask it, and a generator that is registered there alone is planned by the workflow."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scripts.lib.core.errors import InputError
from scripts.lib.study import arms, schema
from scripts.lib.study.exposure import REASONS
from tests.conftest import ROOT, copy_repository

TOY_ENTRY = 'Generator("toy", "controlnet", "train_toy", (FOUNDATION,)),'
TOY_RULE = """
rule train_toy:
    input:
        base=tell(STUDY.base),
    output:
        directory("results/generators/toy"),
    params:
        config=stage("controlnet"),
    shell:
        "train-toy {input.base:q} {output:q}"
"""
TOY_STUDY = {"study": {"arms": ["toy"]}, "arms": {"toy": {"generator": "toy"}}, "figures": {"arm": "toy"}}


def test_the_editors_schema_names_what_is_registered() -> None:
    arm = yaml.safe_load(schema.SCHEMA_FILE.read_text())["properties"]["arms"]["additionalProperties"]["properties"]
    assert arm["generator"]["enum"] == list(arms.GENERATORS) and arm["filter"]["enum"] == list(arms.FILTERS)


def test_every_teacher_has_its_reasons() -> None:
    entries = [*arms.GENERATORS.values(), *arms.FILTERS.values()]
    assert {teacher for one in entries for teacher in one.taught_by} == set(REASONS)


def test_an_arm_knows_its_generator_filter_and_cells() -> None:
    config = {
        "arms": {"mine": {"generator": "dpo", "filter": "proxy", "cells": {"datasets": ["a"], "fractions": [1.0]}}}
    }
    mine = arms.arm_of(config, "mine")
    assert mine.generator is arms.GENERATORS["dpo"] and mine.filter is arms.FILTERS["proxy"] and mine.candidates == 1
    assert mine.taught_by == {"foundation", "raters", "validation"}
    assert mine.covers("a", "1") and not mine.covers("b", 1.0) and not mine.covers("a", 0.1)
    real = arms.arm_of(config, "real")
    assert real.generator is None and real.taught_by == set()
    assert real.source.multipliers([0, 2, 5]) == [0] and mine.source.multipliers([0, 2, 5]) == [2, 5]
    with pytest.raises(InputError, match="arms.yours is missing; known arms: mine"):
        arms.arm_of(config, "yours")


def test_a_toy_generator_is_one_entry_and_one_rule(tmp_path: Path) -> None:
    workflow = copy_repository(tmp_path / "copy")
    registry = workflow.root / "scripts" / "lib" / "study" / "arms.py"
    first = 'Generator("controlnet",'
    assert first in registry.read_text()
    registry.write_text(registry.read_text().replace(first, f"{TOY_ENTRY}\n        {first}", 1))
    rules = workflow.root / "rules" / "generators.smk"
    rules.write_text(rules.read_text() + TOY_RULE)
    (workflow.root / "toy.yaml").write_text(yaml.safe_dump(TOY_STUDY))
    done = workflow.run("-n", "-p", "--configfile", "studies/tiny.yaml", "toy.yaml", study=None)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert "train-toy results/generators/base results/generators/toy" in text
    assert "--generator results/generators/toy --conditions results/rsna/conditions/toy/fraction-0.5.parquet" in text
    assert "results/rsna/trials/toy/fraction-0.5/trial-0.parquet" in text
    assert "train_controlnet" not in text


def test_it_is_refused_where_it_is_not_registered() -> None:
    from scripts.lib.study.config import load_study

    paths = [ROOT / "config.yaml", ROOT / "studies" / "tiny.yaml"]
    with pytest.raises(InputError, match='arms.toy.generator = "toy": expected one of'):
        load_study(paths, TOY_STUDY)
