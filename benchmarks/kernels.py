"""Milliseconds of one thread for a training step in fp32, in bf16, and in bf16 with the ways round slow kernels.

The networks are those of the embedded study with random weights: speed does not depend on the weights. Below them stand the two
operations that decide. Turns alternate, processor time is counted, and the median of the turns is shown.

    python -m benchmarks.kernels
    python -m benchmarks.kernels --turns 5 --parts unet
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from benchmarks.sampling import RESOLUTION, TEXT, UNET, VAE
from scripts.lib.engine.commands import make_parser, run, set_threads

IMAGES = {"autoencoder": 16, "unet": 64, "attention": 64, "norm": 64}  # of a batch, as the embedded study trains
Work = Callable[[], Any]


def contexts() -> dict[str, Callable[[], AbstractContextManager[Any]]]:
    """Return the ways to compute by their names."""
    import torch

    from scripts.lib.training.kernels import processor_autocast

    return {
        "fp32": nullcontext,
        "bf16": lambda: torch.autocast("cpu", torch.bfloat16),
        "bf16, ways round": lambda: processor_autocast(torch.bfloat16),
    }


def _channels_last(*shape: int) -> Any:
    import torch

    return torch.randn(*shape).contiguous(memory_format=torch.channels_last)


def autoencoder_step() -> Work:
    """Return the way of films through an autoencoder."""
    import torch

    from scripts.lib.generators.controlled.autoencoder import build_autoencoder
    from scripts.lib.training.settings import Section

    model = build_autoencoder(Section(VAE, "vae"), RESOLUTION).train().to(memory_format=torch.channels_last)
    films = _channels_last(IMAGES["autoencoder"], model.config.in_channels, RESOLUTION, RESOLUTION)
    return lambda: model.decode(model.encode(films).latent_dist.sample()).sample


def unet_step() -> Work:
    """Return a U-Net's answer to latents, levels of noise and texts."""
    import torch

    from scripts.lib.generators.controlled.denoising import build_unet
    from scripts.lib.training.settings import Section

    side, count = RESOLUTION // 4, IMAGES["unet"]
    model = build_unet(Section(UNET, "unet"), VAE["latent_channels"], side, TEXT["hidden"]).train()
    model.to(memory_format=torch.channels_last)
    latents = _channels_last(count, VAE["latent_channels"], side, side)
    steps = torch.randint(0, 1000, (count,))
    texts = torch.randn(count, TEXT["max_tokens"], TEXT["hidden"])
    return lambda: model(latents, steps, texts).sample


def attention_step() -> Work:
    """Return the attention of the U-Net's narrow level: 64 places with themselves, 4 heads of 16."""
    import torch
    from torch.nn import functional

    shape = (IMAGES["attention"], UNET["heads"], 64, UNET["channels"][-1] // UNET["heads"])
    query, key, value = (torch.randn(shape, requires_grad=True) for _ in range(3))
    return lambda: functional.scaled_dot_product_attention(query, key, value)


def norm_step() -> Work:
    """Return the GroupNorm of the U-Net's wide level, after a convolution, which gives it the precision."""
    import torch
    from torch import nn

    width, side = UNET["channels"][0], RESOLUTION // 4
    model = nn.Sequential(nn.Conv2d(width, width, 1), nn.GroupNorm(UNET["norm_groups"], width))
    model.to(memory_format=torch.channels_last)
    return partial(model, _channels_last(IMAGES["norm"], width, side, side))


PARTS = {"autoencoder": autoencoder_step, "unet": unet_step, "attention": attention_step, "norm": norm_step}


def milliseconds(part: str, turns: int) -> dict[str, float]:
    """Return the processor milliseconds of a step of a part, forth and back, in each way to compute."""
    ways, work = contexts(), PARTS[part]()
    told: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        for name, way in ways.items():
            start = time.process_time()
            with way():
                answer = work()
            answer.float().square().mean().backward()
            if turn:  # the first one only warms up
                told[name].append(1000 * (time.process_time() - start))
    return {name: statistics.median(values) for name, values in told.items()}


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what is measured (default all)")
    parser.add_argument("--turns", type=int, default=15, help="steps of each, of which the median counts (default 15)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import torch

    torch.set_num_threads(args.threads)
    print(f"{args.threads} threads, milliseconds of the processor\npart         images  " + "  ".join(contexts()))
    for part in args.parts:
        told = milliseconds(part, args.turns)
        shown = "  ".join(f"{value:{max(len(name), 5)}.1f}" for name, value in told.items())
        print(f"{part:12} {IMAGES[part]:6}  {shown}", flush=True)


if __name__ == "__main__":
    run(main)
