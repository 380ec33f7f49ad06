"""Preference tuning on toy models: an ordinary generator, its monitor, and killed runs that end with the same bytes."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from scripts import train_dpo
from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.feedback.preferences import read_pairs
from scripts.lib.formats.csv_text import read_columns
from scripts.lib.generators.controlled import preference_training
from scripts.lib.generators.controlled.generator import open_generator
from scripts.lib.generators.controlled.layout import read_notes
from scripts.lib.generators.controlled.preference_loss import insides, margins, orders, preference_loss
from scripts.lib.generators.controlled.preference_pairs import find_pairs
from scripts.lib.generators.controlled.preference_report import COLUMNS, NUMBERS, WHOLE
from scripts.lib.generators.controlled.preference_training import PairErrors
from scripts.lib.training.batches import batch_noise
from scripts.lib.training.devices import place
from scripts.lib.training.settings import Section
from tests.generators.test_finetuning import changed
from tests.helpers.diffusion_models import PLACE, STRUCTURES, write_controlnet
from tests.helpers.diffusion_toy import TRAINING

pytestmark = pytest.mark.early
DPO = {**PLACE, **TRAINING, "checkpoint_seconds": 0, "trains": ["controlnet"]}
DPO |= {"beta": 5000.0, "weighting": "none", "timesteps": [0.0, 1.0]}
DPO |= {"monitor_steps": 2, "monitor_draws": 2, "patience": 10}


def pair(number, winner, loser, text=(5, 1)):
    sides = {k: {"sample": s, "text": v, "mask": None} for k, s, v in zip(("winner", "loser"), (winner, loser), text)}
    row = {"set_id": f"set-{number}", "kind": "text", "prompt": "edema", "mask_source": None}
    return row | {"condition_id": f"{number:016x}", **sides, "weight": 1.0, "raters": ["ann"]}


def write_preferences(root):
    """Write a rated pool of random images, and the pairs of its sets: train, held, report and empty .jsonl."""
    stream = np.random.default_rng(3)
    with CohortWriter(root / "pool", 32, STRUCTURES, [], {"dataset": "toy"}, with_masks=True) as writer:
        for number in range(24):
            image = stream.integers(0, 256, (32, 32), dtype=np.uint8)
            own = {"condition_id": f"{number // 4:016x}", "sample": number % 4, "trial": -1, "position": number}
            row = {"image_id": f"i{number}", "patient_id": f"p{number}", "split": "train", "report": "edema"}
            writer.add(image, None, row | own | {"kind": "text", "synthetic": True, "sha256": pixels_sha256(image)})
    for name, sets in (("train", (0, 1, 2)), ("held", (3,)), ("report", (4, 5))):
        lines = [json.dumps(pair(s, w, o)) + "\n" for s in sets for w, o in ((0, 1), (2, 1), (2, 3))]
        (root / f"{name}.jsonl").write_text("".join(lines))
    (root / "empty.jsonl").write_text("")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("dpo")
    write_controlnet(root)
    write_preferences(root)
    return root


def tune(tree, out, train="train", held="held", report="report", **changes):
    files = ["--preferences", str(tree / f"{train}.jsonl"), "--heldout", str(tree / f"{held}.jsonl")]
    files += ["--report", str(tree / f"{report}.jsonl")]
    config = ["--config", json.dumps({**DPO, **changes}), "--seed", "1", "--pool", str(tree / "pool")]
    places = ["--checkpoint-dir", str(tree / f"check-{out}"), "--out", str(tree / "generators" / out)]
    train_dpo.main(["--generator", str(tree / "generators" / "controlnet"), *files, *config, *places])
    return tree / "generators" / out


@pytest.fixture(scope="module")
def whole(tree):
    """The tuned generator of an undisturbed run."""
    return tune(tree, "whole")


def test_the_result_is_a_generator_with_a_monitor(tree, whole):
    folder = whole
    before, after = open_generator(tree / "generators" / "controlnet"), open_generator(folder)
    assert not changed(before.unet, after.unet) and read_notes(folder)["kind"] == "dpo"
    monitor = pd.read_csv(folder / "monitor.csv")
    assert list(monitor) == ["step", "loss", "implicit_accuracy", "margin", "distance"]
    assert list(monitor["step"]) == [0, 2, 4, 6]
    # At the start the networks are their own reference.
    assert monitor.loc[0, ["implicit_accuracy", "margin", "distance"]].tolist() == [0.5, 0, 0]
    assert monitor["distance"].iloc[1:].gt(0).all()
    best = monitor["implicit_accuracy"].idxmax()
    assert changed(before.controlnet, after.controlnet) == (best > 0)


def test_without_pairs_it_says_so(tree):
    with pytest.raises(InputError, match="empty.jsonl: no pairs"):
        tune(tree, "none", train="empty")
    with pytest.raises(InputError, match="empty.jsonl: no pairs"):
        tune(tree, "none", held="empty")
    with pytest.raises(InputError, match="empty.jsonl: no pairs"):
        tune(tree, "none", report="empty")


def test_what_is_reported_on_has_neither_taught_nor_chosen(tree, whole):
    for other in ("train", "held"):
        with pytest.raises(
            InputError, match=rf"{other}.jsonl: set set-. \(. in all\) has pairs in the other parts as well"
        ):
            tune(tree, "none", report=other)
    table = read_columns(whole / "accuracy.csv", COLUMNS, NUMBERS, WHOLE, optional=("ci_low", "ci_high"))
    assert table["part"].tolist() == ["heldout", "report"] and table["sets"].tolist() == [1, 2]
    monitor = pd.read_csv(whole / "monitor.csv")
    best = monitor.loc[monitor["implicit_accuracy"].idxmax()]
    assert table["step"].tolist() == [best["step"]] * 2
    # The same pairs, noises and weights as at the check that was best.
    assert table.loc[0, "accuracy"] == pytest.approx(best["implicit_accuracy"], abs=1e-9)
    assert table.loc[0, "margin"] == pytest.approx(best["margin"], rel=1e-6, abs=1e-9)
    assert np.isnan(table.loc[0, "ci_low"]) and "one set only" in table.loc[0, "note"]


def test_it_does_not_take_the_place_of_its_start(tree):
    before = (tree / "generators" / "controlnet" / "model_index.json").stat().st_mtime_ns
    with pytest.raises(InputError, match="is the generator to start from"):
        tune(tree, "controlnet")
    assert (tree / "generators" / "controlnet" / "model_index.json").stat().st_mtime_ns == before


def errors_of(tree, **changes):
    """What `train_dpo` builds: the errors of the pool's pairs, and the training pairs."""
    settings = Section({**DPO, **changes}, "dpo")
    pool = Cohort.open([tree / "pool"])
    pairs = find_pairs(read_pairs(tree / "train.jsonl"), pool, "train")
    generator = open_generator(tree / "generators" / "controlnet")
    return PairErrors(generator, pool, settings, place(settings)), pairs


