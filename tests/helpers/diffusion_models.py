"""Tiny random models and cohorts for the tests of training and sampling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from scripts.lib.cohort.store import pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.encoders.clip_text import save_tokenizer, train_tokenizer
from scripts.lib.generators.controlled.control import build_controlnet
from scripts.lib.generators.controlled.generator import ControlledGenerator, open_generator
from scripts.lib.generators.controlled.layout import BASE_PARTS, CLASSES, write_model_index
from tests.helpers.diffusion_toy import TRAINING

STRUCTURES = ["lungs", "heart", "pneumothorax"]
REPORTS = ["Pneumonia.", "Left pleural effusion.", "Normal.", "Cardiomegaly and edema.", "Right pneumothorax."]
PLACE = {"device": "cpu", "precision": "fp32"}
BASE = {
    **PLACE,
    "path": None,
    "checkpoint_seconds": 0,
    "vae": {
        **TRAINING,
        "channels": [4, 8],
        "latent_channels": 3,
        "layers": 1,
        "attention": False,
        "norm_groups": 2,
        "loss": "l1",
        "edge_weight": 0.1,
        "kl_weight": 1e-6,
    },
    "text": {"vocabulary": 560, "max_tokens": 8, "hidden": 16, "layers": 1, "heads": 2, "dropout": 0.2, **TRAINING},
    "unet": {
        **TRAINING,
        "channels": [8, 16],
        "attention": [True, True],
        "layers": 1,
        "heads": 2,
        "norm_groups": 2,
        "min_snr_gamma": 5.0,
        "text_rate": 0.2,
    },
    "diffusion": {
        "train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction": "epsilon",
    },
}
CONTROL = {
    **PLACE,
    **TRAINING,
    "checkpoint_seconds": 0,
    "hint_channels": [4, 8],
    "palette": "colour",
    "absent_mask": "zero_residual",
    "mask_dropout": 0.2,
    "structure_dropout": 0.5,
    "text_dropout": 0.2,
}
SAMPLING = {
    **PLACE,
    "solver": "dpmsolver++",
    "steps": 3,
    "guidance": 2.0,
    "guidance_interval": [0.0, 1.0],
    "negative_text": "zero",
    "micro_batch": 4,
    "save_every": 8,
    "shards": {},
    "speed": {"attention": "fused", "channels_last": False, "compile": "none", "vae": "same"},
}


def write_cohort(folder: Path, count: int = 12, side: int = 32, split: str = "generator") -> Path:
    """Write a cohort of random films with masks of three structures and reports (every fifth missing)."""
    stream = np.random.default_rng(7)
    notes = {"dataset": "tiny"}
    with CohortWriter(folder, side, STRUCTURES, ["pneumothorax"], notes, with_masks=True) as writer:
        for number in range(count):
            image = stream.integers(0, 256, (side, side), dtype=np.uint8)
            mask = np.zeros((side, side), np.uint8)
            mask[4:28, 4:14] |= 1
            mask[16:28, 10 : 14 + number % 5] |= 2
            mask[4 : 8 + number % 4, 4:10] |= 4
            row = {
                "image_id": f"film{number}",
                "patient_id": f"patient{number}",
                "split": split,
                "report": None if number % 5 == 4 else REPORTS[number % len(REPORTS)],
                "sha256": pixels_sha256(image),
                "synthetic": False,
                "pneumothorax": 1,
            }
            writer.add(image, mask, row)
    return folder


def conditions_table(count: int, kinds: tuple[str, ...] = ("text", "mask", "both")) -> pd.DataFrame:
    """Return a conditions table that cycles through `kinds`, with transforms, repeats and shared conditions."""
    rows: list[dict[str, Any]] = []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        rows.append(
            {
                "condition_id": f"{number // 2:016x}"[:14] + f"{len(kind):02x}",
                "position": number,
                "trial": -1 if kind == "text" else 0,
                "sample": number,
                "kind": kind,
                "prompt": None if kind == "mask" else ["pneumonia", "left pneumothorax"][number % 2],
                "mask_source": None if kind == "text" else f"film{number % 12}",
                "transform": None if kind == "text" else json.dumps({"dx": 0.0625, "flip": bool(number % 2)}),
                "pneumothorax": 1,
                "side": None,
            }
        )
    table = pd.DataFrame(rows)
    return table.astype({"prompt": "string", "mask_source": "string", "transform": "string", "pneumothorax": "Int8"})


def write_base(folder: Path, image_channels: int = 1, text_width: int = 16, length: int = 8, seed: int = 0) -> Path:
    """Write a random foundation model of Stable Diffusion's shape, as diffusers itself would: no synthorax.json."""
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(REPORTS, 560, length)
    parts = {
        "vae": AutoencoderKL(
            in_channels=image_channels,
            out_channels=image_channels,
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(4, 8),
            latent_channels=4,
            norm_num_groups=2,
            sample_size=32,
        ),
        "unet": UNet2DConditionModel(
            sample_size=16,
            layers_per_block=1,
            block_out_channels=(8, 16),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=text_width,
            attention_head_dim=2,
            norm_num_groups=2,
        ),
        "text_encoder": CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=text_width,
                intermediate_size=32,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=length,
            )
        ),
    }
    for name, model in parts.items():
        model.save_pretrained(folder / name)
    save_tokenizer(tokenizer, folder / "tokenizer")
    DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").save_pretrained(
        folder / "scheduler"
    )
    classes = {part: CLASSES[part] for part in BASE_PARTS} | {"scheduler": ("diffusers", "DDIMScheduler")}
    write_model_index(folder, "StableDiffusionPipeline", classes)
    return folder


def random_generator(folder: Path, seed: int = 1) -> ControlledGenerator:
    """Open a base and give it a ControlNet whose zero layers are random, so that masks have an effect."""
    generator = open_generator(folder)
    generator.notes.update(structures=STRUCTURES, palette="colour", absent_mask="zero_residual")
    torch.manual_seed(seed)
    generator.controlnet = build_controlnet(generator.unet, [4, 8], generator.factor).eval()
    with torch.no_grad():
        for name, parameter in generator.controlnet.named_parameters():
            if name.startswith(("controlnet_down", "controlnet_mid", "controlnet_cond_embedding.conv_out")):
                parameter.normal_(0, 0.2)
    return generator


def write_controlnet(root: Path, name: str = "controlnet", **changes: object) -> Path:
    """Train a tiny ControlNet on a tiny base and cohort below `root`; `changes` of CONTROL. Return its folder."""
    from scripts import train_controlnet

    base, out = root / "generators" / "base", root / "generators" / name
    if not base.exists():
        write_base(base)
        write_cohort(root / "cohort")
    options = {"--base": base, "--cohort": root / "cohort", "--checkpoint-dir": root / "check", "--out": out}
    options |= {"--config": json.dumps({**CONTROL, **changes}), "--seed": 1}
    train_controlnet.main([str(word) for option in options.items() for word in option])
    return out
