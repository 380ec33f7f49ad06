"""Pairs of every kind through real training steps: what the networks are shown, what the loss teaches, what is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from scripts import build_preferences, train_dpo
from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import run
from scripts.lib.feedback.preferences import read_pairs, write_pairs
from scripts.lib.generators.controlled import preference_training
from scripts.lib.generators.controlled.generator import open_generator
from scripts.lib.generators.controlled.layout import read_notes
from scripts.lib.generators.controlled.preference_loss import insides, orders, preference_loss
from scripts.lib.generators.controlled.preference_pairs import find_pairs
from scripts.lib.generators.controlled.preference_training import PairErrors
from scripts.lib.training.batches import batch_noise
from scripts.lib.training.devices import place
from scripts.lib.training.settings import Section
from tests.feedback.test_preferences import RULE, study
from tests.generators.test_dpo import DPO
from tests.generators.test_finetuning import changed
from tests.helpers.diffusion_models import STRUCTURES, write_controlnet

KINDS = (
    "text",
    "mask",
    "both",
    "text",
    "text",
    "both",
)  # of the pool's sets: three teach, one chooses, two are reported on
SHORT = {"steps": 2, "batch_size": 3, "monitor_steps": 1, "monitor_draws": 1}


def pair(number, winner=0, loser=1, weight=1.0, **scores):
    """A pair of set `number`; scores: text=(winner's, loser's), mask=(...)."""
    sides = zip(("winner", "loser"), (winner, loser), (0, 1))
    asked = {s: {"sample": k} | {a: scores.get(a, (None, None))[n] for a in ("text", "mask")} for s, k, n in sides}
    about = {"set_id": f"set-{number}", "kind": KINDS[number], "prompt": "edema", "mask_source": None}
    return about | {"condition_id": f"{number:016x}", **asked, "weight": weight, "raters": ["ann"]}


TRAIN = [pair(0, text=(5, 1)), pair(1, mask=(4, 0)), pair(2, 2, 1, text=(5, 2), mask=(1, 4))]
HELD = [pair(3, text=(4, 3)), pair(3, 1, 2, text=(3, 0))]
REPORT = [pair(4, text=(4, 3)), pair(5, 1, 2, text=(3, 0), mask=(2, 5))]


def write_pool(folder):
    """Sets 0..5 of KINDS, four random images each; a mask of its own for each set that has one."""
    stream = np.random.default_rng(3)
    with CohortWriter(folder, 32, STRUCTURES, [], {"dataset": "toy"}, with_masks=True) as writer:
        for number in range(24):
            kind, image = KINDS[number // 4], stream.integers(0, 256, (32, 32), dtype=np.uint8)
            mask = np.zeros((32, 32), np.uint8)
            if kind != "text":
                mask[8:24, 4 : 12 + number // 4] = 5  # lungs with a pneumothorax
            own = {"condition_id": f"{number // 4:016x}", "sample": number % 4, "trial": -1, "position": number}
            row = {"image_id": f"i{number}", "patient_id": f"p{number}", "split": "train", "synthetic": True}
            row |= {"report": None if kind == "mask" else "edema", "sha256": pixels_sha256(image)}
            writer.add(image, mask, row | own | {"kind": kind})
    return folder


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("kinds")
    write_controlnet(root)
    write_controlnet(root, "black", absent_mask="black_image")
    write_pool(root / "pool")
    write_pairs(root / "train.jsonl", TRAIN)
    write_pairs(root / "held.jsonl", HELD)
    write_pairs(root / "report.jsonl", REPORT)
    return root


def command(tree, out, train="train", held="held", start="controlnet", **changes):
    files = ["--preferences", str(tree / f"{train}.jsonl"), "--heldout", str(tree / f"{held}.jsonl")]
    files += ["--report", str(tree / "report.jsonl")]
    config = ["--config", json.dumps({**DPO, **SHORT, **changes}), "--seed", "1", "--pool", str(tree / "pool")]
    places = ["--checkpoint-dir", str(tree / f"check-{out}"), "--out", str(tree / "generators" / out)]
    return ["--generator", str(tree / "generators" / start), *files, *config, *places]


def tune(tree, out, **changes):
    train_dpo.main(command(tree, out, **changes))
    folder = tree / "generators" / out
    return folder, pd.read_csv(folder / "monitor.csv")


def errors_of(tree, start="controlnet", **changes):
    settings, pool = Section({**DPO, **changes}, "dpo"), Cohort.open([tree / "pool"])
    pairs = find_pairs(read_pairs(tree / "train.jsonl"), pool, "train")
    return PairErrors(open_generator(tree / "generators" / start), pool, settings, place(settings)), pairs


@pytest.mark.parametrize("start", ["controlnet", "black"])
def test_each_kind_of_pair_is_shown_its_own_conditions(tree, monkeypatch, start):
    """Rows: winners of text, mask, both; then their losers."""
    errors, pairs = errors_of(tree, start)
    seen, guess = [], preference_training.predict_noise
    monkeypatch.setattr(preference_training, "predict_noise", lambda *a: seen.append(a) or guess(*a))
    errors(pairs, np.arange(3), batch_noise(1, "t", 0))
    for _, noisy, steps, text, branch, embedded, present, _ in seen:
        # A black picture where there is no mask, or the silence that the start keeps there.
        assert present is None if start == "black" else present.tolist() == [False, True, True] * 2
        assert [bool(row.any()) for row in text] == [True, False, True] * 2
        black = branch.embed(torch.zeros(1, 3, 32, 32))[0]
        assert [torch.allclose(row, black) for row in embedded] == [True, False, False] * 2
        assert not torch.allclose(embedded[1], embedded[2]) and torch.allclose(embedded[:3], embedded[3:])
        assert torch.equal(steps[:3], steps[3:]) and not torch.equal(noisy[:3], noisy[3:])
    assert len(seen) == 2 and seen[0][0] is errors.reference[0]
    assert seen[0][-1] is None and (seen[1][-1] is None) == (start == "black")
    winner, loser = errors(pairs, np.arange(3), batch_noise(1, "t", 0))
    assert not winner.any() and not loser.any()  # the networks are their own reference, in every kind


@pytest.mark.parametrize(
    ("trains", "absent", "moved"),
    [
        (["controlnet"], "difference", (True, False)),
        pytest.param(["unet"], "zero_residual", (False, True), marks=pytest.mark.long),
        (["controlnet", "unet"], "difference", (True, True)),
        (["controlnet"], "black_image", (True, False)),
        pytest.param(["unet"], "black_image", (False, True), marks=pytest.mark.long),
    ],
)
def test_pairs_of_every_kind_teach_the_networks_asked_for(tree, monkeypatch, trains, absent, moved):
    # An accuracy that rises publishes the last step, whatever two random steps are worth.
    rising = iter(range(10))
    monkeypatch.setattr(
        preference_training, "accuracies", lambda inside, _: torch.full((len(inside),), float(next(rising)))
    )
    start = "black" if absent == "black_image" else "controlnet"
    folder, monitor = tune(tree, f"of-{start}-" + "-".join(trains), trains=trains, start=start)
    before, after = open_generator(tree / "generators" / start), open_generator(folder)
    assert (changed(before.controlnet, after.controlnet), changed(before.unet, after.unet)) == moved
    assert not changed(before.vae, after.vae) and not changed(before.text_encoder, after.text_encoder)
    assert ((folder / "controlnet").is_symlink(), (folder / "unet").is_symlink()) == tuple(not one for one in moved)
    assert read_notes(folder)["absent_mask"] == absent
    # Before the first step the networks are their reference: log 2 for each pair, of whatever kind.
    assert monitor["loss"][1] == pytest.approx(math.log(2), abs=1e-6) and monitor["loss"][2] != monitor["loss"][1]
    assert monitor["distance"][0] == 0 and monitor["distance"][1:].gt(0).all()


def gradient(errors, loss):
    network = errors.trained["controlnet"]
    network.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


def test_weighting_by_score_is_what_the_formula_says(tree):
    """With scores 5 and 0 the loser weighs nothing: at the reference the gradient is beta/2 * sigmoid(0) of the winner's."""
    errors, _ = errors_of(tree)
    pool = Cohort.open([tree / "pool"])
    chosen = find_pairs([pair(2, text=(5, 0), mask=(5, 0)), pair(0, text=(4, 2))], pool, "pairs")
    scores = chosen.winner_scores, chosen.loser_scores

    def above():
        return errors(chosen, np.arange(2), batch_noise(1, "t", 0))

    for weighting, expected in (
        ("none", lambda w, o: 1000 / 4 * (w[0] - o[0] + w[1] - o[1])),
        ("score", lambda w, o: 1000 / 4 * (w[0] + 4 / 5 * w[1] - 2 / 5 * o[1])),
    ):
        found = gradient(errors, preference_loss(insides(*above(), *scores, 1000.0, weighting), orders(*scores)).sum())
        wanted = gradient(errors, expected(*above()))
        assert wanted.abs().max() > 0 and torch.allclose(
            found, wanted, rtol=1e-3, atol=1e-5 * float(wanted.abs().max())
        )