def test_a_step_down_the_loss_prefers_the_winners_by_what_its_gradient_says(tree):
    """A step s against the unit gradient lowers the loss by s |g|; what a training of many steps makes of random images
    differs from processor to processor."""
    errors, pairs = errors_of(tree)
    rows, weights = np.arange(len(pairs)), list(errors.trained["controlnet"].parameters())

    def judged():
        winner, loser = errors(pairs, rows, batch_noise(1, "t", 0))
        inside = insides(winner, loser, pairs.winner_scores, pairs.loser_scores, 500.0, "none")
        order = orders(pairs.winner_scores, pairs.loser_scores)
        return preference_loss(inside, order).mean(), margins(inside, order).mean().item()

    start, before = judged()
    start.backward()
    gradients = [weight.grad if weight.grad is not None else torch.zeros_like(weight) for weight in weights]
    length = torch.cat([gradient.flatten() for gradient in gradients]).norm().item()
    size = 0.02 / length  # lowers the loss of log 2 by 0.02, to first order
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients):
            weight.sub_(size * gradient / length)
        end, after = judged()
    assert start.item() == pytest.approx(math.log(2), abs=1e-3) and before == pytest.approx(0, abs=1e-3)
    assert start.item() - end.item() == pytest.approx(0.02, rel=0.3) and after > 0.02


def test_images_are_compared_at_the_noise_asked_for(tree, monkeypatch):
    errors, pairs = errors_of(tree, timesteps=[0.25, 0.5])
    limit, seen = errors.scheduler.config.num_train_timesteps, []
    noising = preference_training.add_noise

    def watch(latents, gaussian, kept):
        seen.append(kept)
        return noising(latents, gaussian, kept)

    monkeypatch.setattr(preference_training, "add_noise", watch)
    rows = np.arange(len(pairs))
    for number in range(4):
        errors(pairs, rows, batch_noise(1, "t", number))
    kept, levels = torch.stack(seen), errors.scheduler.alphas_cumprod
    assert ((kept <= levels[limit // 4]) & (kept >= levels[limit // 2 - 1])).all()
    assert (kept[:, : len(rows)] == kept[:, len(rows) :]).all()  # both images of a pair share their time step
    assert len(kept[:, 0].unique()) > 1  # and a pair is not asked at one time step only
    for wrong in ([0.5, 0.5], [0.6, 0.2], [-0.1, 0.5], [0.0, 1.1]):
        with pytest.raises(InputError, match="dpo.timesteps = .* two shares of the .* steps, rising"):
            errors_of(tree, timesteps=wrong)


def test_the_reference_is_asked_once_for_pairs_that_come_again(tree, monkeypatch):
    errors, pairs = errors_of(tree)
    rows, asked = np.arange(len(pairs)), []
    guess = preference_training.predict_noise
    monkeypatch.setattr(preference_training, "predict_noise", lambda *a: asked.append(a[0]) or guess(*a))
    first = errors(pairs, rows, batch_noise(1, "t", 0), again=7)
    second = errors(pairs, rows, batch_noise(1, "t", 0), again=7)
    assert len(asked) == 3 and sum(net is errors.reference[0] for net in asked) == 1
    assert all(torch.equal(a, b) for a, b in zip(first, second))
    errors(pairs, rows, batch_noise(1, "t", 1))
    assert len(asked) == 5  # other noise: both are asked
