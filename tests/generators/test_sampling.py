"""One identity, one image: byte for byte over shards, order, neighbours, batch sizes and restarts; and diffusers' own."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from scripts import sample_pool, train_controlnet
from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.conditions.masks import render
from scripts.lib.core.errors import InputError
from scripts.lib.generators.controlled.sampling import ControlledModel
from scripts.lib.generators.protocol import ImageRequest
from scripts.lib.generators.shards import make_batch
from scripts.lib.generators.solvers import SOLVERS, make_solver
from scripts.lib.generators.solving import Sampler, initial_noise
from scripts.lib.training.settings import Section
from tests.helpers.diffusion_models import (
    CONTROL,
    SAMPLING,
    STRUCTURES,
    conditions_table,
    random_generator,
    write_base,
    write_cohort,
)

# The toys' tokenizer has eight places: it cuts nearly every text, and the command says so.
pytestmark = [
    pytest.mark.early,
    pytest.mark.filterwarnings("ignore:.* texts have more than 8 tokens:UserWarning"),
]


COUNT = 13  # one batch of 8 and a part of another; each kind makes full micro-batches of 4 and a rest


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A cohort, a base, a ControlNet trained with a large step so that masks matter, and a conditions table."""
    root = tmp_path_factory.mktemp("world")
    write_cohort(root / "cohort")
    write_base(root / "base")
    control = json.dumps({**CONTROL, "learning_rate": 0.05, "ema": 0.0})
    train = ["--base", str(root / "base"), "--cohort", str(root / "cohort"), "--config", control, "--seed", "1"]
    train_controlnet.main([*train, "--checkpoint-dir", str(root / "check"), "--out", str(root / "generator")])
    conditions_table(COUNT).to_parquet(root / "conditions.parquet", index=False)
    return root


def sample(world: Path, out: Path, table: pd.DataFrame | None = None, shard: str = "0/1", **changes) -> Cohort:
    """Run sample_pool and open its shard."""
    path = world / "conditions.parquet"
    if table is not None:
        path = out.parent / "conditions.parquet"
        table.to_parquet(path, index=False)
    number, shards = shard.split("/")
    call = ["--generator", str(world / "generator"), "--conditions", str(path), "--cohort", str(world / "cohort")]
    config = json.dumps({**SAMPLING, **changes})
    rest = ["--checkpoint-dir", str(out.parent / "parts"), "--out", str(out), "--shard", number, "--shards", shards]
    sample_pool.main([*call, "--config", config, "--seed", "5", *rest])
    return Cohort.open(out)


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory):
    return sample(world, tmp_path_factory.mktemp("whole") / "pool")


def by_name(pool: Cohort) -> dict[str, bytes]:
    return {name: image.tobytes() for name, image in zip(pool.index["image_id"], pool.images(slice(None)))}


def test_pool_is_in_the_order_of_its_conditions_with_their_masks(world, whole):
    table = pd.read_parquet(world / "conditions.parquet")
    cohort = Cohort.open(world / "cohort")
    assert whole.index["image_id"].tolist() == [f"{c}-{s}" for c, s in zip(table["condition_id"], table["sample"])]
    assert (whole.index["patient_id"] == whole.index["image_id"]).all() and whole.index["synthetic"].all()
    for column in ("condition_id", "sample", "trial", "position", "kind"):
        assert whole.index[column].tolist() == table[column].tolist()
    assert (whole.index["split"] == "train").all() and (whole.index["pneumothorax"] == 1).all()
    assert whole.index["report"].isna().tolist() == (table["kind"] == "mask").tolist()
    for row, line in table.iterrows():
        if line["kind"] == "text":
            expected = np.zeros((32, 32), np.uint8)
            assert pd.isna(whole.index["mask_sha256"][row])
        else:
            field = cohort.masks(cohort.rows(image_id=line["mask_source"]))[0]
            expected = render(field, STRUCTURES, json.loads(line["transform"]))
            assert whole.index["mask_sha256"][row] == pixels_sha256(expected)
        assert (whole.masks([row])[0] == expected).all()
    images = whole.images(slice(None))
    assert whole.index["sha256"].tolist() == [pixels_sha256(image) for image in images]
    assert images.std() > 0 and len(set(by_name(whole).values())) == len(images)
    assert not list(Path(world).rglob("*.part"))


def test_pixels_do_not_depend_on_shards(world, whole, tmp_path):
    shards = [tmp_path / f"shard-{number}" for number in range(3)]
    for number, out in enumerate(shards):
        sample(world, out, shard=f"{number}/3")
    together = Cohort.open(shards)
    assert (together.images(slice(None)) == whole.images(slice(None))).all()
    assert together.index.equals(whole.index)


@pytest.mark.parametrize("batch", [3, 100])
def test_pixels_do_not_depend_on_how_often_images_are_stored(world, whole, tmp_path, batch):
    other = sample(world, tmp_path / "pool", save_every=batch)
    assert (tmp_path / "pool" / "images.npy").read_bytes() == (whole.folders[0] / "images.npy").read_bytes()
    assert other.index.equals(whole.index)