def test_the_command_takes_the_weighting(tree):
    monitors = {name: tune(tree, name, weighting=name)[1] for name in ("none", "score")}
    assert monitors["none"]["loss"][1] == pytest.approx(monitors["score"]["loss"][1])  # both log 2
    # The same clipped first step moves the margin of the held-out pairs by their scores' share.
    assert not np.allclose(monitors["none"]["margin"][1:], monitors["score"]["margin"][1:])


def test_a_pairs_weight_is_its_share_of_the_loss(tree):
    write_pairs(tree / "light.jsonl", [{**one, "weight": 0.25} for one in TRAIN])
    monitor = tune(tree, "light", train="light")[1]
    assert monitor["loss"][1] == pytest.approx(math.log(2) / 4, abs=1e-6)


def test_a_training_that_does_not_improve_stops_and_publishes_its_start(tree, monkeypatch, capsys):
    monkeypatch.setattr(preference_training, "accuracies", lambda inside, _: torch.full((len(inside),), 0.5))
    folder, monitor = tune(tree, "stopped", steps=9, patience=2)
    assert monitor["step"].tolist() == [0, 1, 2] and "2 checks without a better accuracy" in capsys.readouterr().err
    before, after = open_generator(tree / "generators" / "controlnet"), open_generator(folder)
    assert not changed(before.controlnet, after.controlnet)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"condition_id": "f" * 16}, r"pool has no image f{16}, sample 0; give all shards"),
        ({"winner": {"sample": 7, "text": 5, "mask": None}}, "has no image 0{16}, sample 7"),
        ({"winner": {"sample": 0, "text": 1, "mask": None}}, "winner and loser tie in every aspect"),
        ({"loser": {"sample": 1, "text": None, "mask": 0}}, "winner and loser tie in every aspect"),
    ],
)
def test_pairs_that_the_pool_cannot_serve_are_named(tree, change, complaint):
    write_pairs(tree / "wrong.jsonl", [TRAIN[1], {**pair(0, text=(5, 1)), **change}])
    with pytest.raises(InputError, match=rf"wrong.jsonl:2: .*{complaint}"):
        train_dpo.main(command(tree, "wrong", train="wrong"))


