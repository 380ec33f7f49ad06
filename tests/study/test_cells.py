"""What a small study runs and where its files lie, written down by hand."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study.cells import Cell
from scripts.lib.study.shown import Shown
from scripts.lib.study.study import Study
from tests.conftest import ROOT


def config(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "study": {
            "seed": 7,
            "resolution": 32,
            "datasets": ["siim", "rsna"],
            "foundation": ["mimic"],
            "generator_dataset": "candid",
            "arms": ["plain", "chosen"],
            "fractions": [0.1, 1.0],
            "multipliers": {"0.1": [0, 2, 5], "1": [0, 2]},
            "trials": 2,
        },
        "datasets": {
            "siim": {"task": "segmentation", "target": "pneumothorax", "root": "phantom"},
            "rsna": {"task": "classification", "target": "pneumonia", "root": "/films", "labels": ["pneumonia"]},
        },
        "arms": {
            "plain": {"generator": "controlnet", "candidates": 9},
            "chosen": {"generator": "dpo", "filter": "proxy", "candidates": 3, "cells": {"fractions": [0.1]}},
        },
        "sampling": {"shards": {"0.1": 2}},
        "trials": {"model": {"encoder": "small", "weights": None}, "segmentation": {"model": {"weights": "mgca"}}},
        "statistics": {"family": "task"},
        "base": {"path": None},
        "proxy": {"model": None, "validation": {"dataset": "rsna", "split": "validate"}},
        "finetune": {"source": {"dataset": "rsna", "arm": "chosen", "fraction": 0.1}},
        "feedback": {
            "splits": {"siim": [], "rsna": ["train"]},
            "shards": 1,
            "ratings": None,
            "sets": {"mask_dataset": "candid", "kinds": {"text": 1}},
        },
        "figures": {
            "arm": "plain",
            "figure3": {"dataset": "rsna", "arms": ["plain", "chosen"], "fraction": 0.1, "multiplier": 5},
        },
    }
    return made | changes


@pytest.fixture
def study() -> Study:
    return Study(config())


PLAIN, CHOSEN, REAL = Cell("siim", "plain", "0.1"), Cell("rsna", "chosen", "0.1"), Cell("siim", "real", "1")


def test_a_cell_runs_where_its_arm_and_its_multipliers_say(study: Study) -> None:
    assert study.multipliers(REAL) == [0] and study.multipliers(PLAIN) == [2, 5]
    assert study.runs(PLAIN) and study.runs(REAL) and study.runs(CHOSEN)
    assert not study.runs(Cell("rsna", "chosen", "1"))  # the arm's own key `cells`
    assert not study.runs(Cell("rsna", "plain", "0.5"))  # no multipliers
    assert study.cells(["rsna"], ["plain", "chosen"], ["0.1", "1"]) == [
        Cell("rsna", "plain", "0.1"),
        Cell("rsna", "plain", "1"),
        Cell("rsna", "chosen", "0.1"),
    ]


def test_only_a_filter_needs_more_candidates_than_the_largest_multiplier(study: Study) -> None:
    assert study.candidates(PLAIN) == 5
    assert study.candidates(CHOSEN) == 15


def test_the_files_of_a_pool(study: Study) -> None:
    folder = "results/siim/pools/plain/fraction-0.1"
    assert study.conditions(PLAIN) == "results/siim/conditions/plain/fraction-0.1.parquet"
    assert study.shards(PLAIN) == [f"{folder}/shard-0", f"{folder}/shard-1"]
    assert study.images(PLAIN) == [f"{folder}/shard-0/images.npy", f"{folder}/shard-1/images.npy"]
    assert study.shard_files(PLAIN)[:4] == [
        f"{folder}/shard-0/{name}" for name in ("images.npy", "masks.npy", "index.parquet", "cohort.json")
    ]
    assert study.scores(PLAIN) == [f"{folder}/scores-0.parquet", f"{folder}/scores-1.parquet"]
    assert study.shards(Cell("siim", "plain", "1")) == ["results/siim/pools/plain/fraction-1/shard-0"]
    assert study.shards(REAL) == study.shard_files(REAL) == study.kept(REAL) == study.kept(PLAIN) == []
    assert study.kept(CHOSEN) == ["results/rsna/pools/chosen/fraction-0.1/kept.parquet"]
    assert study.generator(PLAIN) == "results/generators/controlnet"
    assert study.generator(CHOSEN) == "results/generators/dpo"
    assert study.sheets() == [
        "results/siim/pools/plain/fraction-0.1/sheet.png",
        "results/siim/pools/plain/fraction-1/sheet.png",
        "results/siim/pools/chosen/fraction-0.1/sheet.png",
        "results/rsna/pools/plain/fraction-0.1/sheet.png",
        "results/rsna/pools/plain/fraction-1/sheet.png",
        "results/rsna/pools/chosen/fraction-0.1/sheet.png",
    ]


def test_trial_files_begin_with_the_real_films(study: Study) -> None:
    assert study.trial_patterns("rsna", ["chosen"], ["0.1", "1"]) == [
        "results/rsna/trials/real/fraction-0.1/trial-{}.parquet",
        "results/rsna/trials/real/fraction-1/trial-{}.parquet",
        "results/rsna/trials/chosen/fraction-0.1/trial-{}.parquet",
    ]
    assert study.trial_files("rsna", ["chosen"], ["0.1"]) == [
        "results/rsna/trials/real/fraction-0.1/trial-0.parquet",
        "results/rsna/trials/real/fraction-0.1/trial-1.parquet",
        "results/rsna/trials/chosen/fraction-0.1/trial-0.parquet",
        "results/rsna/trials/chosen/fraction-0.1/trial-1.parquet",
    ]


def test_a_trial_reads_its_pool_what_was_kept_and_its_weights(study: Study) -> None:
    assert study.trial_sources(CHOSEN) == [
        "results/rsna/pools/chosen/fraction-0.1/shard-0/index.parquet",
        "results/rsna/pools/chosen/fraction-0.1/shard-1/index.parquet",
        "results/rsna/pools/chosen/fraction-0.1/kept.parquet",
    ]
    assert study.trial_settings("siim")["model"] == {"encoder": "small", "weights": "results/mgca"}
    assert study.trial_sources(REAL) == ["results/mgca"]
    assert study.config["trials"]["segmentation"] == {"model": {"weights": "mgca"}}  # the configuration stays as it is


def test_a_family_is_narrowed_to_the_widest_that_a_table_knows(study: Study) -> None:
    assert study.family(["setting", "dataset"]) == "dataset"
    assert study.family(["setting", "dataset", "task", "study"]) == "task"


@pytest.mark.parametrize(
    ("model", "name", "folder"),
    [
        (None, "results/proxy/model", ["results/proxy/model"]),
        ("local-dir:/models/clip", "local-dir:/models/clip", ["/models/clip"]),
        ("hf-hub:a/b", "hf-hub:a/b", []),
    ],
)
def test_the_proxy_model(model: str | None, name: str, folder: list[str]) -> None:
    given = config()
    given["proxy"]["model"] = model
    assert Study(given).proxy() == name and Study(given).proxy_folder() == folder


def test_the_foundation_model() -> None:
    assert Study(config()).base() == "results/generators/base"
    assert Study(config(base={"path": "/models/sd"})).base() == "/models/sd"


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda study: study.generator(Cell("siim", "nope", "1")), "arms.nope is missing; known arms: plain, chosen"),
        (lambda study: study.generator(REAL), "arm real adds no images"),
        (lambda study: study.candidates(Cell("siim", "plain", "0.3")), "no list for fraction 0.3; there are 0.1, 1"),
    ],
)
def test_what_a_study_does_not_have_is_one_line(study: Study, ask: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as fault:
        ask(study)
    assert "\n" not in str(fault.value)


def test_figures_show_the_first_filtered_arm_and_the_second_smallest_fraction(study: Study) -> None:
    study.config["figures"]["figure3"]["labels"] = ["pneumonia"]
    shown = Shown(study)
    assert shown.bars("figure3") == ("rsna", ["plain", "chosen"], ["0.1"])
    assert shown.scored_cell() == shown.tuning_cell() == CHOSEN
    assert shown.scored_list() == "results/rsna/pools/chosen/fraction-0.1/kept.parquet"
    assert shown.example_cell(True) == Cell("siim", "plain", "1")
    assert shown.example_cell(False) == Cell("rsna", "plain", "1")
    assert shown.example_conditions() == ["results/siim/conditions/plain/fraction-1.parquet"]
    assert shown.example_cohort() == ["results/siim/cohort"]


def test_a_study_without_masks_has_no_example_of_them() -> None:
    given = config()
    given["study"]["datasets"] = ["rsna"]
    shown = Shown(Study(given))
    assert shown.example_cell(True) is None
    assert shown.example_files(True) == shown.example_shards(True) == shown.example_conditions() == []


def test_a_part_that_does_not_fit_is_refused_when_it_is_asked_for(study: Study) -> None:
    study.config["finetune"]["source"]["dataset"] = "mimic"
    shown = Shown(study)
    with pytest.raises(InputError, match="finetune.source.dataset = mimic: not among study.datasets"):
        shown.tuning_files()


def test_raters_see_films_of_datasets_with_splits(study: Study) -> None:
    study.config["datasets"]["siim"]["split"] = "given"
    shown = Shown(study)
    assert shown.captioned("results/{}/cohort") == ["results/rsna/cohort"]
    assert shown.unseen() == ["rsna"]  # real films, simulated raters
    assert shown.feedback("sets") == {"splits": {"rsna": ["train"]}, "mask_dataset": "candid", "kinds": {"text": 1}}
    assert shown.rated_files()[0] == "results/feedback/pool/shard-0/images.npy"
    assert shown.ratings() == "results/feedback/simulated.jsonl"


def test_the_snakefile_may_import_it() -> None:
    import subprocess
    import sys

    check = "import sys, scripts.lib.study.shown; print({'numpy', 'pandas', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