def test_pixels_do_not_depend_on_order_and_neighbours(world, whole, tmp_path):
    table = pd.read_parquet(world / "conditions.parquet")
    shuffled = sample(world, tmp_path / "pool", table.sample(frac=1, random_state=3))
    assert by_name(shuffled) == by_name(whole)
    few = sample(world, tmp_path / "pool", table.iloc[[3, 8, 11]])
    assert by_name(few).items() <= by_name(whole).items()


def test_a_killed_shard_goes_on_and_ends_with_the_same_bytes(world, whole, tmp_path, monkeypatch):
    stock, made = Sampler.images, []

    def killed(self, requests):
        made.append(len(requests))
        if len(made) == 5:
            raise KeyboardInterrupt
        return stock(self, requests)

    monkeypatch.setattr(Sampler, "images", killed)
    with pytest.raises(KeyboardInterrupt):
        sample(world, tmp_path / "pool")
    assert not (tmp_path / "pool" / "images.npy").exists()
    assert len(list((tmp_path / "parts").rglob("*.npy"))) == 1
    done = list(made)
    monkeypatch.setattr(Sampler, "images", lambda self, r: made.append(len(r)) or stock(self, r))
    sample(world, tmp_path / "pool")
    for name in ("images.npy", "masks.npy"):
        assert (tmp_path / "pool" / name).read_bytes() == (whole.folders[0] / name).read_bytes()
    assert Cohort.open(tmp_path / "pool").index.equals(whole.index)
    assert sum(made[len(done) :]) == COUNT - 8  # the first part of 8 rows was not made again
    assert not (tmp_path / "parts").exists()


def test_noise_belongs_to_the_identity():
    one = ImageRequest("a", 0, None, None)
    noise = initial_noise(1, "g", one, (2, 3, 3))
    assert torch.equal(noise, initial_noise(1, "g", ImageRequest("a", 0, "text", None), (2, 3, 3)))
    for other in (initial_noise(2, "g", one, (2, 3, 3)), initial_noise(1, "h", one, (2, 3, 3))):
        assert not torch.equal(noise, other)
    for request in (ImageRequest("a", 1, None, None), ImageRequest("b", 0, None, None)):
        assert not torch.equal(noise, initial_noise(1, "g", request, (2, 3, 3)))


def requests_of(kind: str, count: int = 3) -> list[ImageRequest]:
    bits = np.zeros((32, 32), np.uint8)
    bits[4:28, 4:14], bits[4:8, 4:10] = 1, 5
    prompt = None if kind == "mask" else "pneumonia"
    return [ImageRequest("c", number, prompt, None if kind == "text" else bits) for number in range(count)]


@pytest.mark.parametrize("kind", ["text", "mask", "both"])
@pytest.mark.parametrize("negative", ["zero", "empty"])
def test_images_equal_those_of_the_stock_pipeline(world, tmp_path, kind, negative):
    from diffusers import StableDiffusionControlNetPipeline

    settings = Section({**SAMPLING, "negative_text": negative, "steps": 5}, "sampling")
    generator = random_generator(world / "base")
    pipe = StableDiffusionControlNetPipeline.from_pretrained(
        world / "generator", controlnet=generator.controlnet, safety_checker=None
    )
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = make_solver(generator.scheduler_config, settings)
    requests = requests_of(kind)
    none = torch.zeros(3, 8, 16)
    tokens = pipe.tokenizer(["pneumonia", ""], padding="max_length", max_length=8, return_tensors="pt").input_ids
    with torch.no_grad():
        word, empty = pipe.text_encoder(tokens)[0]
    from scripts.lib.generators.controlled.hints import HintPainter

    bits = requests[0].bits if requests[0].bits is not None else np.zeros((32, 32), np.uint8)
    hints = HintPainter(STRUCTURES, "colour")(np.stack([bits] * 3), 32)
    expected = pipe(
        image=hints,
        latents=torch.stack([initial_noise(5, generator.fingerprint, request, (4, 16, 16)) for request in requests]),
        prompt_embeds=none if kind == "mask" else word.expand(3, -1, -1),
        negative_prompt_embeds=empty.expand(3, -1, -1) if negative == "empty" and kind != "mask" else none,
        num_inference_steps=5,
        guidance_scale=2.0,
        controlnet_conditioning_scale=0.0 if kind == "text" else 1.0,
        output_type="np",
    ).images[..., 0]
    made = Sampler(ControlledModel(generator, STRUCTURES, settings), settings, 5).images(requests)
    # The stock pipeline pads nothing, so low bits differ and a value may round to its neighbour.
    assert np.abs(made.astype(float) - expected * 255).max() < 0.51
    assert made.std() > 1


