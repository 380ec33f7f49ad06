"""Images a second of our sampler and of diffusers' stock pipeline: same model, solver, steps, guidance and precision."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.gpu_clock import Limits, Timing, operations_of, timed
from benchmarks.gpu_model import SPEED, STRUCTURES, WORDS, Shape, write_films
from scripts.lib.cohort.store import Cohort
from scripts.lib.diffusion.devices import place
from scripts.lib.diffusion.generator import open_generator
from scripts.lib.diffusion.hints import HintPainter
from scripts.lib.diffusion.pool import KINDS, Conditions, Parts, write_shard
from scripts.lib.diffusion.sampling import Request, Sampler, make_solver
from scripts.lib.diffusion.settings import Section

GUIDANCE = 7.5
# Each switch alone, against none; then all of them.
LEVERS: dict[str, dict[str, Any]] = {
    "none": {},
    "attention: plain": {"attention": "plain"},
    "channels_last": {"channels_last": True},
    "compile: blocks": {"compile": "blocks"},
    "vae: fp32": {"vae": "fp32"},
    "vae: bf16": {"vae": "bf16"},
    "all": {"channels_last": True, "compile": "blocks", "vae": "bf16"},
}


def settings_of(shape: Shape, device: str, precision: str, micro_batch: int, **speed: Any) -> Section:
    """Return the section `sampling` of a run."""
    values = {"device": device, "precision": precision, "solver": shape.solver, "steps": shape.steps}
    values |= {"guidance": GUIDANCE, "negative_text": "zero", "micro_batch": micro_batch, "speed": {**SPEED, **speed}}
    return Section(values, "sampling")


def requests_of(kind: str, count: int, resolution: int) -> list[Request]:
    """Return requests of one kind; their prompts take turns, as in a pool."""
    bits = np.zeros((resolution, resolution), np.uint8)
    bits[resolution // 4 : resolution // 2, resolution // 8 : resolution // 2] = 5
    return [
        Request(
            "benchmark",
            number,
            None if kind == "mask" else WORDS[number % len(WORDS)],
            None if kind == "text" else bits,
        )
        for number in range(count)
    ]


def open_sampler(folder: Path, settings: Section) -> Sampler:
    """Open the generator anew: a sampler changes the networks that it is given."""
    return Sampler(open_generator(folder), STRUCTURES, settings, 1, place(settings))


def or_none(work: Callable[[], Timing]) -> Timing | None:
    """Return what `work` returns, None where the GPU's memory is too small."""
    try:
        return work()
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return None


def measure_ours(folder: Path, shape: Shape, settings: Section, kind: str, repeats: int) -> Timing:
    """Time one micro-batch of our sampler."""
    sampler, count = open_sampler(folder, settings), settings["micro_batch"]
    requests = requests_of(kind, count, shape.resolution)
    return timed(lambda: sampler._batch(requests, kind), sampler.placement.device, repeats, warm=2)


def stock_pipeline(folder: Path, shape: Shape, settings: Section) -> Any:
    """Open diffusers' own pipeline on the same folder."""
    from diffusers import StableDiffusionControlNetPipeline

    placement = place(settings)
    pipe = StableDiffusionControlNetPipeline.from_pretrained(
        folder, safety_checker=None, torch_dtype=placement.dtype
    ).to(placement.device)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = make_solver(dict(pipe.scheduler.config), settings)
    return pipe


def stock_call(pipe: Any, shape: Shape, settings: Section, kind: str, count: int) -> Callable[[], Any]:
    """Return a call that makes `count` images; what a kind lacks is zeroed in the only way that this pipeline has."""
    requests = requests_of(kind, count, shape.resolution)
    paint = HintPainter(STRUCTURES, "colour")
    empty = np.zeros((shape.resolution,) * 2, np.uint8)
    image = paint(np.stack([empty if one.bits is None else one.bits for one in requests]), shape.resolution)
    nothing = torch.zeros(count, pipe.tokenizer.model_max_length, pipe.text_encoder.config.hidden_size)
    nothing = nothing.to(pipe.device, pipe.dtype)
    text = {"prompt_embeds": nothing} if kind == "mask" else {"prompt": [one.prompt for one in requests]}
    noise = torch.Generator("cpu").manual_seed(1)
    return lambda: pipe(
        **text,
        negative_prompt_embeds=nothing,
        image=image,
        num_inference_steps=shape.steps,
        guidance_scale=1.0 if kind == "mask" else GUIDANCE,
        controlnet_conditioning_scale=0.0 if kind == "text" else 1.0,
        generator=noise,
        output_type="np",
    )


