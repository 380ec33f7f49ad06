"""The switches of `sampling.speed`: what they promise about the pixels, and that each of them does something."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

from scripts.lib.core.errors import InputError
from scripts.lib.generators import speed
from scripts.lib.generators.controlled import sampling
from scripts.lib.generators.controlled.sampling import KEPT_PROMPTS, ControlledModel
from scripts.lib.generators.protocol import ImageRequest
from scripts.lib.generators.shards import make_batch
from scripts.lib.generators.solving import Sampler
from scripts.lib.generators.speed import compile_decoder, compile_repeated, compile_step, decode_finite
from scripts.lib.training.settings import Section
from tests.helpers.diffusion_models import (
    SAMPLING,
    STRUCTURES,
    random_generator,
    write_base,
)

# The toys' tokenizer has eight places: it cuts nearly every text, and the command says so.
pytestmark = pytest.mark.filterwarnings("ignore:.* texts have more than 8 tokens:UserWarning")

KINDS = ["both", "text", "mask", "both", "text"]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return write_base(tmp_path_factory.mktemp("speed") / "base")


def sampler_of(base: Path, **changes) -> Sampler:
    settings = Section({**SAMPLING, "speed": {**SAMPLING["speed"], **changes}}, "sampling")
    return Sampler(ControlledModel(random_generator(base), STRUCTURES, settings), settings, 5)


def requests() -> list[ImageRequest]:
    bits = np.zeros((32, 32), np.uint8)
    bits[4:28, 4:14] = 5
    return [
        ImageRequest(f"{number:016x}", 0, None if kind == "mask" else "pneumonia", None if kind == "text" else bits)
        for number, kind in enumerate(KINDS)
    ]


@pytest.fixture(scope="module")
def plain_images(base) -> np.ndarray:
    images = make_batch(sampler_of(base), requests())
    assert images.std() > 5
    return images


def test_unknown_values_are_refused_by_name(base):
    for key in ("attention", "compile", "vae"):
        with pytest.raises(InputError, match=f"sampling.speed.{key} = 'fast'"):
            sampler_of(base, **{key: "fast"})


@pytest.mark.parametrize("change", [{"attention": "plain"}, {"channels_last": True}])
def test_another_order_of_sums_changes_low_bits_at_most(base, plain_images, change):
    images = make_batch(sampler_of(base, **change), requests())
    assert np.abs(images.astype(int) - plain_images).max() <= 1


def test_fused_attention_is_torchs_own_and_plain_is_not(base):
    for value, kind in (("fused", AttnProcessor2_0), ("plain", AttnProcessor)):
        sampler = sampler_of(base, attention=value)
        for network in (sampler.model.generator.unet, sampler.model.branch.trunk):
            assert {type(one) for one in network.attn_processors.values()} == {kind}


def test_channels_last_reaches_the_weights(base):
    sampler = sampler_of(base, channels_last=True)
    for network in (sampler.model.generator.vae, sampler.model.generator.unet, sampler.model.branch.trunk):
        weights = [one for one in network.parameters() if one.ndim == 4 and one.shape[1] > 1 and one.shape[2] > 1]
        assert weights and all(one.is_contiguous(memory_format=torch.channels_last) for one in weights)


@pytest.fixture
def compiler():
    """torch's compiler with nothing compiled and its own limit of versions; what a test compiles and sets goes again."""
    import torch._dynamo

    torch._dynamo.reset()
    with torch._dynamo.config.patch(recompile_limit=8):
        yield
    torch._dynamo.reset()


@pytest.fixture
def graphs(compiler, monkeypatch):
    """The graphs that torch's compiler has made so far; a backend that only counts stands for its own."""
    made = []

    def count(graph, _):
        made.append(graph)
        return graph.forward

    monkeypatch.setattr(speed, "compile_repeated", lambda network: compile_repeated(network, backend=count))
    monkeypatch.setattr(speed, "compile_decoder", lambda vae: compile_decoder(vae, backend=count))
    monkeypatch.setattr(sampling, "compile_step", lambda predict: compile_step(predict, backend=count))
    return made


def test_compiled_blocks_are_whole_graphs_with_the_same_result(base, plain_images, graphs):
    chosen = [number for number, kind in enumerate(KINDS) if kind == "both"]  # all networks; each form takes seconds
    images = make_batch(sampler_of(base, compile="blocks"), [requests()[k] for k in chosen])
    assert len(graphs) >= 4  # both kinds of blocks at two widths at least
    assert np.abs(images.astype(int) - plain_images[chosen]).max() <= 1


def test_a_step_and_the_decoder_are_what_is_compiled_as_one_piece(base, plain_images, monkeypatch):
    asked = []
    monkeypatch.setattr(sampling, "compile_step", lambda predict: asked.append("step") or predict)
    monkeypatch.setattr(speed, "compile_decoder", lambda vae: asked.append(vae))
    sampler = sampler_of(base, compile="step")
    assert asked == [sampler.model.generator.vae, "step"] or asked == ["step", sampler.model.generator.vae]
    assert (make_batch(sampler, requests()) == plain_images).all()


@pytest.mark.long
def test_a_step_compiled_as_one_piece_makes_the_same_images(base, plain_images, graphs):
    chosen = [number for number, kind in enumerate(KINDS) if kind == "mask"]  # one form is enough: each takes seconds
    images = make_batch(sampler_of(base, compile="step"), [requests()[k] for k in chosen])
    assert len(graphs) >= 2  # the step and the decoder
    assert np.abs(images.astype(int) - plain_images[chosen]).max() <= 1


def test_a_bf16_decoder_is_close_and_only_broken_images_are_decoded_again(base, plain_images, monkeypatch):
    sampler = sampler_of(base, vae="bf16")
    vae = sampler.model.generator.vae
    assert {one.dtype for one in vae.parameters()} == {torch.bfloat16}
    images = make_batch(sampler, requests())
    assert np.abs(images.astype(int) - plain_images).max() <= 6  # 8 bits of precision, through some layers
    latents = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        low = decode_finite(vae, latents)
        before = [one.clone() for one in vae.parameters()]
        stock, seen = vae.decode, []

        def overflow(scaled):
            made = stock(scaled)
            seen.append(scaled.dtype)
            if scaled.dtype == torch.bfloat16:
                made.sample[1, :, 3, 3] = float("inf")
            return made

        monkeypatch.setattr(vae, "decode", overflow)
        mended = decode_finite(vae, latents)
    assert seen == [torch.bfloat16, torch.float32]
    assert torch.isfinite(mended).all()
    assert (mended[[0, 2]] == low[[0, 2]].float()).all() and (mended[1] != low[1].float()).any()
    assert all(a.dtype == b.dtype and (a == b).all() for a, b in zip(before, vae.parameters()))


def test_states_of_prompts_are_kept_once_and_not_without_end(base):
    sampler = sampler_of(base)
    calls = []
    stock = sampler.model.generator.text_encoder.forward
    sampler.model.generator.text_encoder.forward = lambda *args, **more: calls.append(1) or stock(*args, **more)
    first = sampler.model._text("pneumonia").clone()
    sampler.model._text("pneumonia")
    assert len(calls) == 1
    for number in range(KEPT_PROMPTS + 5):
        sampler.model._text(f"edema {number}")
    assert len(sampler.model._states) == KEPT_PROMPTS and "pneumonia" not in sampler.model._states
    assert (sampler.model._text("pneumonia") == first).all()
