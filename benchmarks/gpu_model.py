"""Models and films of random numbers in the shapes that the GPU benchmark measures: speed does not depend on the weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

STRUCTURES = ["lungs", "heart", "pneumothorax"]
LABELS = ["pneumonia"]
WORDS = ["pneumonia", "left pneumothorax", "cardiomegaly", "edema", "pleural effusion"]
VOCABULARY, TOKENS = 49408, 77  # of CLIP's text encoder; the words of a benchmark have few tokens
SPEED = {"attention": "fused", "channels_last": False, "compile": "none", "vae": "same"}


@dataclass(frozen=True)
class Shape:
    """Sizes of one run: networks (keyword arguments of diffusers and transformers), images and how much is measured."""

    resolution: int
    unet: dict[str, Any]
    vae: dict[str, Any]
    text: dict[str, Any]
    hint_channels: list[int]
    steps: int
    ours: list[int]  # micro-batches of our sampler
    stock: list[int]  # batches of the stock pipeline
    compiled: list[int]  # batches at which both are measured once more, with compiled networks
    control: list[int]  # batches of the ControlNet's training
    control_steps: int
    classifier: dict[str, Any]
    segmenter: dict[str, Any]
    trial_steps: int
    matrix: int  # side of the product that measures the peak
    copied: int  # bytes of the copy that measures the bandwidth
    solver: str = "dpmsolver++"

    @property
    def factor(self) -> int:
        """Pixels per latent along a side."""
        return 2 ** (len(self.vae["block_out_channels"]) - 1)


# The configurations of Stable Diffusion 1.5: unet/, vae/ and text_encoder/config.json.
SD15 = Shape(
    resolution=512,
    unet={
        "block_out_channels": (320, 640, 1280, 1280),
        "layers_per_block": 2,
        "cross_attention_dim": 768,
        "attention_head_dim": 8,
    },
    vae={"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "norm_num_groups": 32},
    text={"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12},
    hint_channels=[16, 32, 96, 256],
    steps=20,
    ours=[1, 4, 8, 16, 32],
    stock=[1, 4, 8, 16, 32],
    compiled=[16],
    control=[8, 16, 32, 64],
    control_steps=12,
    classifier={"encoder": "resnet50", "side": 224, "batches": [64, 256]},
    segmenter={"encoder": "resnet34", "decoder_channels": [256, 128, 64, 32, 16], "side": 512, "batches": [8, 32]},
    trial_steps=60,
    matrix=8192,
    copied=2**31,
)
TINY = Shape(
    resolution=32,
    unet={
        "block_out_channels": (8, 16, 16, 16),
        "layers_per_block": 1,
        "cross_attention_dim": 16,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    },
    vae={"block_out_channels": (4, 8, 8, 8), "layers_per_block": 1, "norm_num_groups": 2},
    text={"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
    hint_channels=[4, 4, 4, 8],
    steps=2,
    ours=[1, 2],
    stock=[1, 2],
    compiled=[],
    control=[2],
    control_steps=4,
    classifier={"encoder": "resnet18", "side": 32, "batches": [4]},
    segmenter={"encoder": "resnet18", "decoder_channels": [8, 8, 8, 4, 4], "side": 32, "batches": [2]},
    trial_steps=4,
    matrix=128,
    copied=2**20,
)


def build_networks(shape: Shape, vocabulary: int = VOCABULARY) -> dict[str, Any]:
    """Return unet, vae and text_encoder of Stable Diffusion's form with random weights."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    levels = len(shape.vae["block_out_channels"])
    return {
        "unet": UNet2DConditionModel(sample_size=shape.resolution // shape.factor, **shape.unet),
        "vae": AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            sample_size=shape.resolution,
            **shape.vae,
        ),
        "text_encoder": CLIPTextModel(
            CLIPTextConfig(vocab_size=vocabulary, max_position_embeddings=TOKENS, **shape.text)
        ),
    }


def write_generator_folder(folder: Path, shape: Shape) -> Path:
    """Write a base of Stable Diffusion's shape with a ControlNet on top, in diffusers' format; return its folder.

    What an earlier run has written there in full is taken as it is.
    """
    from diffusers import DPMSolverMultistepScheduler

    from scripts.lib.core.atomic import atomic_dir
    from scripts.lib.encoders.clip_text import save_tokenizer, train_tokenizer
    from scripts.lib.generators.controlled.control import build_controlnet
    from scripts.lib.generators.controlled.control_training import write_generator
    from scripts.lib.generators.controlled.generator import open_generator
    from scripts.lib.generators.controlled.layout import BASE_PARTS, CLASSES, write_model_index

    base, target = folder / "base", folder / "generator"
    if target.is_dir():
        return target
    schedule = DPMSolverMultistepScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    tokenizer = train_tokenizer(WORDS, 600, TOKENS)
    with atomic_dir(base) as made:
        # Looking a token up costs the same in any table of tokens.
        for name, part in {**build_networks(shape, len(tokenizer)), "scheduler": schedule}.items():
            part.save_pretrained(made / name)
        save_tokenizer(tokenizer, made / "tokenizer")
        write_model_index(made, "StableDiffusionPipeline", {part: CLASSES[part] for part in BASE_PARTS})
    opened = open_generator(base)
    controlnet = build_controlnet(opened.unet, shape.hint_channels, opened.factor)
    notes = {"structures": STRUCTURES, "palette": "colour", "absent_mask": "zero_residual"}
    with atomic_dir(target) as made:
        write_generator(made, target, base, opened, {"controlnet": controlnet}, kind="controlnet", **notes)
    return target


def write_films(folder: Path, side: int, count: int) -> Path:
    """Write a cohort of random films with masks and labels, at the side of the study, unless it is there."""
    import numpy as np

    from scripts.lib.cohort.writer import CohortWriter

    if (folder / "cohort.json").is_file():
        return folder
    stream = np.random.default_rng(0)
    with CohortWriter(folder, side, STRUCTURES, LABELS, {"dataset": "benchmark"}) as writer:
        for number in range(count):
            image = stream.integers(0, 256, (side, side), dtype=np.uint8)
            row = {"image_id": str(number), "patient_id": str(number), "split": "generator", "pneumonia": number % 2}
            writer.add(image, image // 64, row)
    return folder
