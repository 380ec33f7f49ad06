"""Pre-training as a command: its outputs, restarts to the same bytes, refusals, and what a trial makes of the weights."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from scripts.lib.cohort.learned import read_learned
from scripts.lib.core.errors import InputError
from scripts.lib.downstream.models import build_model
from scripts.lib.encoders.weights import weights_digest
from scripts.lib.mgca.model import MGCA
from scripts.lib.mgca.pairs import read_pairs
from scripts.lib.mgca.pretraining import retrieval, validate
from scripts.lib.study.config import to_json
from scripts.pretrain_mgca import main
from tests.helpers.downstream_films import SIDE, settings_for
from tests.helpers.mgca_toy import settings_of, small_mgca, write_reported


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reported(tmp_path_factory.mktemp("mgca") / "cohort")


def pretrain(cohort: Path, folder: Path, **changes: object) -> Path:
    """Run the command; return the folder that it writes."""
    out = folder / "mgca"
    main(
        [
            "--cohorts",
            str(cohort),
            "--config",
            to_json(settings_of(**changes)),
            "--resolution",
            str(SIDE),
            "--seed",
            "1",
        ]
        + ["--checkpoint-dir", str(folder / "checkpoints"), "--out", str(out)]
    )
    return out


@pytest.fixture(scope="module")
def trained(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrain(cohort, tmp_path_factory.mktemp("trained"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_folder_says_what_it_holds(trained: Path):
    notes = json.loads((trained / "mgca.json").read_text())
    assert (notes["films"], notes["reports"], notes["films_without_report"]) == (18, 5, 0)
    assert notes["validation"]["films"] == 6
    assert 0 <= notes["validation"]["top1"] <= notes["validation"]["top5"] == 1.0  # there are five texts
    assert {"mgca.json", "mgca.safetensors", "tokenizer/vocab.txt"} <= contents(trained).keys()
    assert not (trained.parent / "checkpoints").exists()
    learned = read_learned(trained)
    assert (
        learned is not None and set(learned["role"]) == {"mgca"} and len(learned) == 18
    )  # none of the 6 of validation
    state = load_file(trained / "mgca.safetensors")
    assert torch.allclose(state["prototype_layer.weight"].norm(dim=1), torch.ones(6))
    assert all(torch.isfinite(value).all() for value in state.values() if value.is_floating_point())


@pytest.mark.parametrize("calls", [2, 5])
def test_a_training_asked_to_end_resumes_to_the_same_bytes(cohort, trained, tmp_path, monkeypatch, calls):
    forward, made = MGCA.forward, []

    def interrupted(*arguments, **named):
        made.append(1)
        if len(made) == calls:
            os.kill(os.getpid(), signal.SIGTERM)
        return forward(*arguments, **named)

    monkeypatch.setattr(MGCA, "forward", interrupted)
    with pytest.raises(SystemExit) as end:
        pretrain(cohort, tmp_path)
    assert end.value.code == 143
    assert not (tmp_path / "mgca").exists()
    assert (tmp_path / "checkpoints" / "pretrain_mgca.safetensors").is_file()
    again = contents(pretrain(cohort, tmp_path))
    assert len(made) == calls + (8 - calls) + 2  # no step is made twice; two batches of statistics
    assert again == contents(trained)


def test_prototypes_stay_during_the_first_epoch(cohort, tmp_path):
    # 18 films in batches of 6: three steps are an epoch.
    def prototypes(**changes):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        return load_file(pretrain(cohort, folder, **changes) / "mgca.safetensors")["prototype_layer.weight"]

    one, three = prototypes(steps=1), prototypes(steps=3)
    assert torch.allclose(one, three, atol=1e-6)
    assert not torch.allclose(three, prototypes(steps=4), atol=1e-5)


def test_a_trial_takes_the_encoder_as_it_is(trained):
    chosen = {"encoder": "small", "channels": [4, 8], "fold": 1, "frozen": True}
    state = load_file(trained / "mgca.safetensors")
    for weights in (trained, trained / "mgca.safetensors"):
        model = build_model(settings_for("multilabel", model={**chosen, "weights": str(weights)}), 2, SIDE, 0)
        for name, value in model.body.encoder.state_dict().items():
            assert torch.equal(value, state[f"img_encoder_q.model.{name}"])
        trained_names = [name for name, weight in model.train().named_parameters() if weight.requires_grad]
        assert trained_names == ["body.head.weight", "body.head.bias"]
        assert not model.body.encoder.training
    assert weights_digest(trained) == weights_digest(trained / "mgca.safetensors")
    assert weights_digest(trained) == json.loads((trained / "mgca.json").read_text())["weights"]
    assert (weights_digest(None), weights_digest("imagenet")) == ("None", "imagenet")
    with pytest.raises(InputError, match="no such weights.* or a folder that pretrain_mgca wrote"):
        weights_digest(trained.parent)
    for change, message in (({"channels": [4, 9]}, "shape"), ({"fold": 2}, "shape"), ({"channels": [4]}, "unknown")):
        with pytest.raises(InputError, match=message):
            build_model(settings_for("multilabel", model={**chosen, "weights": str(trained), **change}), 2, SIDE, 0)


def test_what_cannot_be_learned_from_is_refused(tmp_path):
    def refused(reports, message, **changes):
        folder = write_reported(tmp_path / str(len(list(tmp_path.iterdir()))), reports, 0)
        with pytest.raises(InputError, match=message):
            pretrain(folder, tmp_path / "out", **changes)

    refused([None, "N/A", ""], "none of 3 training films has a report")
    refused(["Normal."] * 4, "all 4 reports say 'normal'")
    refused(["Normal.", "Edema."] * 4, "batch_size = 1; a film needs another one", batch_size=1)
    refused(["Normal.", "Edema."] * 4, r"loss is nan at step \d+; lower mgca.learning_rate", learning_rate=1e30, clip=0)


def test_two_films_and_no_held_out_ones_are_enough(tmp_path):
    folder = write_reported(tmp_path / "two", ["Normal.", "Edema."], 0)
    out = pretrain(folder, tmp_path, batch_size=2, steps=2, freeze_prototypes_epochs=0, ema=0.9)
    assert json.loads((out / "mgca.json").read_text())["validation"] is None


def test_a_missing_bert_is_one_line(cohort, tmp_path):
    with pytest.raises(InputError, match="no BERT here") as error:
        pretrain(cohort, tmp_path, text={"path": str(tmp_path / "Bio_ClinicalBERT")})
    assert "\n" not in str(error.value)


def test_retrieval_by_hand():
    reports = torch.eye(3)[[0, 1, 2, 0]]
    images = torch.tensor([[1.0, 0, 0], [0.9, 0.5, 0.1], [0, 0, 1], [0.6, 0.7, 0.1]])
    # Texts 0 1 2 0. Nearest: film 0 right, film 1 text 0 (wrong), film 2 right, film 3 text 1 (wrong): 2 of 4.
    found = retrieval(images, reports, torch.tensor([4, 5, 9, 4]))
    assert found == {"films": 4, "texts": 3, "top1": 0.5, "top5": 1.0, "chance": pytest.approx(1 / 3, abs=1e-6)}


def test_films_learn_and_are_judged_beside_their_own_reports(tmp_path, monkeypatch):
    """Films of edema are brighter all over. Encoders that know it find every report; what a training finds is no test."""
    folder = write_reported(tmp_path / "told", ["Edema." if k // 2 % 2 else "Normal." for k in range(96)], 70)
    forward, together = MGCA.forward, []

    def watched(self, images, captions, learn):
        together.append((bright(images), captions.texts == 0))  # texts are numbered in the order of the alphabet
        return forward(self, images, captions, learn)

    monkeypatch.setattr(MGCA, "forward", watched)
    notes = json.loads((pretrain(folder, tmp_path, steps=2, batch_size=16) / "mgca.json").read_text())
    assert notes["validation"]["chance"] == 0.5 and len(together) == 2 + 2  # two batches of statistics
    assert all(torch.equal(films, edema) and 0 < edema.sum() < 16 for films, edema in together)

    model, tokenizer = small_mgca()
    pairs = read_pairs([folder], "validate", model.settings, SIDE)
    model.img_encoder_q = Knowing(bright)
    for number, found in enumerate((1.0, 0.0)):
        model.text_encoder_q = Knowing(lambda captions, edema=number: captions.texts == edema)
        assert validate(model, pairs, tokenizer, SIDE)["top1"] == found  # of 70 films, in two passes


class Knowing(torch.nn.Module):
    """An encoder whose embeddings are one of two directions."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, given):
        return (torch.eye(2)[self.answer(given).long()],)


def bright(films):
    """Whether films are of edema, whose darkest places are 100 of 255; those of others have none above 59 but for a square."""
    return films.flatten(1).median(1).values * 255 > 80
