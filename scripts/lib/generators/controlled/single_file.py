"""A Stable Diffusion model in one file, as its authors and many collections publish it, as a folder in diffusers' layout.

Such a file holds the weights alone, under the names of CompVis' latent-diffusion code. What the networks look like, the tokenizer's
vocabulary and the noise schedule come from a folder of the same architecture (`like`); its weights are not needed. diffusers'
functions translate the names. Its `StableDiffusionPipeline.from_single_file` calls the same ones, but it changes the `sample_size`
of old configurations and builds a safety checker.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
    is_open_clip_model,
)
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json
from scripts.lib.encoders.lightning import read_checkpoint
from scripts.lib.generators.controlled.generator import open_generator
from scripts.lib.generators.controlled.layout import BASE_PARTS, CLASSES, read_model_index, write_model_index

# What one file of each kind must hold; a fine-tuned U-Net alone or a LoRA has some of them only.
NEEDED = {
    "U-Net": ("model.diffusion_model.",),
    "autoencoder": ("first_stage_model.", "vae."),
    "text encoder": ("cond_stage_model.",),
}
STORED = {
    "vae": "diffusion_pytorch_model.safetensors",
    "unet": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}


def convert_single_file(file: Path, like: Path, folder: Path) -> None:
    """Write the model of one file to `folder` in diffusers' layout, with safetensors weights in the file's precision.

    file: .safetensors, or a .ckpt, whose pickle is read without running anything that it names (encoders/lightning.py).
    like: a folder in diffusers' layout of the same architecture: Stable Diffusion 1.x or 2.x. folder: empty.

    Raises InputError when the file is damaged, lacks a network, or does not fit the architecture.
    """
    index = read_model_index(like)
    with tempfile.TemporaryDirectory() as place:
        state = _read(_as_safetensors(file, Path(place)), file)
        networks = {part: _translated(part, state, like, file) for part in STORED}
        for part, weights in networks.items():
            (folder / part).mkdir(parents=True)
            shutil.copy(like / part / "config.json", folder / part / "config.json")
            kept = {name: value.clone().contiguous() for name, value in weights.items()}
            save_file(kept, folder / part / STORED[part], metadata={"format": "pt"})
    for part in ("tokenizer", "scheduler"):
        shutil.copytree(like / part, folder / part)
    classes = {part: CLASSES[part] for part in BASE_PARTS}
    write_model_index(folder, "StableDiffusionPipeline", classes | {"scheduler": index["scheduler"]})
    try:
        open_generator(folder)  # all of its checks: names, shapes, finite weights, tokenizer, schedule
    except InputError as error:
        raise InputError(f"{file}, read with the architecture of {like}: {error}".replace(f"{folder}/", "")) from None


def _as_safetensors(file: Path, place: Path) -> Path:
    """Return the file itself, or the weights of a .ckpt as safetensors in the folder `place`."""
    if not file.is_file():
        raise InputError(f"{file}: no such file; expected one .safetensors or .ckpt of a Stable Diffusion model")
    if file.suffix == ".safetensors":
        return file
    if file.suffix != ".ckpt":
        raise InputError(
            f"{file}: a file of the kind {file.suffix or 'without ending'}; expected .safetensors or .ckpt"
        )
    state = {
        name: value.detach().clone().contiguous() for name, value in read_checkpoint(file, "Stable Diffusion").items()
    }
    save_file(state, place / "weights.safetensors", metadata={"format": "pt"})
    return place / "weights.safetensors"


def _read(weights: Path, file: Path) -> dict[str, Tensor]:
    """Return all weights; raises InputError unless some of each network are there, under the names of one file."""
    try:
        state = load_file(weights)
    except (SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{file}: not a safetensors file ({reason}); get a true copy") from None
    missing = [part for part, starts in NEEDED.items() if not any(name.startswith(starts) for name in state)]
    if missing:
        raise InputError(
            f"{file}: no weights of the {' and the '.join(missing)} (the file's first weight is {next(iter(state), None)!r}); "
            f"expected a whole Stable Diffusion model in one file, not a part of one"
        )
    return state


def _translated(part: str, state: dict[str, Tensor], like: Path, file: Path) -> dict[str, Tensor]:
    """Return the weights of one network under diffusers' names."""
    config = read_json(like / part / "config.json", f"the configuration of a {part}")
    with_open_clip = is_open_clip_model(state)
    try:
        if part == "unet":
            return convert_ldm_unet_checkpoint(state, config)
        if part == "vae":
            return convert_ldm_vae_checkpoint(state, config)
        if not with_open_clip:
            return convert_ldm_clip_checkpoint(state)
        shape = SimpleNamespace(config=SimpleNamespace(hidden_size=config["hidden_size"]))
        weights = convert_open_clip_checkpoint(shape, state)
    except (KeyError, IndexError, AttributeError, TypeError) as error:  # names of another architecture
        reason = " ".join(f"{type(error).__name__} {error}".split())[:120]
        raise InputError(f"{file}: the {part} does not fit the architecture of {like} ({reason})") from None
    # The file has the layer that Stable Diffusion 2 does not use, and a projection that only CLIP's own loss needs.
    layers = config["num_hidden_layers"]
    unused = tuple(f"text_model.encoder.layers.{number}." for number in range(layers, layers + 2))
    return {name: value for name, value in weights.items() if not name.startswith((*unused, "text_projection"))}