def weight_bytes(sampler: Sampler, kind: str) -> int:
    """Return the bytes of weights that a micro-batch reads at least: networks of a step by steps, the decoder once."""
    generator, steps = sampler.generator, sampler.settings["steps"]
    each = [generator.unet] if kind == "text" else [generator.unet, generator.controlnet]
    sizes = [sum(one.nbytes for one in network.parameters()) for network in (*each, generator.vae.decoder)]
    return sum(sizes[:-1]) * steps + sizes[-1]


def measure_levers(folder: Path, shape: Shape, device: str, precision: str, repeats: int, micro: int) -> list[list]:
    """Return rows (switch, images/s, against none, peak GB) at one micro-batch, with mask and text."""
    rows, first = [], 0.0
    for name, speed in LEVERS.items():
        torch.compiler.reset()
        settings = settings_of(shape, device, precision, micro, **speed)
        found = or_none(lambda settings=settings: measure_ours(folder, shape, settings, "both", repeats))
        rate = micro / found.median if found else 0.0
        first = first or rate
        rows.append([name, rate, rate / first if first else 0.0, found.peak / 2**30 if found else "out of memory"])
    return rows


def measure_writing(
    folder: Path, work: Path, shape: Shape, device: str, precision: str, micro: int
) -> list[tuple[str, float]]:
    """Return images/s of whole shards of four parts, made and written: in turn, and with `write_behind`."""
    cohort = Cohort.open(write_films(work / "writing", shape.resolution, micro))
    count, found = 4 * micro, []
    table = pd.DataFrame({"condition_id": [f"{number:016x}" for number in range(count)], "position": range(count)})
    table = table.assign(trial=0, sample=0, kind="both", prompt=WORDS[0], transform=None, pneumonia=1)
    table["mask_source"] = [str(number % micro) for number in range(count)]
    for name, behind in (("in turn", False), ("behind", True)):
        sampler = open_sampler(folder, settings_of(shape, device, precision, micro, write_behind=behind))
        sampler.images(requests_of("both", micro, shape.resolution), "both")
        start = time.perf_counter()
        parts, out = Parts(work / f"parts {name}", "benchmark"), work / f"shard {name}"
        write_shard(out, sampler, Conditions(table, cohort), np.arange(count), micro, parts, {})
        found.append((name, count / (time.perf_counter() - start)))
    return found


def measure_kinds(
    folder: Path, shape: Shape, device: str, precision: str, repeats: int, limits: Limits, speed: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return, for each kind, our rate by micro-batch, the stock rate by batch, and the floor of our best micro-batch."""
    found = []
    pipe_settings = settings_of(shape, device, precision, 1)
    for kind in KINDS:
        ours = {
            count: or_none(
                lambda count=count, kind=kind: measure_ours(
                    folder, shape, settings_of(shape, device, precision, count, **speed), kind, repeats
                )
            )
            for count in shape.ours
        }
        pipe = stock_pipeline(folder, shape, pipe_settings)
        stock = {}
        for count in shape.stock:
            call = stock_call(pipe, shape, pipe_settings, kind, count)
            stock[count] = or_none(lambda call=call, where=pipe.device: timed(call, where, repeats))
            if stock[count] is None:
                break
        pipe = call = None  # its memory is needed below
        best = min((count for count in ours if ours[count]), key=lambda count: ours[count].median / count)
        sampler = open_sampler(folder, settings_of(shape, device, precision, best))
        requests = requests_of(kind, best, shape.resolution)
        operations = operations_of(lambda sampler=sampler, requests=requests, kind=kind: sampler._batch(requests, kind))
        found.append(
            {
                "kind": kind,
                "ours": {count: count / time.median for count, time in ours.items() if time},
                "stock": {count: count / time.median for count, time in stock.items() if time},
                "operations": operations / best,
                "share_of_peak": operations / ours[best].median / limits.operations,
                "floor": limits.floor(operations, weight_bytes(sampler, kind)) / best,
                "peak_gb": ours[best].peak / 2**30,
            }
        )
    return found
