"""The class-conditional latent diffusion model: its classes, its training, its folder, and what its sampler is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from scripts import sample_pool, train_class_ldm
from scripts.lib.cohort.learned import read_learned
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.generators.conditional import training
from scripts.lib.generators.conditional.classes import check_classes, class_names, film_classes, requested_class
from scripts.lib.generators.conditional.folder import open_model
from scripts.lib.generators.conditional.networks import autoencoder_form, build_autoencoder, encode, unet_form
from scripts.lib.generators.conditional.sampling import ClassModel
from scripts.lib.generators.kinds import open_kind
from scripts.lib.generators.protocol import ImageRequest
from scripts.lib.generators.shards import make_batch
from scripts.lib.generators.solving import Sampler
from scripts.lib.training.settings import Section
from tests.helpers.class_models import AUTOENCODER, LABEL, MODEL, UNET, train, write_films
from tests.helpers.diffusion_models import SAMPLING


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of which one has no label, and the model that the command trained on them."""
    root = tmp_path_factory.mktemp("class-ldm")
    write_films(root / "films", [1, 1, 0, 1, None, 0, 1])
    train(root, "model")
    return root


def requests(*classes: int, sample: int = 0) -> list[ImageRequest]:
    return [ImageRequest("c", sample + place, None, None, {LABEL: number}) for place, number in enumerate(classes)]


def sampler(folder: Path, **changes: Any) -> Sampler:
    settings = Section({**SAMPLING, **changes}, "sampling")
    return Sampler(open_kind(folder)([], settings), settings, 5)


def test_a_film_has_the_class_of_its_only_finding():
    names = class_names(["edema", "pneumonia"])
    assert names == ["normal", "edema", "pneumonia"] and class_names("pneumonia") == ["normal", "pneumonia"]
    index = pd.DataFrame({"edema": [0, 1, 0, 1, None, 0], "pneumonia": [0, 0, 1, 1, 1, None]}).astype("Int8")
    assert film_classes(index, names).tolist() == [0, 1, 2, -1, -1, -1]


def test_a_class_without_films_is_named():
    with pytest.raises(InputError, match="here: 1 films of class normal, expected at least 2"):
        check_classes(np.array([0, 1, 1]), ["normal", "pneumonia"], "here")


@pytest.mark.parametrize(
    ("labels", "words"),
    [({"edema": 1}, "asks for edema; the generator knows"), ({"a": 1, "b": 1}, "asks for a, b at once")],
)
def test_what_is_no_class_is_refused(labels: dict[str, int], words: str):
    with pytest.raises(InputError, match=words):
        requested_class(labels, ["normal", "a", "b"])


def test_labels_that_are_not_asked_for_make_a_normal_film():
    assert (
        requested_class({"a": 0, "other": 0}, ["normal", "a"]) == 0 and requested_class({"a": 1}, ["normal", "a"]) == 1
    )


def test_the_folder_says_all_that_is_needed_to_open_it(world: Path):
    notes, autoencoder, unet = open_model(world / "model")
    assert notes["kind"] == "class-ldm" and notes["classes"] == ["normal", LABEL] and notes["resolution"] == 32
    assert notes["unet"]["num_class_embeds"] == 3  # two classes and the null
    assert unet.class_embedding.weight.shape == (3, 32) and not autoencoder.training and not unet.training
    assert sorted(path.name for path in (world / "model").iterdir()) == [
        "autoencoder.safetensors", "learned_from.parquet", "synthorax.json", "unet.safetensors",
    ]  # fmt: skip


def test_only_films_with_a_class_of_the_generators_split_are_listed(world: Path):
    learned = read_learned(world / "model")
    assert learned is not None and set(learned["role"]) == {"class-ldm"} and set(learned["dataset"]) == {"kids"}
    assert sorted(learned["image_id"]) == ["film0", "film1", "film2", "film3", "film5", "film6"]


def test_a_killed_training_ends_with_the_same_bytes(world: Path, monkeypatch: pytest.MonkeyPatch):
    """The first run ends in its second step; the next one takes the checkpoint of the first step and makes one more."""
    steps: list[int] = []
    made = training.Trainer._step

    def step(self: training.Trainer, number: int, *rest: Any) -> float:
        steps.append(number)
        if steps == [0, 1]:
            raise KeyboardInterrupt
        return made(self, number, *rest)

    monkeypatch.setattr(training.Trainer, "_step", step)
    with pytest.raises(KeyboardInterrupt):
        train(world, "again")
    train(world, "again")
    assert steps == [0, 1, 1]
    for file in ("autoencoder.safetensors", "unet.safetensors", "synthorax.json"):
        assert (world / "again" / file).read_bytes() == (world / "model" / file).read_bytes(), file


def test_a_cohort_without_the_label_or_the_split_is_refused(world: Path):
    call = ["--autoencoder", str(world / "coder"), "--cohort", str(world / "films"), "--target", "edema"]
    call += ["--config", json.dumps(MODEL), "--seed", "3"]
    with pytest.raises(InputError, match="no label edema, which is a class; it has pneumonia"):
        train_class_ldm.main([*call, "--checkpoint-dir", str(world / "c"), "--out", str(world / "none")])
    write_films(world / "empty" / "films", [])
    with pytest.raises(InputError, match=r"no row of split generator; set the dataset's split\.generator"):
        train(world / "empty", "none")


