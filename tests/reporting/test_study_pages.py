"""What a run says of itself: every column is described, methods hold the run's own numbers, phantoms are named."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts.lib.downstream.settings import CHOICES
from scripts.lib.evidence.statistics import FAMILIES
from scripts.lib.evidence.tables import FIGURE2, shortened, write_table
from scripts.lib.reporting.methods_page import CORRECTIONS, OPTIMIZERS, methods_page
from scripts.lib.reporting.study_pages import codebook, listed, phantom_datasets, tables_page
from scripts.lib.study.config import load_study
from scripts.lib.study.tables import BASELINES, LABELS, TRIALS
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def config() -> dict[str, object]:
    return load_study([ROOT / "config.yaml"])


def figure2() -> pd.DataFrame:
    """Return two means and two trials of one fraction: the one cell with synthetic images rises, and is not significant."""
    about = {"dataset": "rsna", "title": "RSNA", "task": "classification", "metric": "f1", "fraction": "0.1"}
    rows = [
        {**about, "kind": "mean", "arm": "real", "multiplier": 0, "n_real": 30.0, "value": 0.4, "significant": False},
        {**about, "kind": "mean", "arm": "original", "multiplier": 2, "value": 0.5, "difference": 0.1, "significant": False},
        *({**about, "kind": "trial", "arm": "real", "multiplier": 0, "trial": t, "value": 0.4} for t in (0, 1)),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=FIGURE2)


def cohorts(config: dict) -> pd.DataFrame:
    row = {"patients": "1137", "generator": "", "train": "309", "validate": "", "test": "378", "taken": "1718"}
    return pd.DataFrame([{"dataset": name, **row, "quarantined": "2"} for name in config["study"]["datasets"]])


def test_numbers_have_four_digits_and_whole_ones_are_whole(tmp_path: Path) -> None:
    assert [shortened(x, 4) for x in (0.123456, 58.0, 123456.0, 1234.56, 1.23456e-7)] == [
        0.1235,
        58,
        123456,
        1235,
        1.235e-07,
    ]
    assert np.isnan(shortened(float("nan"), 4))
    table = pd.DataFrame(
        {"n_real": [4.0, np.nan], "value": [0.20806877811021396, 1.0], "note": ["a", "b"], "page_l": [58.0, 57.0]}
    )
    write_table(table, tmp_path / "short.csv", digits=4)
    assert (tmp_path / "short.csv").read_text() == "n_real,value,note,page_l\n4,0.2081,a,58\nn/a,1,b,57\n"
    write_table(pd.DataFrame({"label": ["pleural_effusion"]}), tmp_path / "key.csv")
    assert "pleural_effusion" in (tmp_path / "key.csv").read_text()
    write_table(pd.DataFrame({"label": ["pleural_effusion"]}), tmp_path / "read.csv", digits=4)
    assert (tmp_path / "read.csv").read_text() == "label\npleural effusion\n"
    write_table(table, tmp_path / "long.csv")
    assert "0.20806877811021396" in (tmp_path / "long.csv").read_text()  # what others compute from keeps its digits


def test_every_column_is_described() -> None:
    tables = {"trials": [*TRIALS, *LABELS], "baselines": BASELINES, "figure2": [*FIGURE2, "low", "high"]}
    book = codebook(tables)
    assert list(book["table"].unique()) == list(tables) and not (book["meaning"] == "not described").any()
    assert codebook({"leakage": ["kind"]})["meaning"][0] != codebook({"figure2": ["kind"]})["meaning"][0]
    assert codebook({"trials": ["new"]})["meaning"].tolist() == ["not described"]


def test_the_page_lists_tables_and_columns(config: dict) -> None:
    page = tables_page(codebook({"power": ["dataset", "detectable"], "mine": ["value"]}), config)
    assert "| `detectable` | the smallest difference that this design finds | metric | above 0 |" in page
    assert page.index("## power.csv") < page.index("## mine.csv") and "**PHANTOM.**" in page


def test_methods_say_what_this_run_did(config: dict) -> None:
    page = methods_page(config, cohorts(config), figure2(), {"torch": "9.9"})
    for words in (
        "CANDID-PTX: 1,718 films of 1,137 patients, 309 for training and 378 for testing. 2 films could not be used.",
        "25 at 1 %, 25 at 10 % and 2 at 100 % of the real films", "pleural effusion", "torch 9.9", "2 trials a cell make weak tests",
        "1 of 1 with 10 % (0 significant)", "Films are drawn by a program (phantom).",
    ):  # fmt: skip
        assert words in " ".join(page.split()), words
    assert "_" not in page.replace("arXiv", "") and listed(["a"]) == "a" and listed(["a", "b", "c"]) == "a, b and c"


def test_methods_say_how_trainings_show_images_and_name_no_fraction_that_did_not_run(config: dict) -> None:
    study = {**config["study"], "fractions": [0.1], "arms": ["original", "duplicate", "pretrain", "alone", "half"]}
    arms = {
        **config["arms"],
        "alone": {"generator": "base", "mixing": {"kind": "alone"}},
        "half": {"generator": "base", "mixing": {"kind": "balanced", "real_share": 0.25}},
    }
    page = " ".join(methods_page({**config, "study": study, "arms": arms}, cohorts(config), figure2(), {}).split())
    for words in (
        "At most so many were added for each real film: 25 at 10 % of the real films.",
        "Arm original: images of a ControlNet on a latent diffusion model. Arm duplicate: repeated real films, at the largest multiplier alone.",
        "; what is added alone for the first 10 % of the steps, real films alone after them, at the largest multiplier alone. Arm alone",
        "Arm alone: images of the foundation model; what is added and no real film. ",
        "Arm half: images of the foundation model; 25 % of each batch being real. ",
        # config.yaml: 150, 300 and 600 steps, of masks 150, 450 and 900 in batches of 16, half of them real
        "by a network with an encoder of plain convolutions, from random weights; Muon (AdamW for what is no matrix) at a rate of 0.02, batches of 16, 450 steps; 50 % of each batch being real.",
        "AdamW at a rate of 0.004, batches of 32, 300 steps; real films and what is added drawn alike.",
    ):
        assert words in page, words
    once = {**study, "multipliers": {"0.1": [0, 2]}}
    assert "multiplier alone" not in methods_page(
        {**config, "study": once, "arms": arms}, cohorts(config), figure2(), {}
    )
    whole = " ".join(methods_page(config, cohorts(config), figure2(), {}).split())
    assert "batches of 32, 150, 300 and 600 steps of 1 %, 10 % and 100 %; real" in whole


def test_methods_have_words_for_every_optimizer_and_every_family_of_tests(config: dict) -> None:
    assert set(OPTIMIZERS) == set(CHOICES["optimizer.name"]) and set(CORRECTIONS) == set(FAMILIES)


@pytest.mark.parametrize(
    ("gpus", "said"), [(0, "on the processor."), (1, "on one GPU."), (4, "on up to 4 GPUs a training.")]
)
def test_methods_say_on_what_it_ran(config: dict, gpus: int, said: str) -> None:
    computed = {**config, "compute": {**config["compute"], "gpus": gpus}}
    assert said in " ".join(methods_page(computed, cohorts(config), figure2(), {}).split())


def test_methods_name_a_foundation_model_only_where_an_arm_learned_from_it(config: dict) -> None:
    arms = {"classes": {"generator": "class-ldm"}, "words": {"generator": "base"}}

    def told(arm: str) -> str:
        study = {**config["study"], "arms": [arm]}
        page = methods_page({**config, "arms": arms, "study": study}, cohorts(config), figure2(), {})
        return " ".join(page.split())

    learned = "A latent diffusion model learned from films of MIMIC-CXR and what is written of them: reports, or else"
    assert learned in told("words") and "Arm words: images of the foundation model." in told("words")
    assert "Arm classes: images of a latent diffusion model of classes." in told("classes")
    assert "learned from" not in told("classes").split("Arm classes")[0]


def test_a_study_of_real_films_is_not_called_a_phantom(config: dict) -> None:
    real = {name: {**section, "root": "/data"} for name, section in config["datasets"].items()}
    own = {**config, "datasets": real}
    assert phantom_datasets(own) == [] and "PHANTOM" not in methods_page(own, cohorts(own), figure2(), {})
    # Images from elsewhere: the phantom of another dataset, from which nothing learns, is not named.
    some = {**real, "candid": config["datasets"]["candid"]}
    study = {**config["study"], "datasets": ["rsna"], "arms": ["pool"], "foundation": ["mimic"]}
    arms = {**config["arms"], "pool": {"source": "pool"}}
    assert phantom_datasets({**config, "datasets": some, "study": study, "arms": arms}) == []


def test_the_codebook_is_a_table_that_others_read(tmp_path: Path, config: dict) -> None:
    write_table(codebook({"power": ["dataset", "detectable"]}), tmp_path / "codebook.csv")
    rows = list(csv.DictReader((tmp_path / "codebook.csv").open()))
    assert [row["column"] for row in rows] == ["dataset", "detectable"] and list(rows[0])[2] == "meaning"
