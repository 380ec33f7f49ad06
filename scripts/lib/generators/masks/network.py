"""The mask generator's network and folder: one U-Net for all stages, and the frozen text encoder of the foundation model.

The network sees, side by side on the grid of the masks,
    the noisy maps       of the structures that this stage draws, 0 elsewhere
    the known maps       of the structures that are given, 0 elsewhere
    asked, a plane each  where a structure is asked for: 1 in the half of the film on its side, 1 everywhere on both sides
    told, a plane each   1 where the ask says of a structure whether it is there, 0 where nothing is said
    known, a plane each  1 where a structure's map is given
and the words of the prompt by cross attention. It answers with the maps of all structures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from scripts.lib.conditions.mask_prompts import ANATOMY, Ask
from scripts.lib.core.errors import InputError
from scripts.lib.encoders.clip_text import open_tokenizer
from scripts.lib.encoders.folders import load_network
from scripts.lib.generators.controlled.denoising import build_unet
from scripts.lib.generators.controlled.encoding import encode_text, tokenize
from scripts.lib.generators.controlled.foundation import seeded
from scripts.lib.generators.controlled.layout import describe_files, link_parts, read_notes, write_notes
from scripts.lib.generators.masks.coding import MaskCode, make_code
from scripts.lib.training.settings import Section

KIND = "masks"
TEXT_PARTS = ("text_encoder", "tokenizer")
# Ends in pure noise: smooth maps would show through the little signal that Stable Diffusion's last step leaves.
SCHEDULE: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
}


@dataclass
class MaskGenerator:
    """An opened mask generator: `stages` are lists of structures, drawn one after the other."""

    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    code: MaskCode
    stages: list[list[str]]
    notes: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """Hash of weights and configurations."""
        return str(self.notes["fingerprint"])

    def places(self, names: Sequence[str]) -> list[int]:
        """Return which structures these are."""
        return [self.code.structures.index(name) for name in names]


def check_stages(stages: Sequence[Sequence[str]], structures: Sequence[str]) -> list[list[str]]:
    """Return the stages, each cut to the structures that there are; `findings` in a stage stands for all that no stage names.

    Raises InputError where no anatomy is drawn, a name stands twice, or a structure is drawn by no stage.
    """
    named = [name for stage in stages for name in stage if name != "findings"]
    rest = [name for name in structures if name not in named]
    whole = [[one for name in stage for one in (rest if name == "findings" else [name])] for stage in stages]
    kept = [[name for name in stage if name in structures] for stage in whole]
    flat = [name for stage in kept for name in stage]
    if not set(ANATOMY) & set(structures):
        raise InputError(f"masks: structures {list(structures)}: no anatomy; expected lungs or heart among them")
    if len(flat) != len(set(flat)) or set(flat) != set(structures):
        raise InputError(f"settings: masks.stages = {list(stages)}; expected each of {list(structures)} in one stage")
    return [stage for stage in kept if stage]


def new_generator(
    base: Path, structures: Sequence[str], resolution: int, settings: Section, seed: int
) -> MaskGenerator:
    """Return an untrained mask generator on a base's text encoder; `settings` is the section `masks`."""
    code = make_code(structures, resolution, settings["factor"], settings["fold"], settings["reach"])
    stages = check_stages(settings["stages"], structures)
    encoder, tokenizer = open_text(base)
    own = settings.one_of("start", "new", "base") == "new"
    seeded(seed, "train_mask_model")
    start = None if own else load_network(UNet2DConditionModel, Path(base) / "unet")
    unet = build_network(code, settings, encoder.config.hidden_size, start)
    return MaskGenerator(unet, encoder, tokenizer, code, stages, {})


def input_channels(code: MaskCode) -> int:
    """Return how many channels the network sees."""
    return 2 * code.channels + 3 * len(code.structures)


