"""The registry of arms: schema and checks ask it, and a generator that is registered there alone is planned by the workflow."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scripts.lib.core.errors import InputError
from scripts.lib.study import arms, schema
from scripts.lib.study.cells import Cell
from scripts.lib.study.config import load_study
from scripts.lib.study.exposure import REASONS
from scripts.lib.study.parts import part_faults
from scripts.lib.study.shown import Shown
from scripts.lib.study.sources import check_sources
from scripts.lib.study.stores import Stores
from scripts.lib.study.study import Study
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
TOY_STUDY = {
    "study": {"arms": ["toy"]},
    "arms": {"toy": {"generator": "toy"}},
    "figures": {"arm": "toy"},
    "trials": {"images": {"rsna": ["toy"]}},
}


def test_the_editors_schema_names_what_is_registered() -> None:
    arm = yaml.safe_load(schema.SCHEMA_FILE.read_text())["properties"]["arms"]["additionalProperties"]["properties"]
    assert arm["source"]["enum"] == list(arms.SOURCES)
    assert arm["generator"]["enum"] == list(arms.GENERATORS) and arm["filter"]["enum"] == list(arms.FILTERS)


def test_every_teacher_has_its_reasons() -> None:
    entries = [*arms.GENERATORS.values(), *arms.FILTERS.values(), *arms.SOURCES.values()]
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
    assert real.source.multipliers([0, 2, 5], 0.1) == [0] and mine.source.multipliers([0, 2, 5], 0.1) == [2, 5]
    with pytest.raises(InputError, match="arms.yours is missing; known arms: mine"):
        arms.arm_of(config, "yours")


def test_a_toy_generator_is_one_entry_and_one_rule(tmp_path: Path) -> None:
    workflow = copy_repository(tmp_path / "copy")
    registry = workflow.root / "scripts" / "lib" / "study" / "arms.py"
    first = "Generator(BASE,"
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
    paths = [ROOT / "config.yaml", ROOT / "studies" / "tiny.yaml"]
    with pytest.raises(InputError, match='arms.toy.generator = "toy": expected one of'):
        load_study(paths, TOY_STUDY)


def test_a_control_has_no_generator_and_no_pool() -> None:
    everywhere = {
        "study": {"arms": ["original", "duplicate"]},
        "arms": {"duplicate": {"cells": {"multipliers": "all"}}},
    }
    study = Study(load_study([ROOT / "config.yaml"], everywhere))
    control, made = Cell("rsna", "duplicate", "0.1"), Cell("rsna", "original", "0.1")
    assert (
        study.control(control) == "duplicate" and study.control(made) == study.control(Cell("rsna", "real", "1")) == ""
    )
    assert study.multipliers(control) == study.multipliers(made) == [2, 5, 10, 25]
    assert study.shards(control) == study.shard_files(control) == study.kept(control) == [] and study.shards(made)
    # A sheet shows a pool: one a dataset and fraction, of the arm that has one.
    assert len(study.sheets()) == 4 * 3 and not any("duplicate" in sheet for sheet in study.sheets())
    with pytest.raises(InputError, match=r"arm duplicate has no generator \(source: duplicate\); there is no pool"):
        study.generator(control)


@pytest.mark.parametrize(
    ("arm", "complaint"),
    [
        (
            {},
            "arms.mine: generator is missing; expected one of base, controlnet, controlnet-findings, proxy-tuned, dpo",
        ),
        (
            {"source": "duplicate", "filter": "proxy"},
            "arms.mine.filter: goes with source: generator alone, not with duplic",
        ),
        ({"source": "duplicate", "generator": "dpo"}, "arms.mine.generator: goes with source: generator alone"),
        ({"source": "copies"}, 'arms.mine.source = "copies": expected one of .*"generator", "duplicate"'),
    ],
)
def test_keys_that_do_not_go_with_a_source_are_refused(arm: dict[str, object], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        load_study([ROOT / "config.yaml"], {"arms": {"mine": arm}})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("part", "keys"), [("figure3", {"arms": ["duplicate"]}), ("finetune", {"arm": "duplicate"})])
def test_what_is_scored_is_made_by_a_generator(part: str, keys: dict[str, object]) -> None:
    given = {"figures": {part: keys}} if part == "figure3" else {"finetune": {"source": keys}}
    (fault,) = part_faults(load_study([ROOT / "config.yaml"], given), part)
    assert (
        "= duplicate: no generator makes its images; write one of class-ldm, class-ldm-safe, original, proxy-filtered"
        in fault
    )


def test_figure_1_shows_a_pool_where_figure_2_shows_a_control() -> None:
    given = {"study": {"arms": ["duplicate", "original"]}, "figures": {"arm": "duplicate"}}
    cell = Shown(Study(load_study([ROOT / "config.yaml"], given))).example_cell(True)
    assert cell is not None and cell.arm == "original"
    given["study"]["arms"] = ["duplicate"]
    assert Shown(Study(load_study([ROOT / "config.yaml"], given))).example_cell(True) is None


def test_the_embedded_study_runs_its_controls_at_the_largest_multiplier() -> None:
    study = Study(load_study([ROOT / "config.yaml"]))
    assert study.arms == ["original", "duplicate", "pretrain"]
    for arm in ("duplicate", "pretrain"):
        assert [study.multipliers(Cell("rsna", arm, fraction)) for fraction in study.fractions] == [[25], [25], [2]]


def test_an_arm_that_is_like_another_follows_it() -> None:
    given = {
        "arms": {
            "original": {"generator": "base", "candidates": 3},
            "mine": {"like": "pretrain", "mixing": {"share": 0.4}},
        }
    }
    arms = load_study([ROOT / "config.yaml"], {**given, "study": {"datasets": ["rsna"]}})["arms"]
    assert arms["pretrain"]["generator"] == "base" and arms["pretrain"]["candidates"] == 3
    assert arms["mine"] == {**arms["pretrain"], "mixing": {"kind": "pretrain", "share": 0.4}}
    # What says itself where its images come from takes the rest alone.
    given["arms"]["mine"] = {"like": "pretrain", "source": "pool", "path": "/films"}
    mine = load_study([ROOT / "config.yaml"], {**given, "study": {"datasets": ["rsna"]}})["arms"]["mine"]
    kept = {"mixing": {"kind": "pretrain", "share": 0.1}, "cells": {"multipliers": "largest"}}
    assert mine == {"source": "pool", "path": "/films", **kept}


@pytest.mark.parametrize(
    ("arms", "complaint"),
    [
        ({"mine": {"like": "orginal"}}, "arms.mine.like = orginal: no such arm; known arms: class-ldm, "),
        ({"mine": {"like": "mine"}}, "arms.mine.like = mine: mine is like mine; name an arm that says itself"),
        ({"a": {"like": "b"}, "b": {"like": "a"}}, "arms.b.like = a: a is like b is like a"),
    ],
)
def test_an_arm_that_is_like_none_is_refused(arms: dict[str, object], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        load_study([ROOT / "config.yaml"], {"arms": arms})


def test_arms_that_differ_by_their_mixing_alone_share_a_pool() -> None:
    given = {
        "study": {"arms": ["original", "pretrain"]},
        "arms": {"few": {"generator": "controlnet", "filter": "proxy"}},
    }
    study = Study(load_study([ROOT / "config.yaml"], given))
    first, second = Cell("rsna", "original", "0.1"), Cell("rsna", "pretrain", "0.1")
    assert study.shards(second) == study.shards(first) and "pools/original/" in study.pool(second)
    assert len(study.sheets()) == 4 * 3
    assert study.cell_settings(first)["mixing"]["kind"] == "concat"
    assert study.cell_settings(second)["mixing"] == {
        **study.cell_settings(first)["mixing"],
        "kind": "pretrain",
        "share": 0.1,
    }
    # Another number of candidates is another pool.
    assert "pools/few/" in study.pool(Cell("rsna", "few", "0.1"))
    given["arms"] = {
        "bought": {"source": "pool", "path": "/films"},
        "before": {"like": "bought", "mixing": {"kind": "pretrain"}},
    }
    given["study"]["arms"] = ["bought", "before"]
    bought, before = (
        Study(load_study([ROOT / "config.yaml"], given)).shards(Cell("rsna", arm, "0.1")) for arm in given["arms"]
    )
    assert before == bought == ["results/rsna/pools/bought/imported"]


def test_a_pool_from_elsewhere_is_taken_in_once_for_all_fractions(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    arm = {"source": "pool", "path": "{data}/own", "reader": {"table": "mine.csv"}}
    given = {"data": str(tmp_path), "study": {"arms": ["mine"]}, "arms": {"mine": arm}}
    config = load_study([ROOT / "config.yaml"], given)
    with pytest.raises(
        InputError, match=r"arms.mine.path = .*/own: no such file: .*/own/mine.csv; expected a folder with"
    ):
        check_sources(config)
    (tmp_path / "own" / "mine.csv").write_text("image_id,file,pneumonia\n")
    check_sources(config)
    study = Study(config)
    cells = [Cell("rsna", "mine", fraction) for fraction in ("0.01", "0.1")]
    assert [study.shards(cell) for cell in cells] == [["results/rsna/pools/mine/imported"]] * 2
    assert Stores(study).tables(cells[0]) == [str(tmp_path / "own" / "mine.csv")]
    assert Stores(study).settings(cells[0])["reader"] == {"table": "mine.csv"}
    assert Stores(study).settings(cells[0])["target"] == "pneumonia"
    config["arms"]["mine"]["path"] = "results/siim/pools/original/fraction-0.1/shard-0"
    check_sources(config)
    assert Stores(Study(config)).tables(cells[0])[0].endswith("shard-0/cohort.json")
    with pytest.raises(InputError, match="arms.mine.reader: reader key 'tables' .* did you mean 'table'"):
        config["arms"]["mine"] |= {"path": str(tmp_path / "own"), "reader": {"tables": "x"}}
        check_sources(config)
    for arm, complaint in (
        ({"source": "pool"}, "path is missing"),
        ({"source": "duplicate", "path": "x"}, "path: goes with"),
    ):
        with pytest.raises(InputError, match=f"arms.yours.?{complaint}|arms.yours: {complaint}"):
            load_study([ROOT / "config.yaml"], {"arms": {"yours": arm}})


def test_reconstructed_films_are_those_of_the_largest_fraction() -> None:
    given = {
        "study": {"arms": ["back"]},
        "arms": {"back": {"source": "reconstructed", "cells": {"fractions": [0.01, 0.1]}}},
    }
    study = Study(load_study([ROOT / "config.yaml"], given))
    assert Stores(study).largest_fraction(Cell("rsna", "back", "")) == "0.1"
    assert study.shards(Cell("rsna", "back", "0.01")) == ["results/rsna/pools/back/reconstructed"]
    assert study.arm("back").taught_by == {"foundation"}
