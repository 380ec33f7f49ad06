"""Images per second of Synthorax's sampler and of diffusers' stock pipeline at several batches, in one run.

Same model, solver, steps, guidance and threads for both. Without --generator a model of the embedded study's shape with
random weights is used: speed does not depend on the weights. In brackets stands how many times as fast ours is.
Ours takes the precision that suits this processor (`--precision`), as a study does; the stock pipeline computes in fp32 unless
`--stock-precision` says otherwise.

    python -m benchmarks.sampling --threads 1
    python -m benchmarks.sampling --generator results/generators/controlnet --images 64
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from scripts.lib.engine.commands import make_parser, run, set_threads
from scripts.lib.study.processor import BF16, FP32

RESOLUTION, STRUCTURES = 64, ["lungs", "heart", "pneumothorax"]
VAE: dict[str, Any] = {"channels": [8, 16, 32], "latent_channels": 4, "layers": 1, "attention": False, "norm_groups": 8}
TEXT: dict[str, Any] = {"vocabulary": 1000, "max_tokens": 16, "hidden": 64, "layers": 2, "heads": 4}
UNET: dict[str, Any] = {"channels": [32, 64], "attention": [False, True], "layers": 1, "heads": 4, "norm_groups": 8}
DIFFUSION = {
    "train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction": "epsilon",
}
SAMPLING = {
    "device": "cpu",
    "precision": FP32,
    "solver": "dpmsolver++",
    "steps": 12,
    "guidance": 2.0,
    "guidance_interval": [0.0, 1.0],
    "negative_text": "zero",
    "micro_batch": 16,
    "speed": {"attention": "fused", "channels_last": "auto", "compile": "none", "vae": "same"},
}


def write_random_generator(folder: Path) -> Path:
    """Write a base and a ControlNet of the embedded study's shape; returns the generator's folder."""
    from scripts.lib.encoders.clip_text import build_text_encoder, train_tokenizer
    from scripts.lib.generators.controlled.autoencoder import build_autoencoder
    from scripts.lib.generators.controlled.control import build_controlnet
    from scripts.lib.generators.controlled.control_training import write_generator
    from scripts.lib.generators.controlled.denoising import build_scheduler, build_unet
    from scripts.lib.generators.controlled.foundation import Foundation, write_foundation
    from scripts.lib.generators.controlled.generator import open_generator
    from scripts.lib.training.settings import Section

    sections = {name: Section(part, name) for name, part in (("vae", VAE), ("text", TEXT), ("unet", UNET))}
    tokenizer = train_tokenizer(["pneumonia", "left pneumothorax"], TEXT["vocabulary"], TEXT["max_tokens"])
    base = folder / "base"
    base.mkdir()
    model = Foundation(
        build_autoencoder(sections["vae"], RESOLUTION),
        build_unet(sections["unet"], VAE["latent_channels"], RESOLUTION // 4, TEXT["hidden"]),
        build_text_encoder(sections["text"], tokenizer),
        tokenizer,
        build_scheduler(Section(DIFFUSION, "diffusion")),
    )
    write_foundation(base, model, RESOLUTION)
    opened = open_generator(base)
    target = folder / "generator"
    target.mkdir()
    controlnet = build_controlnet(opened.unet, [8, 16, 32], opened.factor)
    notes = {"structures": STRUCTURES, "palette": "colour", "absent_mask": "zero_residual"}
    write_generator(target, target, base, opened, {"controlnet": controlnet}, kind="controlnet", **notes)
    return target


def stock_images(pipe: Any, requests: list[Any], kind: str, paint: Any, batch: int) -> None:
    """Make the images with the stock pipeline, `batch` in a call; absent conditions are zeroed in the only way that it has."""
    import numpy as np
    import torch

    side = pipe.unet.config.sample_size * pipe.vae_scale_factor
    shape = (pipe.tokenizer.model_max_length, pipe.text_encoder.config.hidden_size)
    for start in range(0, len(requests), batch):
        some = requests[start : start + batch]
        nothing = torch.zeros(len(some), *shape, dtype=pipe.unet.dtype)
        bits = np.stack([np.zeros((side, side), np.uint8) if one.bits is None else one.bits for one in some])
        text = {"prompt_embeds": nothing} if kind == "mask" else {"prompt": [one.prompt for one in some]}
        pipe(
            **text,
            negative_prompt_embeds=nothing,
            image=paint(bits, side).contiguous(),
            num_inference_steps=SAMPLING["steps"],
            guidance_scale=1.0 if kind == "mask" else SAMPLING["guidance"],
            controlnet_conditioning_scale=0.0 if kind == "text" else 1.0,
            generator=[torch.Generator().manual_seed(one.sample) for one in some],
            output_type="np",
        )


def rates(works: dict[str, Callable[[], Any]], count: int, turns: int) -> dict[str, float]:
    """Return images a second of each of `works`, which make `count` of them: processor time, the best of turns that alternate."""
    best = dict.fromkeys(works, 0.0)
    for _ in range(turns):
        for name, work in works.items():
            start = time.process_time()
            work()
            best[name] = max(best[name], count / (time.process_time() - start))
    return best


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--generator", type=Path, help="a generator folder (default: random weights)")
    parser.add_argument("--images", type=int, default=64, help="images of each kind, for both (default 64)")
    parser.add_argument(
        "--stock", type=int, nargs="+", default=[1, 8, 16, 32], help="batches of the stock pipeline (default 1 8 16 32)"
    )
    parser.add_argument("--turns", type=int, default=3, help="measured turns, the best of which counts (default 3)")
    parser.add_argument("--precision", choices=[FP32, BF16], help="of ours (default: what suits this processor)")
    parser.add_argument(
        "--stock-precision", choices=[FP32, BF16], default=FP32, help="of the stock pipeline (default fp32)"
    )
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import numpy as np
    import torch
    from diffusers import StableDiffusionControlNetPipeline

    from scripts.lib.generators.controlled.generator import open_generator
    from scripts.lib.generators.controlled.hints import HintPainter
    from scripts.lib.generators.controlled.sampling import ControlledModel
    from scripts.lib.generators.processor_speed import measure
    from scripts.lib.generators.protocol import ImageRequest
    from scripts.lib.generators.shards import make_batch
    from scripts.lib.generators.solvers import make_solver
    from scripts.lib.generators.solving import Sampler
    from scripts.lib.training.settings import Section

    torch.set_num_threads(args.threads)
    precision = args.precision or measure()["precision"]
    settings = Section({**SAMPLING, "precision": precision}, "sampling")
    stock_type = torch.bfloat16 if args.stock_precision == BF16 else torch.float32
    with tempfile.TemporaryDirectory() as folder:
        path = args.generator or write_random_generator(Path(folder))
        generator = open_generator(path)
        pipe = StableDiffusionControlNetPipeline.from_pretrained(path, safety_checker=None, dtype=stock_type)
        pipe.set_progress_bar_config(disable=True)
        pipe.scheduler = make_solver(generator.scheduler_config, settings)
        structures = generator.notes["structures"]
        sampler = Sampler(ControlledModel(generator, structures, settings), settings, 1)
        paint = HintPainter(structures, generator.notes["palette"])
        bits = np.zeros((generator.resolution,) * 2, np.uint8)
        bits[16:48, 12:28] = 1
        print(f"{args.threads} threads, {SAMPLING['steps']} steps, guidance {SAMPLING['guidance']:g}, {path}")
        print(f"ours in {precision}, stock in {args.stock_precision}")
        print("images a processor second\nkind    ours  " + "  ".join(f"stock x {batch:<3}" for batch in args.stock))
        for kind in ("text", "mask", "both"):
            prompt, mask = (None if kind == "mask" else "pneumonia"), (None if kind == "text" else bits)
            requests = [ImageRequest("benchmark", number, prompt, mask) for number in range(args.images)]
            works: dict[str, Callable[[], Any]] = {"ours": partial(make_batch, sampler, requests)}
            for batch in args.stock:
                works[str(batch)] = partial(stock_images, pipe, requests, kind, paint, batch)
            make_batch(sampler, requests[:16])
            stock_images(pipe, requests[:1], kind, paint, 1)
            made = rates(works, len(requests), args.turns)
            told = "  ".join(f"{made[str(batch)]:5.2f} ({made['ours'] / made[str(batch)]:.2f})" for batch in args.stock)
            print(f"{kind:5}  {made['ours']:5.1f}  {told}", flush=True)


if __name__ == "__main__":
    run(main)
