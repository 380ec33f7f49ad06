"""Model folders as other people keep them: what diffusers opens is opened, all else is one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig

from scripts.lib.core.errors import InputError
from scripts.lib.encoders.clip_text import open_tokenizer
from scripts.lib.encoders.vocabulary import PROBES, check_vocabulary
from scripts.lib.generators.controlled.generator import ControlledGenerator, open_generator
from tests.helpers.diffusion_models import write_base

CONFIGS = [f"{part}/config.json" for part in ("unet", "vae", "text_encoder")] + ["scheduler/scheduler_config.json"]
VOCABULARY = ("tokenizer.json", "vocab.json", "merges.txt")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return write_base(tmp_path_factory.mktemp("whole") / "base", image_channels=3, text_width=24, length=12)


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "base")


def edit(path: Path, **changes: object) -> None:
    """Change keys of a JSON file; None takes one away."""
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        open_generator(folder)
    message = str(caught.value)
    assert "\n" not in message and all(word in message for word in words), message


def weights(generator: ControlledGenerator) -> dict[str, torch.Tensor]:
    return generator.unet.state_dict() | generator.vae.state_dict() | generator.text_encoder.state_dict()


def test_weights_of_half_precision_alone_open(whole, folder):
    for file in sorted(folder.rglob("*.safetensors")):
        half = {name: tensor.half() for name, tensor in load_file(file).items()}
        save_file(half, file.with_name(f"{file.stem}.fp16.safetensors"), metadata={"format": "pt"})
    both = open_generator(folder)
    for file in sorted(folder.rglob("*model.safetensors")):
        file.unlink()
    alone, full = weights(open_generator(folder)), weights(open_generator(whole))
    assert set(alone) == set(full) and all(tensor.dtype == torch.float32 for tensor in alone.values())
    assert all(torch.equal(alone[name], tensor.half().float()) for name, tensor in full.items())
    assert all(torch.equal(weights(both)[name], tensor) for name, tensor in full.items())  # the plain ones come first


def test_other_variants_open_where_they_are_the_only_one(folder):
    file = next((folder / "unet").glob("*.safetensors"))
    shutil.copy(file, file.with_name(f"{file.stem}.ema.safetensors"))
    file.rename(file.with_name(f"{file.stem}.non_ema.safetensors"))
    refused(folder, "variants ['ema', 'non_ema']")
    file.with_name(f"{file.stem}.ema.safetensors").unlink()
    assert open_generator(folder).resolution == 32


def test_a_side_of_two_numbers_is_that_of_a_square(whole, folder):
    side = json.loads((whole / "unet" / "config.json").read_text())["sample_size"]
    edit(folder / "unet" / "config.json", sample_size=[side, side])
    assert open_generator(folder).resolution == open_generator(whole).resolution
    for wrong in ([side, 2 * side], "16", 0, [side]):
        edit(folder / "unet" / "config.json", sample_size=wrong)
        refused(folder, "unet/config.json: sample_size")
    edit(folder / "unet" / "config.json", sample_size=None)
    refused(folder, "sample_size = None; expected the side of square latents")


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_that_is_gone_or_damaged_is_named(folder, name):
    path = folder / name
    for content in ("", '{"a": ', "[]", "[" * 100_000, "\xff\xfe"):
        path.write_text(content, encoding="latin-1")
        refused(folder, str(path), "not")
    path.unlink()
    refused(folder, str(path), "no such file; expected")


@pytest.mark.parametrize("name", CONFIGS)
def test_any_key_that_is_gone_or_of_another_type_works_or_is_one_line(folder, name):
    path = folder / name
    content = path.read_text()
    for number, key in enumerate(sorted(json.loads(content))[::3]):
        edit(path, **{key: [None, "x", {"a": 1}, [1], -1][number % 5]})
        try:
            open_generator(folder)
        except InputError as error:
            assert "\n" not in str(error) and str(folder) in str(error)
        path.write_text(content)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_truncated_weights_are_named(folder, part):
    file = next((folder / part).glob("*.safetensors"))
    content = file.read_bytes()
    for size in (0, 7, 200, len(content) - 1):
        file.write_bytes(content[:size])
        refused(folder, str(file), "not a safetensors file")
    file.unlink()
    refused(folder, f"{folder / part}: no weights")


def change(folder: Path, part: str, name: str, made) -> None:
    """Save the weights of a part again, one of them as `made` makes it."""
    file = next((folder / part).glob("*.safetensors"))
    held = load_file(file)
    save_file(held | {name: made(held.get(name)).contiguous()}, file, metadata={"format": "pt"})


EMBEDDING = "text_model.embeddings.token_embedding.weight"


@pytest.mark.parametrize(
    ("part", "name", "made", "told"),
    [
        ("unet", "conv_in.weight", lambda w: w[:, :2], "conv_in.weight is [8, 2, 3, 3] instead of [8, 4, 3, 3]"),
        ("text_encoder", EMBEDDING, lambda w: w[:-1], "token_embedding.weight is ["),
        (
            "unet",
            "add_embedding.linear_1.weight",
            lambda _: torch.zeros(2, 2),
            "1 weights left over, e.g. add_embedding",
        ),
        ("vae", "encoder.motion.weight", lambda _: torch.zeros(2), "1 weights left over, e.g. encoder.motion"),
        ("unet", "conv_in.weight", lambda w: (99 * w).to(torch.int8), "conv_in.weight holds whole numbers (I8)"),
    ],
)
def test_a_weight_that_does_not_fit_is_named(folder, part, name, made, told):
    if name == EMBEDDING:  # as the library stores it
        name = next(key for key in load_file(next((folder / part).glob("*.safetensors"))) if "token_embedding" in key)
    change(folder, part, name, made)
    refused(folder, str(folder / part), told)


def test_layers_that_the_configuration_leaves_out_are_left_over_but_other_parts_of_clip_are_not(folder):
    change(folder, "text_encoder", "text_projection.weight", lambda _: torch.zeros(24, 24))
    assert open_generator(folder).text_encoder.config.num_hidden_layers == 1
    edit(folder / "text_encoder" / "config.json", num_hidden_layers=0)
    refused(folder, "weights left over, e.g.", "layers.0.")


def test_weights_in_several_files_need_each_of_them(whole, folder):
    file = next((folder / "unet").glob("*.safetensors"))
    held, places = load_file(file), {}
    for number, names in enumerate((sorted(held)[::2], sorted(held)[1::2])):
        name = f"{file.stem}-0000{number + 1}-of-00002.safetensors"
        save_file({key: held[key] for key in names}, folder / "unet" / name, metadata={"format": "pt"})
        places |= dict.fromkeys(names, name)
    file.unlink()
    index = folder / "unet" / f"{file.name}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    made = weights(open_generator(folder))
    assert all(torch.equal(made[key], value) for key, value in weights(open_generator(whole)).items())
    (folder / "unet" / name).unlink()
    refused(folder, f"{index}: names {name}, which is not in")
    for content in ('{"weight_map": []}', "{}"):
        index.write_text(content)
        refused(folder, f"{index}: no weight_map")


@pytest.mark.parametrize("name", ["unet/diffusion_pytorch_model.safetensors", "vae/config.json"])
def test_a_folder_or_a_link_to_nothing_in_place_of_a_file_is_named(folder, name):
    (folder / name).unlink()
    (folder / name).symlink_to(folder / "blobs" / "gone")  # a cache that was cleaned
    refused(folder, str(folder / name), "not readable (No such file or directory)")
    (folder / name).unlink()
    (folder / name).mkdir()
    refused(folder, str(folder / name), "not readable")


def test_pickled_weights_are_refused_with_the_way_to_convert_them(folder):
    file = next((folder / "unet").glob("*.safetensors"))
    torch.save(load_file(file), file.with_suffix(".bin"))
    file.unlink()
    refused(folder, "only pickled weights (diffusion_pytorch_model.bin), which can run code")
    with pytest.raises(InputError) as caught:
        open_generator(folder)
    command = str(caught.value).split('python -c "')[1].removesuffix('"')
    exec(command)  # what a person would run
    assert open_generator(folder).resolution == 32


def test_latents_that_are_scaled_otherwise_are_refused(folder):
    path = folder / "vae" / "config.json"
    edit(path, scaling_factor=None)
    assert open_generator(folder).vae.config.scaling_factor == 0.18215  # diffusers' own, as Stable Diffusion 1 has it
    for wrong in ({"scaling_factor": 0}, {"scaling_factor": 1.0, "shift_factor": 0.1}):
        edit(path, **wrong)
        refused(folder, str(path), "factor")


@pytest.mark.parametrize("gone", [VOCABULARY, ("tokenizer.json", "vocab.json"), ("tokenizer.json", "merges.txt")])
def test_a_tokenizer_without_its_vocabulary_is_refused(folder, gone):
    for name in gone:
        (folder / "tokenizer" / name).unlink()
    refused(folder, str(folder / "tokenizer"), "without its vocabulary all texts are the same")


def test_a_tokenizer_that_is_empty_damaged_or_not_its_own_is_refused(whole, folder):
    tokenizer = folder / "tokenizer"
    for content in ("{}", "nonsense", ""):
        (tokenizer / "tokenizer.json").write_text(content)
        refused(folder, str(tokenizer), "not a CLIP tokenizer")
    model = json.loads((whole / "tokenizer" / "tokenizer.json").read_text())
    model["model"] |= {"vocab": {}, "merges": []}
    (tokenizer / "tokenizer.json").write_text(json.dumps(model))
    refused(folder, str(tokenizer))
    (tokenizer / "tokenizer.json").unlink()
    edit(tokenizer / "tokenizer_config.json", model_max_length=2)
    refused(folder, "allows 2 tokens")
    edit(tokenizer / "tokenizer_config.json", model_max_length=12)
    vocabulary = json.loads((tokenizer / "vocab.json").read_text())
    (tokenizer / "vocab.json").write_text(json.dumps(vocabulary | {f"more{k}": len(vocabulary) + k for k in range(9)}))
    refused(folder, "text encoder's config.json knows", "not its own")


def test_a_vocabulary_that_is_cut_or_cannot_pad_is_refused(folder):
    tokenizer = folder / "tokenizer"
    config = CLIPTextConfig.from_pretrained(folder / "text_encoder")
    count, config.vocab_size = (
        len(open_tokenizer(tokenizer, config)),
        49408,
    )  # Stable Diffusion's, with the small vocabulary
    with pytest.raises(InputError, match=rf"{count} tokens of the 49408 .* is cut"):
        open_tokenizer(tokenizer, config)
    model = json.loads((tokenizer / "tokenizer.json").read_text())
    (tokenizer / "tokenizer.json").write_text(
        json.dumps(model | {"model": model["model"] | {"merges": model["model"]["merges"][:3]}})
    )
    refused(folder, "no merge makes", "merges.txt is cut")
    (tokenizer / "tokenizer.json").write_text(json.dumps(model))
    content = json.loads((tokenizer / "tokenizer_config.json").read_text())
    (tokenizer / "tokenizer_config.json").write_text(json.dumps(content | {"pad_token": None}))
    refused(folder, "no pad_token")


def test_texts_must_become_different_tokens():
    check_vocabulary(lambda text: [ord(letter) for letter in text], "x")
    with pytest.raises(InputError, match="'edema' and 'heart' become the same tokens"):
        check_vocabulary(lambda text: [0] + [2] * len(text) + [2], "x")
    with pytest.raises(InputError, match="does not hold 'lungs'"):
        check_vocabulary(lambda text: [1 if text == "lungs" else PROBES.index(text) + 2], "x", unknown=1)
    with pytest.raises(InputError, match="does not hold 'chest'"):
        check_vocabulary(lambda text: [] if text == "chest" else [PROBES.index(text)], "x")
