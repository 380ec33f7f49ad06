"""The mask generator's network and folder: one network for all stages, and the frozen text encoder of the foundation model.

The network works on the few numbers of each part of a mask (basis.py). It sees, side by side,
    the noisy numbers    of the parts that this stage draws, 0 elsewhere
    the known numbers    of the parts that are given, 0 elsewhere
    asked, for each part whether it is asked for
    told, for each part  whether the ask says if it is there
    known, for each part whether its numbers are given
and the mean of the words' states. It answers with the numbers of all parts.

    network/    config.json and model.safetensors: the network and the basis of the numbers
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from scripts.lib.conditions.mask_prompts import ANATOMY
from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json
from scripts.lib.encoders.clip_text import open_tokenizer
from scripts.lib.encoders.folders import load_network
from scripts.lib.generators.controlled.encoding import encode_text, tokenize
from scripts.lib.generators.controlled.foundation import seeded
from scripts.lib.generators.controlled.layout import describe_files, link_parts, read_notes, write_notes
from scripts.lib.generators.masks.basis import MaskBasis
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


BASIS_PARTS = ("means", "directions", "spreads")
TIME_WAVES = 32


class MaskNetwork(nn.Module):
    """A multilayer perceptron with residual blocks; `numbers` per mask, `parts` of them, words of width `text`."""

    def __init__(self, numbers: int, parts: int, text: int, width: int, layers: int, unit_dropout: float) -> None:
        super().__init__()
        self.form = {"numbers": numbers, "parts": parts, "text": text, "width": width, "layers": layers}
        self.enter = nn.Linear(2 * numbers + 3 * parts, width)
        self.words = nn.Linear(text, width)
        self.time = nn.Sequential(nn.Linear(2 * TIME_WAVES, width), nn.SiLU(), nn.Linear(width, 2 * width))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, 2 * width),
                nn.SiLU(),
                nn.Dropout(unit_dropout),
                nn.Linear(2 * width, width),
            )
            for _ in range(layers)
        )
        self.leave = nn.Linear(width, numbers)
        # The words say what the flags say, so they begin without effect; and a new network answers 0.
        for layer in (self.words, self.leave):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, seen: torch.Tensor, steps: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Return v (n, numbers) of `seen` (n, 2 numbers + 3 parts), time steps (n,) and words (n, L, text)."""
        waves = torch.exp(torch.arange(TIME_WAVES, device=seen.device) * (-math.log(10_000.0) / (TIME_WAVES - 1)))
        angles = steps.float()[:, None] * waves
        shift, scale = self.time(torch.cat([angles.sin(), angles.cos()], 1)).chunk(2, 1)
        inner = self.enter(seen) * (1 + scale) + shift + self.words(text.mean(1))
        for block in self.blocks:
            inner = inner + block(inner)
        answer: torch.Tensor = self.leave(inner)
        return answer


@dataclass
class MaskGenerator:
    """An opened mask generator: `stages` are lists of structures, drawn one after the other."""

    network: MaskNetwork
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    basis: MaskBasis
    stages: list[list[str]]
    notes: Mapping[str, Any]

    @property
    def code(self) -> MaskCode:
        """How masks are cut into parts."""
        return self.basis.code

    @property
    def fingerprint(self) -> str:
        """Hash of weights and configurations."""
        return str(self.notes["fingerprint"])

    def places(self, names: Sequence[str]) -> list[int]:
        """Return which parts belong to these structures."""
        return [place for place, part in enumerate(self.code.parts) if part.structure in names]


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


def new_generator(base: Path, basis: MaskBasis, settings: Section, seed: int) -> MaskGenerator:
    """Return an untrained mask generator on a base's text encoder; `settings` is the section `masks`."""
    stages = check_stages(settings["stages"], basis.code.structures)
    encoder, tokenizer = open_text(base)
    seeded(seed, "train_mask_model")
    parts, each = basis.shape
    form = settings["network"]
    network = MaskNetwork(parts * each, parts, encoder.config.hidden_size, **form)
    return MaskGenerator(network, encoder, tokenizer, basis, stages, {})


def network_input(
    noisy: torch.Tensor, known: torch.Tensor, asked: torch.Tensor, told: torch.Tensor, given: torch.Tensor
) -> torch.Tensor:
    """Return what the network sees, (n, 2 numbers + 3 parts); numbers (n, parts, k + 1), flags (n, parts)."""
    return torch.cat([noisy.flatten(1), known.flatten(1), asked * told, told, given], dim=1)


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
    part = folder / "network"
    part.mkdir()
    basis, code = made.basis, made.code
    tensors = {f"network.{name}": value.cpu().contiguous() for name, value in made.network.state_dict().items()}
    tensors |= {name: getattr(basis, name).contiguous() for name in BASIS_PARTS}
    save_file(tensors, part / "model.safetensors")
    (part / "config.json").write_text(json.dumps(made.network.form, indent=1) + "\n", encoding="utf-8")
    link_parts(folder, target, base, TEXT_PARTS)
    kept = {path: known for path, known in base_notes["files"].items() if path.partition("/")[0] in TEXT_PARTS}
    return write_notes(
        folder,
        {**kept, **describe_files(folder, ["network"])},
        kind=KIND,
        resolution=code.resolution,
        structures=list(code.structures),
        coding={"grid": code.grid, "reach": code.reach},
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
    form = read_json(folder / "network" / "config.json", "the form of a mask generator's network")
    try:
        code = make_code(notes["structures"], notes["resolution"], **notes["coding"])
        tensors = load_file(folder / "network" / "model.safetensors")
        basis = MaskBasis(code, *(tensors.pop(name) for name in BASIS_PARTS))
        network = MaskNetwork(**form, unit_dropout=0.0)
        network.load_state_dict({name.removeprefix("network."): value for name, value in tensors.items()})
    except (KeyError, TypeError, OSError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder}: the weights in network/ do not fit its notes ({reason}); train it anew") from None
    return MaskGenerator(network.requires_grad_(False).eval(), *open_text(folder), basis, notes["stages"], notes)
