"""Images a second of our sampler and of diffusers' stock pipeline: same model, solver, steps, guidance and precision."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.gpu_clock import Limits, timed
from benchmarks.gpu_ledger import Ledger, good
from benchmarks.gpu_levers import ALL, LEVERS, Lever
from benchmarks.gpu_model import SPEED, STRUCTURES, WORDS, Shape, write_films
from benchmarks.gpu_operations import sampling_operations
from benchmarks.gpu_profile import profiled
from scripts.lib.cohort.store import Cohort
from scripts.lib.generators.controlled.generator import open_generator
from scripts.lib.generators.controlled.hints import HintPainter
from scripts.lib.generators.controlled.sampling import ControlledModel
from scripts.lib.generators.protocol import ImageRequest
from scripts.lib.generators.shards import Conditions, Parts, write_shard
from scripts.lib.generators.solvers import make_solver
from scripts.lib.generators.solving import Sampler
from scripts.lib.training.devices import place
from scripts.lib.training.settings import Section

GUIDANCE = 7.5
PROFILED: dict[str, dict[str, Any]] = {"no switches": {}, "all switches": ALL}


@dataclass(frozen=True)
class Bench:
    """What all measurements of one run share: the generator's folder, its shape, device, precision and repeats."""

    generator: Path
    shape: Shape
    device: str
    precision: str
    repeats: int
    warm: int

    def settings(self, micro_batch: int, **speed: Any) -> Section:
        """Return the section `sampling` of a run."""
        values: dict[str, Any] = {"device": self.device, "precision": self.precision, "solver": self.shape.solver}
        values |= {
            "steps": self.shape.steps,
            "guidance": GUIDANCE,
            "guidance_interval": [0.0, 1.0],
            "negative_text": "zero",
        }
        return Section({**values, "micro_batch": micro_batch, "speed": {**SPEED, **speed}}, "sampling")

    def sampler(self, micro_batch: int, **speed: Any) -> Sampler:
        """Open the generator anew: a sampler changes the networks that it is given."""
        settings = self.settings(micro_batch, **speed)
        return Sampler(ControlledModel(open_generator(self.generator), STRUCTURES, settings), settings, 1)

    def requests(self, kind: str, count: int) -> list[ImageRequest]:
        """Return requests of one kind; their prompts take turns, as in a pool."""
        side = self.shape.resolution
        bits = np.zeros((side, side), np.uint8)
        bits[side // 4 : side // 2, side // 8 : side // 2] = 5
        mask = None if kind == "text" else bits
        prompts = [None if kind == "mask" else WORDS[number % len(WORDS)] for number in range(count)]
        return [ImageRequest("benchmark", number, prompt, mask) for number, prompt in enumerate(prompts)]


def measure_ours(bench: Bench, sampler: Sampler, kind: str, count: int) -> dict[str, Any]:
    """Time one micro-batch of our sampler; it raises unless the images are finite and of the right shape."""
    sampler.micro_batch, side = count, bench.shape.resolution
    requests = bench.requests(kind, count)

    def make() -> None:
        images = sampler.micro(requests)
        if images.shape != (count, side, side) or images.dtype != np.uint8:
            raise ValueError(f"images of form {images.shape} {images.dtype}")

    return asdict(timed(make, sampler.model.device, bench.repeats, bench.warm))


def stock_pipeline(bench: Bench) -> Any:
    """Open diffusers' own pipeline on the same folder."""
    from diffusers import StableDiffusionControlNetPipeline

    settings = bench.settings(1)
    placement = place(settings)
    pipe = StableDiffusionControlNetPipeline.from_pretrained(
        bench.generator, safety_checker=None, dtype=placement.dtype
    ).to(placement.device)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = make_solver(dict(pipe.scheduler.config), settings)
    return pipe


def compiled_pipeline(bench: Bench) -> Any:
    """Open the stock pipeline as diffusers' guide to faster inference advises: channels last, U-Net and ControlNet compiled."""
    pipe = stock_pipeline(bench)
    for part in (pipe.unet, pipe.controlnet, pipe.vae):
        part.to(memory_format=torch.channels_last)
    pipe.unet.compile()
    pipe.controlnet.compile()
    return pipe


def stock_call(bench: Bench, pipe: Any, kind: str, count: int) -> Callable[[], Any]:
    """Return a call that makes `count` images; what a kind lacks is zeroed in the only way that this pipeline has."""
    requests, side = bench.requests(kind, count), bench.shape.resolution
    empty = np.zeros((side, side), np.uint8)
    bits = np.stack([empty if one.bits is None else one.bits for one in requests])
    image = HintPainter(STRUCTURES, "colour")(bits, side).contiguous()
    nothing = torch.zeros(count, pipe.tokenizer.model_max_length, pipe.text_encoder.config.hidden_size)
    nothing = nothing.to(pipe.device, pipe.dtype)
    text = {"prompt_embeds": nothing} if kind == "mask" else {"prompt": [one.prompt for one in requests]}
    noise = torch.Generator("cpu").manual_seed(1)
    return lambda: pipe(
        **text,
        negative_prompt_embeds=nothing,
        image=image,
        num_inference_steps=bench.shape.steps,
        guidance_scale=1.0 if kind == "mask" else GUIDANCE,
        controlnet_conditioning_scale=0.0 if kind == "text" else 1.0,
        generator=noise,
        output_type="np",
    )


class Once:
    """Make something when it is first asked for, so that a run whose measurements are all there opens no model."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make, self.made = make, None

    def __call__(self) -> Any:
        if self.made is None:
            self.made = self.make()
        return self.made


def weight_bytes(bench: Bench, kind: str) -> int:
    """Return the bytes of weights that a micro-batch reads at least: networks of a step by steps, the decoder once."""
    from benchmarks.gpu_operations import networks_of

    networks, width = networks_of(bench.shape), 2 if bench.precision == "bf16" else 4
    each = [networks["unet"], *([networks["controlnet"]] if kind != "text" else [])]
    sizes = [sum(one.numel() for one in network.parameters()) for network in (*each, networks["vae"].decoder)]
    return width * (sum(sizes[:-1]) * bench.shape.steps + sizes[-1])


def measure_kinds(
    ledger: Ledger, bench: Bench, kinds: Iterable[str], limits: Limits, speed: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return, for each kind, our rate by micro-batch, the stock rate by batch, and the floor of our best micro-batch.

    `failed`: what could not be measured, by name, with the reason. Larger stock batches than one that failed are skipped.
    """
    switches = "all switches" if speed else "no switches"
    sampler, pipe = Once(lambda: bench.sampler(1, **speed)), Once(lambda: stock_pipeline(bench))
    counted = sampling_operations(bench.shape)
    ours: dict[tuple[str, int], Any] = {}
    stock: dict[tuple[str, int], Any] = {}

    def made(kind: str, count: int) -> dict[str, Any]:
        return measure_ours(bench, sampler(), kind, count)

    def made_by_stock(kind: str, count: int) -> dict[str, Any]:
        return asdict(timed(stock_call(bench, pipe(), kind, count), pipe().device, bench.repeats, bench.warm))

    for kind in kinds:
        for count in bench.shape.ours:
            name = f"sampling {kind} ours {count} {switches}"
            ours[kind, count] = ledger.measure(name, partial(made, kind, count))
    sampler.made = None  # its memory is needed below
    for kind in kinds:
        for count in bench.shape.stock:
            one = ledger.measure(f"sampling {kind} stock {count}", partial(made_by_stock, kind, count))
            stock[kind, count] = one
            if one and not good(one):
                break
    pipe.made = None
    compiled = {name: measure_compiled(ledger, bench, kinds, name) for name in ("ours", "stock")}
    return [_kind(bench, kind, ours, stock, compiled, counted[kind]["image"], limits) for kind in kinds]


def measure_compiled(ledger: Ledger, bench: Bench, kinds: Iterable[str], whose: str) -> dict[tuple[str, int], Any]:
    """Return timings by kind and batch with compiled networks: ours with every switch, the stock pipeline as advised."""
    torch.compiler.reset()
    sampler, pipe = Once(lambda: bench.sampler(1, **ALL)), Once(lambda: compiled_pipeline(bench))

    def work(kind: str, count: int) -> dict[str, Any]:
        if whose == "ours":
            return measure_ours(bench, sampler(), kind, count)
        return asdict(timed(stock_call(bench, pipe(), kind, count), pipe().device, bench.repeats, bench.warm))

    return {
        (kind, count): ledger.measure(f"sampling {kind} {whose} {count} compiled", partial(work, kind, count))
        for count in bench.shape.compiled
        for kind in kinds
    }


def _kind(
    bench: Bench, kind: str, ours: dict, stock: dict, compiled: dict, operations: int, limits: Limits
) -> dict[str, Any]:
    def rates(table: dict) -> dict[int, float]:
        return {count: count / one["median"] for (own, count), one in table.items() if own == kind and good(one)}

    found: dict[str, Any] = {"kind": kind, "ours": rates(ours), "stock": rates(stock), "operations": operations}
    found["compiled"] = {name: rates(table) for name, table in compiled.items()}
    failed = {
        f"{name} {count}": one["failed"]
        for name, table in (
            ("ours", ours),
            ("stock", stock),
            *((f"{who} compiled", one) for who, one in compiled.items()),
        )
        for (own, count), one in table.items()
        if own == kind and one and not good(one)
    }
    if failed:
        found["failed"] = failed
    if found["ours"]:
        best = max(found["ours"], key=found["ours"].get)
        found["share_of_peak"] = operations * found["ours"][best] / limits.operations
        found["floor"] = limits.floor(operations * best, weight_bytes(bench, kind)) / best
        found["peak_gb"] = ours[kind, best]["peak"] / 2**30
    return found


def measure_lever(bench: Bench, lever: Lever, micro: int) -> dict[str, Any]:
    """Time one lever at a micro-batch with mask and text."""
    torch.compiler.reset()
    sampler = bench.sampler(micro, **lever.speed)
    with lever.change(sampler):
        return measure_ours(bench, sampler, "both", micro)


def measure_levers(ledger: Ledger, bench: Bench, micro: int, names: Sequence[str] | None) -> list[list[Any]]:
    """Return rows (lever, images/s, against none, peak GB, or why it failed) at one micro-batch, with mask and text."""
    rows, first = [], 0.0
    for lever in LEVERS:
        if names and lever.name not in ("none", *names):
            continue
        one = ledger.measure(f"lever {lever.name} {micro}", partial(measure_lever, bench, lever, micro))
        if one is None:
            continue
        if not good(one):
            rows.append([lever.name, 0.0, 0.0, f"failed: {one['failed']}"])
            continue
        rate = micro / one["median"]
        first = rate if lever.name == "none" else first
        rows.append([lever.name, rate, rate / first if first else 0.0, one["peak"] / 2**30])
    return rows


def profile_switches(ledger: Ledger, bench: Bench, micro: int) -> list[dict[str, Any]]:
    """Return where the time of one micro-batch with mask and text goes, without switches and with all of them."""
    found = []
    for name, speed in PROFILED.items():

        def work(speed: dict[str, Any] = speed) -> dict[str, Any]:
            torch.compiler.reset()
            sampler = bench.sampler(micro, **speed)
            requests = bench.requests("both", micro)
            return profiled(lambda: sampler.micro(requests), sampler.model.device, bench.warm)

        if one := ledger.measure(f"profile {name} {micro}", work):
            found.append({"switches": name, "micro_batch": micro, **one})
    return found


def measure_writing(ledger: Ledger, bench: Bench, work: Path, micro: int) -> dict[str, Any]:
    """Return images/s (`rate`) of a whole shard of four parts, made and written; `failed` where it was not."""
    return ledger.measure(f"writing {micro}", partial(write_once, bench, work, micro)) or {}


def write_once(bench: Bench, work: Path, micro: int) -> dict[str, Any]:
    """Make and write one shard of four parts; return its images a second."""
    side, count = bench.shape.resolution, 4 * micro
    cohort = Cohort.open(write_films(work / f"masks-{side}-{micro}", side, micro))
    table = pd.DataFrame({"condition_id": [f"{number:016x}" for number in range(count)], "position": range(count)})
    table = table.assign(trial=0, sample=0, kind="both", prompt=WORDS[0], transform=None, pneumonia=1)
    table["mask_source"] = [str(number % micro) for number in range(count)]
    sampler = bench.sampler(micro)
    sampler.images(bench.requests("both", micro))
    start = time.perf_counter()
    parts = Parts(work / "parts", "benchmark")
    write_shard(work / "shard", sampler, Conditions(table, cohort), np.arange(count), micro, parts, {})
    seconds = time.perf_counter() - start
    parts.clear()
    return {"rate": count / seconds}
