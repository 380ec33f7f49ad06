"""Folders that diffusers opens, fingerprints that see every change, and weights that are refused with one line."""

from __future__ import annotations

import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from scripts import train_base, train_controlnet
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.generators.controlled.generator import open_generator
from scripts.lib.generators.controlled.layout import base_notes, fingerprint_of, read_notes
from tests.helpers.diffusion_models import BASE, CONTROL, STRUCTURES, write_base, write_cohort


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A tree with a trained tiny base and two ControlNets: one on that base, one on a base from elsewhere."""
    root = tmp_path_factory.mktemp("tree with a blank")
    cohort = str(write_cohort(root / "cohort"))
    base = ["--cohorts", cohort, "--config", json.dumps(BASE), "--resolution", "32", "--seed", "1"]
    train_base.main([*base, "--checkpoint-dir", str(root / "check"), "--out", str(root / "generators" / "base")])
    write_base(root / "elsewhere" / "sd", image_channels=3, text_width=24, length=12)
    for name, path in (("own", "generators/base"), ("foreign", "elsewhere/sd")):
        rest = ["--checkpoint-dir", str(root / "check"), "--out", str(root / "generators" / name), "--seed", "1"]
        control = ["--cohort", cohort, "--config", json.dumps(CONTROL)]
        train_controlnet.main(["--base", str(root / path), *control, *rest])
    return root


def broken(tree, tmp_path, part="unet"):
    """Copy the foundation model without its notes and return (folder, weights file of a part)."""
    folder = tmp_path / "broken"
    shutil.copytree(tree / "generators" / "base", folder)
    (folder / "synthorax.json").unlink()
    return folder, next((folder / part).glob("*.safetensors"))


def test_base_opens_as_a_stable_diffusion_pipeline(tree):
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(tree / "generators" / "base")
    pipe.set_progress_bar_config(disable=True)
    image = pipe("pneumonia", num_inference_steps=2, height=32, width=32, output_type="np").images
    assert image.shape == (1, 32, 32, 1)
    notes = read_notes(tree / "generators" / "base")
    assert notes["resolution"] == 32 and notes["fingerprint"] == fingerprint_of(notes["files"])
    assert not (tree / "check").exists()


def test_latents_of_the_base_have_deviation_one(tree):
    from scripts.lib.generators.controlled.autoencoder import encode_images, sample_latents

    generator = open_generator(tree / "generators" / "base")
    cohort = Cohort.open(tree / "cohort")
    moments = encode_images(generator.vae, cohort.images(slice(None)))
    drawn = sample_latents(moments, torch.Generator().manual_seed(0), generator.vae.config.scaling_factor)
    assert drawn.std().item() == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("name", ["own", "foreign"])
def test_generator_refers_to_its_base_and_opens_in_diffusers(tree, name):
    from diffusers import StableDiffusionControlNetPipeline

    folder = tree / "generators" / name
    links = {part.name: part.readlink() for part in folder.iterdir() if part.is_symlink()}
    assert set(links) == {"vae", "unet", "text_encoder", "tokenizer", "scheduler"}
    assert all(link.is_absolute() == (name == "foreign") for link in links.values())
    pipe = StableDiffusionControlNetPipeline.from_pretrained(folder, safety_checker=None)
    assert pipe.controlnet.config.cross_attention_dim == pipe.text_encoder.config.hidden_size
    notes = read_notes(folder)
    assert notes["structures"] == STRUCTURES and notes["absent_mask"] == "zero_residual"
    assert notes["base"]["fingerprint"] == base_notes(folder / "unet" / "..")["fingerprint"]
    generator = open_generator(folder)
    assert generator.resolution == 32 and generator.factor == 2 and generator.controlnet is not None


def test_relative_links_survive_a_move_of_the_tree(tree, tmp_path):
    shutil.copytree(tree / "generators", tmp_path / "moved", symlinks=True)
    assert (
        open_generator(tmp_path / "moved" / "own").fingerprint
        == open_generator(tree / "generators" / "own").fingerprint
    )


def test_training_the_base_leaves_it_untouched_and_moves_the_controlnet(tree):
    base = open_generator(tree / "generators" / "base")
    own = open_generator(tree / "generators" / "own")
    assert all(torch.equal(a, b) for a, b in zip(base.unet.parameters(), own.unet.parameters()))
    assert any(block.weight.abs().sum() > 0 for block in own.controlnet.controlnet_down_blocks)
    assert own.fingerprint != base.fingerprint


def test_a_pickle_under_a_safetensors_name_is_refused(tree, tmp_path):
    folder, file = broken(tree, tmp_path)
    file.write_bytes(pickle.dumps({"weight": 1}))
    with pytest.raises(InputError, match="not a safetensors file") as caught:
        open_generator(folder)
    assert "\n" not in str(caught.value) and file.name in str(caught.value)


def test_pickled_weights_alone_are_refused(tree, tmp_path):
    folder, file = broken(tree, tmp_path, "vae")
    file.rename(file.with_suffix(".bin"))
    with pytest.raises(InputError, match="only pickled weights"):
        open_generator(folder)


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("missing", "missing"),
        ("shape", "of another shape"),
        ("nan", "holds NaN"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tree, tmp_path, part, fault, message):
    folder, file = broken(tree, tmp_path, part)
    tensors = load_file(file)
    name = sorted(key for key in tensors if tensors[key].ndim > 1)[0]
    if fault == "missing":
        del tensors[name]
    elif fault == "shape":
        tensors[name] = torch.zeros(3, 3)
    else:
        tensors[name][0] = float("nan")
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=message) as caught:
        open_generator(folder)
    assert "\n" not in str(caught.value)


def test_missing_parts_and_foreign_classes_are_refused(tree, tmp_path):
    folder, _ = broken(tree, tmp_path)
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "vae": ["diffusers", "AutoencoderTiny"]}))
    with pytest.raises(InputError, match="AutoencoderTiny"):
        open_generator(folder)
    (folder / "model_index.json").write_text(json.dumps(index))
    shutil.rmtree(folder / "tokenizer")
    with pytest.raises(InputError, match="no folder tokenizer/"):
        open_generator(folder)
    with pytest.raises(InputError, match="no such file"):
        open_generator(tmp_path)


def test_fingerprint_sees_weights_and_is_checked_on_opening(tree, tmp_path):
    folder = tmp_path / "base"
    shutil.copytree(tree / "generators" / "base", folder)
    before = open_generator(folder).fingerprint
    file = next((folder / "unet").glob("*.safetensors"))
    tensors = load_file(file)
    save_file({name: tensor + 1 for name, tensor in tensors.items()}, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match="not the file that"):
        open_generator(folder)
    (folder / "synthorax.json").unlink()
    assert open_generator(folder).fingerprint != before


def test_films_of_the_trials_are_never_learned_from():
    import pandas as pd

    from scripts.lib.training.films import foundation_rows

    both = pd.DataFrame({"split": ["train", "generator", "test", "generator"]})
    assert foundation_rows(both).tolist() == [1, 3]
    assert foundation_rows(both.replace("generator", "validate")).tolist() == [0]
    assert foundation_rows(both[both["split"] == "test"]).tolist() == []


def test_cohorts_that_cannot_teach_are_refused(tree, tmp_path):
    out = ["--seed", "1", "--checkpoint-dir", str(tmp_path / "check"), "--out", str(tmp_path / "out")]
    base = ["--cohorts", str(tree / "cohort"), "--config", json.dumps(BASE), *out]
    with pytest.raises(InputError, match="32 pixels, expected the study's 64"):
        train_base.main([*base, "--resolution", "64"])
    other = write_cohort(tmp_path / "test", split="test")
    with pytest.raises(InputError, match="no row of split generator or train"):
        train_base.main([*base[:1], str(other), *base[2:], "--resolution", "32"])
    control = [
        "--base",
        str(tree / "generators" / "base"),
        "--cohort",
        str(other),
        "--config",
        json.dumps(CONTROL),
        *out,
    ]
    with pytest.raises(InputError, match="no row of split generator"):
        train_controlnet.main(control)
    wrong = json.dumps({**CONTROL, "hint_channels": [4, 8, 8]})
    with pytest.raises(InputError, match="give log2"):
        train_controlnet.main([*control[:3], str(tree / "cohort"), "--config", wrong, *out])
    assert not (tmp_path / "out").exists()


def test_a_killed_base_ends_with_the_same_bytes(tree, tmp_path, monkeypatch):
    """Stop in its second stage, as a kill between two checkpoints would, and run the command again."""
    from scripts.lib.training.loop import Trainer

    rest = ["--checkpoint-dir", str(tmp_path / "check"), "--out", str(tmp_path / "generators" / "base"), "--seed", "1"]
    call = ["--cohorts", str(tree / "cohort"), "--config", json.dumps(BASE), "--resolution", "32", *rest]
    stepped, steps = Trainer._step, []

    def stop_at_nine(self, step, *others):
        steps.append(step)
        if len(steps) == 9:
            raise KeyboardInterrupt
        return stepped(self, step, *others)

    monkeypatch.setattr(Trainer, "_step", stop_at_nine)
    with pytest.raises(KeyboardInterrupt):
        train_base.main(call)
    monkeypatch.setattr(Trainer, "_step", stepped)
    assert not (tmp_path / "generators" / "base").exists()
    train_base.main(call)
    made, whole = tmp_path / "generators" / "base", tree / "generators" / "base"
    assert read_notes(made)["fingerprint"] == read_notes(whole)["fingerprint"]


@pytest.mark.filterwarnings("ignore:.*tokens and are cut:UserWarning")  # the toy has eight
def test_a_controlnet_learns_from_the_words_of_its_masks(tree, monkeypatch):
    from scripts.lib.conditions import mask_words

    call = [
        "--base",
        str(tree / "generators" / "base"),
        "--cohort",
        str(tree / "cohort"),
        "--config",
        json.dumps(CONTROL),
    ]
    call += ["--seed", "1", "--checkpoint-dir", str(tree / "check")]
    weights = []
    for name, words in (("told", None), ("twice", None), ("otherwise", "edema")):
        if words:
            monkeypatch.setattr(mask_words, "mask_words", lambda cohort, rows: ["edema"] * len(rows))
        train_controlnet.main([*call, "--words", "--out", str(tree / "generators" / name)])
        weights.append(load_file(next((tree / "generators" / name / "controlnet").glob("*.safetensors"))))
    told, twice, otherwise = weights
    assert all(torch.equal(told[key], twice[key]) for key in told)
    assert any(not torch.equal(told[key], otherwise[key]) for key in told)