def test_masks_and_words_change_the_image(world):
    settings = Section(SAMPLING, "sampling")
    sampler = Sampler(ControlledModel(random_generator(world / "base"), STRUCTURES, settings), settings, 5)
    kinds = {kind: sampler.images(requests_of(kind, 1))[0].tobytes() for kind in ("text", "mask", "both")}
    assert len(set(kinds.values())) == 3


def test_a_batch_of_mixed_kinds_keeps_its_order(world):
    settings = Section({**SAMPLING, "micro_batch": 2}, "sampling")
    sampler = Sampler(ControlledModel(random_generator(world / "base"), STRUCTURES, settings), settings, 5)
    requests = [requests_of(kind, 1)[0] for kind in ("both", "text", "mask", "text")]
    requests[3] = ImageRequest("other", 0, "normal", None)
    mixed = make_batch(sampler, requests)
    for request, image in zip(requests, mixed):
        assert (sampler.images([request])[0] == image).all()


def test_black_image_is_another_meaning_of_an_absent_mask(world):
    settings = Section(SAMPLING, "sampling")
    silent = Sampler(ControlledModel(random_generator(world / "base"), STRUCTURES, settings), settings, 5)
    generator = random_generator(world / "base")
    generator.notes["absent_mask"] = "black_image"
    black = Sampler(ControlledModel(generator, STRUCTURES, settings), settings, 5)
    text = requests_of("text", 1)
    assert (silent.images(text) != black.images(text)).any()


def test_a_foundation_of_stable_diffusion_shape_samples_at_another_resolution(world, tmp_path):
    base = write_base(tmp_path / "sd", image_channels=3, text_width=24, length=12)
    cohort = write_cohort(tmp_path / "cohort", side=64)
    table = conditions_table(3, ("text",))
    table.to_parquet(tmp_path / "conditions.parquet", index=False)
    call = ["--generator", str(base), "--conditions", str(tmp_path / "conditions.parquet"), "--cohort", str(cohort)]
    rest = ["--seed", "1", "--checkpoint-dir", str(tmp_path / "parts"), "--out", str(tmp_path / "pool")]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        sample_pool.main([*call, "--config", json.dumps({**SAMPLING, "solver": "unipc"}), *rest])
    assert Cohort.open(tmp_path / "pool").images([0]).shape == (1, 64, 64)
    conditions_table(3, ("mask",)).to_parquet(tmp_path / "conditions.parquet", index=False)
    with pytest.raises(InputError, match="no ControlNet"):
        sample_pool.main([*call, "--config", json.dumps(SAMPLING), *rest])


def test_images_that_are_not_finite_are_named(world):
    generator = random_generator(world / "base")
    with torch.no_grad():
        generator.vae.decoder.conv_out.bias.fill_(float("nan"))
    settings = Section(SAMPLING, "sampling")
    with pytest.raises(InputError, match=r"3 images are not finite, e\.g\. c-0"):
        Sampler(ControlledModel(generator, STRUCTURES, settings), settings, 5).images(requests_of("text"))


def test_too_little_device_memory_halves_the_micro_batch(world, monkeypatch, capsys):
    settings = Section(SAMPLING, "sampling")
    sampler = Sampler(ControlledModel(random_generator(world / "base"), STRUCTURES, settings), settings, 5)
    whole, stock = sampler.images(requests_of("text", 4)), Sampler.micro

    def small(self, requests):
        if self.micro_batch > 2:
            raise torch.OutOfMemoryError("no memory")
        return stock(self, requests)

    monkeypatch.setattr(Sampler, "micro", small)
    made = sampler.images(requests_of("text", 4))
    assert sampler.micro_batch == 2 and "micro-batch is now 2" in capsys.readouterr().err
    assert np.abs(made.astype(int) - whole.astype(int)).max() <= 1


def test_structures_that_the_generator_never_saw_are_refused(world):
    settings = Section(SAMPLING, "sampling")
    with pytest.raises(InputError, match=r"not trained on \['clavicles'\]"):
        Sampler(ControlledModel(random_generator(world / "base"), ["lungs", "clavicles"], settings), settings, 5)


def test_an_empty_shard_is_an_empty_pool(world, tmp_path):
    pool = sample(world, tmp_path / "pool", conditions_table(1), shard="1/2")
    assert len(pool) == 0 and pool.images(slice(None)).shape == (0, 32, 32)


def test_every_solver_is_within_two_grey_levels_of_a_200_step_reference(world):
    def made(name: str, steps: int) -> np.ndarray:
        settings = {**SAMPLING, "solver": name, "steps": steps, "guidance": 1.0, "micro_batch": 1}
        section = Section(settings, "sampling")
        sampler = Sampler(ControlledModel(random_generator(world / "base"), STRUCTURES, section), section, 5)
        return sampler.images(requests_of("text", 1)).astype(float)

    reference = made("dpmsolver++", 200)
    assert reference.std() > 2
    for solver in SOLVERS:
        assert np.sqrt(((made(solver, 50) - reference) ** 2).mean()) < 2, solver
