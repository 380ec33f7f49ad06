"""Which films teach the judge of edits, and where edits lie."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study.config import CONFIG_FILE, ROOT, load_study
from scripts.lib.study.editing import Editing
from scripts.lib.study.judging import Judging
from scripts.lib.study.pools import COHORT_FILES
from scripts.lib.study.study import Study
from scripts.lib.study.teachers import edits_source

SMALL = [CONFIG_FILE, ROOT / "studies" / "paediatric-phantom.yaml"]


def editing(judge: dict[str, Any] | None = None, **study: Any) -> Editing:
    return Editing(Study(load_study(SMALL, {"edits": {"judge": judge or {}}, "study": study})))


def test_films_of_another_dataset_teach_the_judge_and_else_those_of_split_train():
    assert editing().judge() == "results/judges/vindr-train-labels-blurred" and editing().note() == ""
    config = load_study(SMALL)
    config["study"]["foundation"], config["trials"]["external"] = [], {}
    alone = Editing(Study(config))
    assert alone.judge() == "results/judges/children-train-labels-blurred"
    assert alone.note() == "the judge learned from other films of the same dataset: it may know its habits"
    given = editing({"dataset": "vindr", "split": "validate"})
    assert given.judge() == "results/judges/vindr-validate-labels-blurred"


def test_test_films_and_datasets_without_the_label_are_refused():
    with pytest.raises(InputError, match="edits.judge.split"):
        editing({"dataset": "vindr", "split": "test"})
    config = load_study(SMALL)
    config["edits"]["judge"] = {"dataset": "candid", "split": "train"}
    with pytest.raises(InputError, match="edits.judge: candid has no pneumonia; name films with it"):
        edits_source(config)


def test_a_study_of_masks_has_no_edits_and_no_judge_of_them():
    whole = Study(load_study([CONFIG_FILE]))
    assert edits_source(whole.config) is None
    assert not [name for name in Judging(whole).sources() if name.endswith("-blurred")]
    with pytest.raises(InputError, match="generator_dataset = candid: its target is a mask; edits need classes"):
        Editing(whole).judge()


def test_edits_have_a_store_for_each_way_and_control_and_shard():
    config = load_study(SMALL, {"edits": {"ways": ["sdedit"], "shards": 2}})
    stores = Editing(Study(config)).stores()
    folders = [f"{method}/shard-{shard}" for method in ("sdedit", "own-class", "sdedit-equal") for shard in (0, 1)]
    assert stores == [f"results/children/edits/{folder}/images.npy" for folder in folders]


def test_answers_are_simulated_for_a_phantom_alone():
    asked = editing()
    assert asked.answers() == "results/children/questionnaire/simulated.jsonl" and asked.is_simulated()
    assert asked.drawn() == [f"results/children/edits/ddpm/shard-0/{file}" for file in COHORT_FILES]
    config = load_study(SMALL)
    config["datasets"]["children"]["root"] = "/films"
    with pytest.raises(
        InputError, match="edits.questionnaire.answers is null: nobody has answered about the films of children"
    ):
        Editing(Study(config)).answers()
    config["edits"]["questionnaire"]["answers"] = "log.jsonl"
    given = Editing(Study(config))
    assert given.answers() == "log.jsonl" and not given.is_simulated()