def test_images_follow_identity_and_class_whatever_the_batch(world: Path):
    together = make_batch(sampler(world / "model"), requests(0, 1, 0, 1, 1, 0))
    assert together.shape == (6, 32, 32) and together.dtype == np.uint8
    alone = make_batch(sampler(world / "model"), requests(1, sample=3))
    assert (alone[0] == together[3]).all() and not (together[0] == together[2]).all()


def test_guidance_leads_from_the_null_class_to_the_class(world: Path):
    """A U-Net whose answer is the number of its class: guided by w it answers null + w (class - null)."""
    model = sampler(world / "model").model
    assert isinstance(model, ClassModel)
    asked = requests(0, 1)
    shown = model.condition(asked)
    assert shown["class"].tolist() == [0, 1] and model.null(asked, shown)["class"].tolist() == [2, 2]
    seen: list[list[int]] = []

    def answer(latents: torch.Tensor, steps: torch.Tensor, class_labels: torch.Tensor) -> torch.Tensor:
        seen.append(class_labels.tolist())
        return torch.zeros_like(latents)

    settings = Section({**SAMPLING, "guidance": 3.0, "micro_batch": 2, "steps": 2}, "sampling")
    model.unet = answer
    Sampler(model, settings, 5).images(asked)
    assert seen == [[2, 2, 0, 1]] * 2


def test_texts_and_unknown_classes_are_refused(world: Path):
    model = sampler(world / "model").model
    with pytest.raises(InputError, match="texts or masks, but the generator follows classes alone"):
        model.condition([ImageRequest("c", 0, "pneumonia", None)])
    with pytest.raises(InputError, match="asks for edema"):
        model.condition([ImageRequest("c", 0, None, None, {"edema": 1})])


def test_the_command_samples_a_pool_of_classes(world: Path):
    table = pd.DataFrame({"condition_id": [f"{number % 2:016x}" for number in range(5)], "position": range(5)})
    table = table.assign(trial=0, sample=range(5), kind="class", prompt=None, mask_source=None, transform=None)
    table[LABEL] = pd.array([number % 2 for number in range(5)], dtype="Int8")
    table.astype(dict.fromkeys(("prompt", "mask_source", "transform"), "string")).to_parquet(world / "c.parquet")
    call = [
        "--generator",
        str(world / "model"),
        "--conditions",
        str(world / "c.parquet"),
        "--cohort",
        str(world / "films"),
    ]
    call += ["--config", json.dumps(SAMPLING), "--seed", "5", "--checkpoint-dir", str(world / "parts")]
    sample_pool.main([*call, "--out", str(world / "pool")])
    pool = Cohort.open(world / "pool")
    assert pool.index[LABEL].tolist() == [0, 1, 0, 1, 0] and pool.index["kind"].eq("class").all()
    assert pool.meta["generator"] == sampler(world / "model").model.fingerprint


def test_moments_are_those_of_the_posterior():
    """MONAI gives mean and deviation; half of our log-variance is the logarithm of that deviation."""
    torch.manual_seed(0)
    network = build_autoencoder(autoencoder_form(Section(AUTOENCODER, "autoencoder"), 32)).eval()
    images = torch.rand(2, 1, 32, 32) * 2 - 1
    with torch.no_grad():
        mean, logvar = encode(network, images).chunk(2, dim=1)
        theirs = network.encode(images)
    assert torch.equal(mean, theirs[0]) and torch.allclose((logvar / 2).exp(), theirs[1], rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "resolution", "words"),
    [
        ({"channels": [4, 8, 8, 8, 8]}, 32, r"5 levels make latents of 2 pixels from films of 32"),
        ({"channels": [4, 8, 8]}, 30, r"3 levels make latents of 7\.5 pixels"),
        ({"channels": [4, 9]}, 32, r"norm_groups = 2: does not divide every width of channels = \[4, 9\]"),
    ],
)
def test_an_autoencoder_that_does_not_fit_is_refused(changes: dict[str, Any], resolution: int, words: str):
    with pytest.raises(InputError, match=words):
        autoencoder_form(Section({**AUTOENCODER, **changes}, "class_ldm.autoencoder"), resolution)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"attention": [True]}, "expected true or false for each of the 2 levels"),
        ({"channels": [8, 16, 16, 16, 16, 16]}, "6 levels do not divide latents of side 16"),
        ({"heads": 3}, "heads = 3: does not divide"),
    ],
)
def test_a_unet_that_does_not_fit_is_refused(changes: dict[str, Any], words: str):
    with pytest.raises(InputError, match=words):
        unet_form(Section({**UNET, **changes}, "class_ldm.unet"), 2, 16, 2)


def test_weights_of_another_form_are_named(world: Path, tmp_path: Path):
    for file in (world / "model").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    notes = json.loads((tmp_path / "synthorax.json").read_text())
    notes["unet"]["num_class_embeds"] = 4
    (tmp_path / "synthorax.json").write_text(json.dumps(notes))
    with pytest.raises(InputError, match=r"unet\.safetensors: not the weights of .*class_embedding"):
        open_model(tmp_path)
    notes["unet"]["width"] = 4
    (tmp_path / "synthorax.json").write_text(json.dumps(notes))
    with pytest.raises(InputError, match=r"synthorax\.json: unet: .*width"):
        open_model(tmp_path)
    weights = load_file(tmp_path / "unet.safetensors")
    save_file({name: weights[name] * 0 for name in weights}, tmp_path / "unet.safetensors")
    with pytest.raises(InputError, match="not the file that .* was made with"):
        open_model(tmp_path)
