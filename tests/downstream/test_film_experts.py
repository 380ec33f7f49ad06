"""Experts on one image: who looks, who says why it cannot, and what their votes come to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import extract_features
from scripts.lib.cohort.store import Cohort
from scripts.lib.downstream import film_experts
from scripts.lib.downstream.expert_looks import Look, MissingFilesError
from scripts.lib.downstream.film_experts import FilmExperts
from scripts.lib.fidelity.experts import Expert, Scores
from scripts.lib.fidelity.realism import tiled
from scripts.lib.study.config import CONFIG_FILE, ROOT, load_study
from tests.helpers.fidelity_films import films, write_store

STRUCTURES = ["lungs", "heart", "pneumothorax", "pleural_effusion", "consolidation", "atelectasis", "cardiomegaly"]
MASK = np.zeros((48, 48), np.uint8)
NAMES = ["classifier", "realism", "copy"]
FILES = '{"nearest": 3, "batch_size": 16, "device": "cpu", "precision": "fp32"}'


def config(**changed: Any) -> dict[str, Any]:
    own = {"names": NAMES, "need": 2, "must": ["copy"], "accept": 0.9, "floor": 0.5} | changed
    return load_study([CONFIG_FILE, ROOT / "studies" / "aurad-phantom.yaml"], {"experts": own})


def said(name: str, score: float) -> Look:
    """An expert that gives an image this score: films without the subject have 0 to 0.39, those with it 0.6 to 0.99."""
    known = np.concatenate([np.arange(40) / 100, 0.6 + np.arange(40) / 100])[:, None]
    groups = np.arange(80).astype(str)
    real = Scores(("fluid",), (known > 0.5).astype(float), known, groups)
    return lambda store: Expert(
        name, real, Scores(("fluid",), np.ones((1, 1)), np.full((1, 1), score), np.array(["i"]))
    )


def votes(monkeypatch: pytest.MonkeyPatch, scores: dict[str, float | None], **changed: Any) -> film_experts.FilmVerdict:
    class Given(film_experts.Looks):
        def open(self, name: str) -> Look:
            score = scores[name]
            if score is None:
                raise MissingFilesError(f"nothing of {name} is there; make it")
            return said(name, score)

    monkeypatch.setattr(film_experts, "Looks", Given)
    own = FilmExperts(Path("nowhere"), config(**changed), Path("nowhere/controlnet"), STRUCTURES)
    return own.votes(MASK, MASK, {"pleural_effusion": "right"})


@pytest.mark.parametrize(
    ("scores", "accepted"),
    [
        # Nine of ten real films pass 0.64: of 40 from 0.6 on, the quantile 0.1 is the lower of places 3 and 4, 0.63.
        ({"classifier": 0.63, "realism": 0.5, "copy": 0.9}, True),
        ({"classifier": 0.62, "realism": 0.5, "copy": 0.9}, False),  # one yes of two that are needed
        ({"classifier": 0.9, "realism": 0.9, "copy": 0.1}, False),  # copy must agree
        ({"classifier": 0.9, "realism": None, "copy": 0.9}, True),
        ({"classifier": 0.9, "realism": 0.9, "copy": None}, None),  # who must agree cannot look
        ({"classifier": 0.1, "realism": None, "copy": 0.9}, None),  # it depends on who cannot look
        ({"classifier": 0.1, "realism": 0.1, "copy": None}, False),  # too few, whatever copy had said
    ],
)
def test_no_vote_is_neither_yes_nor_no(
    monkeypatch: pytest.MonkeyPatch, scores: dict[str, float | None], accepted: bool | None
) -> None:
    verdict = votes(monkeypatch, scores)
    assert verdict.accepted is accepted
    for one in verdict.votes:
        score = scores[one.expert]
        assert one.vote == (None if score is None else score >= 0.63)
        notes = {None: f"nothing of {one.expert} is there; make it", True: "", False: "below its threshold: fluid"}
        assert one.note == notes[one.vote]
    assert ("not known, as" in verdict.note) == (accepted is None)
    assert verdict.told()["accepted"] is accepted and verdict.told()["votes"][0]["expert"] == "classifier"


def test_who_does_not_tell_real_films_has_no_vote(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = votes(
        monkeypatch, {"classifier": 0.9, "realism": 0.9, "copy": 0.9}, floor=0.97
    )  # of 80 films: from 1 - 3 / 80 on
    assert [one.vote for one in verdict.votes] == [None] * 3 and verdict.accepted is None
    assert "does not tell real films" in verdict.votes[0].note


def test_an_expert_opens_the_files_of_the_study_and_others_say_what_they_lack(tmp_path: Path) -> None:
    cohort = write_store(tmp_path / "chestxdet" / "cohort", films(200, "real"), ["generator"] * 200, "r")
    out = tmp_path / "chestxdet" / "features" / "random.npy"
    extract_features.main(["--store", str(cohort), "--name", "x", "--networks", "random", "--config", FILES, "--out", str(out)])  # fmt: skip
    own = FilmExperts(tmp_path, config(need=1, must=[]), tmp_path / "generators" / "controlnet", STRUCTURES)
    image = Cohort.open(cohort).images([0])[0]
    seen = {name: own.votes(shown, MASK, {}) for name, shown in (("film", image), ("turned", tiled(image)))}
    assert [one.vote for one in seen["film"].votes] == [None, True, None] and seen["film"].accepted is True
    assert [one.vote for one in seen["turned"].votes] == [None, False, None] and seen["turned"].accepted is None
    notes = [one.note for one in seen["film"].votes]
    assert "chestxdet-generator-labels is not there; make it with snakemake results/judges/chest" in notes[0]
    assert "make it with snakemake results/generators/floors/controlnet.parquet" in notes[2]
    assert "accepted (classifier no vote, realism yes, copy no vote; 1 of 3 votes" in seen["film"].said()
