"""What a study's images are held against: teachers, splits that are no floor, names of networks, the gate before trials."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study.cells import Cell
from scripts.lib.study.config import CONFIG_FILE, load_study
from scripts.lib.study.fidelity import FeatureNetwork, Fidelity, network_of
from scripts.lib.study.study import Study

CELL = Cell("rsna", "original", "0.1")


def fidelity(**given: Any) -> Fidelity:
    return Fidelity(Study(load_study([CONFIG_FILE], given)))


def test_teachers_are_the_films_of_foundation_and_masks() -> None:
    assert fidelity().teachers("controlnet") == [("mimic", "train"), ("candid", "generator")]
    assert fidelity().cell_datasets(CELL) == ["mimic", "candid"]
    foreign = fidelity(base={"path": "/models/roentgen"})
    assert foreign.teachers("controlnet") == [("candid", "generator")]
    assert foreign.cell_datasets(CELL) == ["candid"]


def test_a_split_that_taught_the_generator_is_no_floor() -> None:
    assert fidelity().reference(CELL) == ["train", "validate", "test"]
    learned = fidelity(study={"foundation": ["mimic", "rsna"]})
    with pytest.raises(
        InputError, match="split train of rsna taught the generator of arm original or chose its settings, so it is"
    ):
        learned.reference(CELL)
    with pytest.raises(InputError, match="split train"):
        learned.checked_index(CELL)
    narrow = fidelity(study={"foundation": ["mimic", "rsna"]}, fidelity={"splits": ["test"]})
    assert narrow.reference(CELL) == ["test"]
    masks = fidelity(fidelity={"splits": ["generator", "test"]})
    with pytest.raises(InputError, match="split generator of candid"):
        masks.reference(Cell("candid", "original", "0.1"))


def test_raters_of_a_split_bar_it_for_their_arm_alone() -> None:
    rated = fidelity(
        feedback={"splits": {"mimic": ["validate"], "candid": ["train"], "rsna": ["train"]}},
        study={"arms": ["dpo", "original"]},
    )
    assert rated.reference(CELL) == ["train", "validate", "test"]
    with pytest.raises(InputError, match="split train of rsna taught the generator of arm dpo"):
        rated.reference(Cell("rsna", "dpo", "0.1"))


def test_networks_are_named_once_and_have_paths_where_they_need_them() -> None:
    assert network_of("random") == FeatureNetwork("random") and network_of("folder:a:b") == FeatureNetwork(
        "folder", "a:b"
    )
    for wrong in ("vgg", "random:x", "folder", "folder:", "rad-dino", "random:"):
        with pytest.raises(InputError, match="is no source of features"):
            network_of(wrong)
    given = fidelity(fidelity={"features": ["random", "rad-dino:/w/dino", "folder:/mine"]})
    assert given.networks() == ["pixels", "random", "rad-dino:/w/dino", "folder:/mine"]
    assert given.models() == ["/w/dino", "/mine"]
    with pytest.raises(InputError, match="folder is named twice"):
        fidelity(fidelity={"features": ["folder:/a", "folder:/b"]}).measured()


def test_the_proxy_model_may_not_judge_what_it_chose_or_taught() -> None:
    assert fidelity().barred(CELL) == []
    assert fidelity().barred(Cell("chexpert", "proxy-filtered", "0.01")) == ["proxy"]
    assert fidelity().barred(Cell("chexpert", "proxy-tuned", "0.01")) == ["proxy"]


def test_dropping_makes_every_arm_without_a_filter_a_filtered_one() -> None:
    plain, dropping = fidelity(), fidelity(memorisation={"action": "drop"})
    assert plain.study.kept(CELL) == [] and plain.dropping(CELL) == ""
    pool = "results/rsna/pools/original/fraction-0.1"
    assert dropping.study.kept(CELL) == [f"{pool}/distinct.parquet"] and dropping.dropping(CELL) == "--dropped"
    assert dropping.study.candidates(CELL) == 2 * plain.study.candidates(CELL)
    other = dropping.study.arm("proxy-filtered")
    assert other.filter and other.filter.name == "proxy"


def test_an_arm_may_name_the_filter_itself() -> None:
    mine = fidelity(
        arms={"mine": {"generator": "controlnet", "filter": "memory", "candidates": 3}}, memorisation={"share": 0.5}
    )
    cell = Cell("rsna", "mine", "0.1")
    assert mine.study.kept(cell) == ["results/rsna/pools/mine/fraction-0.1/distinct.parquet"]
    assert mine.study.arm("mine").candidates == 3
    assert mine.share(cell) == 1.0 and mine.share(CELL) == 0.5  # what drops copies looks at every image


def test_trials_wait_for_the_verdict_where_copies_are_refused() -> None:
    gate = "results/rsna/pools/original/fraction-0.1/cleared.txt"
    assert gate not in fidelity().study.trial_sources(CELL)
    refusing = fidelity(memorisation={"action": "refuse"}).study
    assert gate in refusing.trial_sources(CELL)
    assert not any("cleared" in file for file in refusing.trial_sources(Cell("rsna", "real", "0.1")))


def test_the_real_arm_has_no_fidelity() -> None:
    with pytest.raises(InputError, match="arm real adds no synthetic images"):
        fidelity().cell_datasets(Cell("rsna", "real", "0.1"))
    assert all(cell.arm == "original" for cell in fidelity().cells())


def test_films_on_which_a_search_chose_are_no_floor() -> None:
    cell, overlay = Cell("children", "class-ldm", "1"), CONFIG_FILE.parent / "studies" / "paediatric-phantom.yaml"
    splits = {}
    for searched in (False, True):
        given = {"class_ldm": {"from_search": searched}, "fidelity": {"splits": ["train", "validate", "test"]}}
        own = Fidelity(Study(load_study([CONFIG_FILE, overlay], given)))
        with (
            nullcontext()
            if not searched
            else pytest.raises(
                InputError, match=r"split validate of children .* or chose its settings.*write \['train', 'test'\]"
            )
        ):
            splits[searched] = own.reference(cell)
    assert splits == {False: ["train", "validate", "test"]}


def test_images_from_elsewhere_are_held_against_films_once_whatever_the_fractions() -> None:
    own = fidelity(arms={"bought": {"source": "pool", "path": "/films"}}, study={"arms": ["original", "bought"]})
    cells = [Cell(name, "bought", "1") for name in ("candid", "siim", "rsna", "chexpert")]
    assert own.elsewhere() == cells and own.reference(cells[2]) == ["train", "validate", "test"]
    folder = "results/rsna/pools/bought"
    assert own.store_files(cells[2], "random") == [f"{folder}/fraction-1/features/random-0.npy"]
    job = SimpleNamespace(dataset="rsna", arm="bought", fraction="1", shard="0")
    assert own.shard_files(job)[0] == f"{folder}/imported/images.npy"
    assert f"{folder}/fraction-1/fidelity.csv" in own.tables("fidelity")
    assert not [path for path in own.tables("memorisation") if "bought" in path]