BAD = [
    *(b"\xff\xfe", b"", b"null", b'"text"'),
    *(
        json.dumps({**TRAIN[0], "winner": {"sample": s, "text": 5, "mask": None}}).encode()
        for s in ("0", 0.0, True, [0])
    ),
    json.dumps({**TRAIN[0], "loser": TRAIN[0]["winner"]}).encode(),
    *(json.dumps({**TRAIN[0], "weight": w}).encode() for w in (float("nan"), float("inf"), -1, "1", None)),
    json.dumps(TRAIN[0]).encode()[:-9],
]


@pytest.mark.parametrize("line", BAD, ids=range(len(BAD)))
def test_a_broken_line_is_named(tmp_path, line):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(json.dumps(TRAIN[0]).encode() + b"\n" + line + b"\n")
    with pytest.raises(InputError, match=r"pairs.jsonl:2: not a pair"):
        read_pairs(path)


def test_texts_of_all_languages_come_back(tmp_path):
    odd = {**TRAIN[0], "prompt": "Épanchement\u2028 \u0085 \x1e 胸"}
    write_pairs(tmp_path / "pairs.jsonl", [odd, TRAIN[1]])
    assert read_pairs(tmp_path / "pairs.jsonl") == [odd, TRAIN[1]]


@pytest.mark.parametrize("rated", [0, 1, 2])
def test_without_pairs_one_line_says_what_to_do(tree, tmp_path, monkeypatch, capsys, rated):
    """All scores tie: nothing to learn from. One set alone: nothing is left to choose by; two: nothing to report on."""
    outs = {name: tree / f"{tmp_path.name}-{name}.jsonl" for name in ("train", "heldout", "report")}
    common = study(tmp_path, lambda r, k, i: i if k < rated else 3)
    files = [word for name, path in outs.items() for word in (f"--out-{name}", str(path))]
    build_preferences.main([*common, "--config", json.dumps(RULE), *files])
    empty = list(outs.values())[rated]
    assert [len(read_pairs(path)) for path in outs.values()] == [6] * rated + [0] * (3 - rated)
    for path, pairs in zip(
        list(outs.values())[:rated], (TRAIN, HELD)
    ):  # sets of the toy study are not those of the pool
        write_pairs(path, pairs)
    arguments = command(tree, "empty", train=outs["train"].stem, held=outs["heldout"].stem)
    arguments[arguments.index("--report") + 1] = str(outs["report"])
    monkeypatch.setattr("sys.argv", ["train_dpo"])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        run(lambda: train_dpo.main(arguments))
    said = capsys.readouterr().err
    assert ended.value.code == 1 and said.count("\n") == 1 and not (tree / "generators" / "empty").exists()
    assert f"train_dpo: error: {empty}: no pairs" in said and "rate more sets (make rate)" in said