def build_network(
    code: MaskCode, settings: Section, text_width: int, start: UNet2DConditionModel | None
) -> UNet2DConditionModel:
    """Return a network for the code: a new one as `masks.unet` says, or with the inner weights of `start`, a base's U-Net."""
    if start is None:
        unet = build_unet(settings["unet"], code.channels, code.side, text_width)
    else:
        unet = UNet2DConditionModel.from_config({**start.config, "sample_size": code.side})
        unet.load_state_dict(start.state_dict())
    width = unet.config.block_out_channels[0]
    unet.conv_in = nn.Conv2d(input_channels(code), width, kernel_size=3, padding=1)
    unet.conv_out = nn.Conv2d(width, code.channels, kernel_size=3, padding=1)
    unet.register_to_config(in_channels=input_channels(code), out_channels=code.channels)
    return unet


def ask_planes(asks: Sequence[Ask], code: MaskCode) -> torch.Tensor:
    """Return where each structure is asked for, float (n, structures, side, side).

    A film shows the patient from the front: the patient's left is the image's right half.
    """
    planes = torch.zeros(len(asks), len(code.structures), code.side, code.side)
    half = code.side // 2
    for row, ask in enumerate(asks):
        for name, side in ask.items():
            plane = planes[row, code.structures.index(name)]
            plane[:, half if side == "left" else 0 : half if side == "right" else code.side] = 1.0
    return planes


def network_input(
    noisy: torch.Tensor, known: torch.Tensor, asked: torch.Tensor, told: torch.Tensor, given: torch.Tensor
) -> torch.Tensor:
    """Return what the network sees; `told` and `given` float (n, structures) become planes."""
    side = noisy.shape[-1]
    flags = [plane[:, :, None, None].expand(-1, -1, side, side) for plane in (told, given)]
    return torch.cat([noisy, known, asked * flags[0], *flags], dim=1)


def text_states(prompts: Sequence[str | None], generator: MaskGenerator) -> torch.Tensor:
    """Return the words' states (n, L, D), zeros for None; each different prompt goes through the encoder once."""
    different = list(dict.fromkeys(prompts))
    with torch.no_grad():
        states = encode_text(tokenize(different, generator.tokenizer, quiet=True), generator.text_encoder)
    return states[torch.tensor([different.index(prompt) for prompt in prompts])]


def open_text(base: Path) -> tuple[CLIPTextModel, CLIPTokenizer]:
    """Return text encoder and tokenizer of a foundation model or of a mask generator."""
    encoder = load_network(CLIPTextModel, Path(base) / "text_encoder")
    return encoder.requires_grad_(False), open_tokenizer(Path(base) / "tokenizer", encoder.config)


def write_folder(
    folder: Path, target: Path, base: Path, base_notes: Mapping[str, Any], made: MaskGenerator, **notes: Any
) -> str:
    """Write the folder that becomes `target`: the network, links to the base's text encoder, and synthorax.json."""
    made.unet.to("cpu", memory_format=torch.contiguous_format).save_pretrained(folder / "unet", safe_serialization=True)
    link_parts(folder, target, base, TEXT_PARTS)
    kept = {path: known for path, known in base_notes["files"].items() if path.partition("/")[0] in TEXT_PARTS}
    code = made.code
    return write_notes(
        folder,
        {**kept, **describe_files(folder, ["unet"])},
        kind=KIND,
        resolution=code.resolution,
        structures=list(code.structures),
        coding={"factor": code.factor, "fold": code.fold, "reach": code.reach},
        stages=made.stages,
        **notes,
    )


def open_masks(folder: Path) -> MaskGenerator:
    """Open a mask generator's folder; raises InputError for any other folder."""
    folder = Path(folder)
    notes = read_notes(folder)
    if notes is None or notes.get("kind") != KIND:
        kind = "no synthorax.json" if notes is None else f"kind = {notes.get('kind')!r}"
        raise InputError(
            f"{folder}: {kind}; expected the folder of a mask generator (kind: {KIND}), as train_mask_model makes it"
        )
    code = make_code(notes["structures"], notes["resolution"], **notes["coding"])
    encoder, tokenizer = open_text(folder)
    unet = load_network(UNet2DConditionModel, folder / "unet")
    return MaskGenerator(unet, encoder, tokenizer, code, notes["stages"], notes)
