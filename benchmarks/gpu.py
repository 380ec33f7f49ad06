"""Speed on a GPU, each number with its floor: sampling against diffusers' stock pipeline, and the trainings.

Models have the shapes of Stable Diffusion 1.5, ResNet-50 and UNet++ with random weights; nothing is downloaded. All of it
is measured in one run, with the peak of the machine's matrix products and memory.

    python -m benchmarks.gpu --out gpu.md --json gpu.json --rates benchmarks/rates/h200.yaml
    python -m benchmarks.gpu --parts sampling --solver unipc --steps 75 --rates benchmarks/rates/h200.yaml
    python -m benchmarks.gpu --parts sampling levers --micro-batch 16
    python -m benchmarks.gpu --device cpu --tiny            # no measurement: proves that it runs
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from scripts.lib.cli import make_parser, run, set_threads

PARTS = ("sampling", "levers", "controlnet", "trials")


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu (default cuda)")
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16", help="of the networks (default bf16)")
    parser.add_argument("--tiny", action="store_true", help="models of a few weights, for a test")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what is measured (default all)")
    parser.add_argument("--micro-batch", type=int, help="micro-batch of the switches (default the largest but one)")
    parser.add_argument("--compile", action="store_true", help="sampling with every switch on, not with the defaults")
    parser.add_argument("--repeats", type=int, default=3, help="measured calls (default 3)")
    parser.add_argument("--out", type=Path, help="tables (.md; default: printed)")
    parser.add_argument("--json", type=Path, help="all numbers (.json)")
    parser.add_argument("--rates", type=Path, help="rates of this machine's class, for make plan (.yaml)")
    parser.add_argument("--solver", help="of sampling (default dpmsolver++)")
    parser.add_argument("--steps", type=int, help="of sampling (default 20)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import torch

    from benchmarks.gpu_clock import machine, measure_limits
    from benchmarks.gpu_model import SD15, TINY, write_generator_folder

    shape, device = (TINY if args.tiny else SD15), torch.device(args.device)
    shape = replace(shape, solver=args.solver or shape.solver, steps=args.steps or shape.steps)
    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[args.precision]
    limits = measure_limits(device, dtype, shape.matrix, shape.copied)
    found: dict[str, Any] = {"machine": machine(device), "switches": "all switches" if args.compile else "no switches"}
    found["peak_tflops"], found["bandwidth_gbs"] = limits.operations / 1e12, limits.bytes / 1e9
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if set(args.parts) - {"trials"}:
            generator = write_generator_folder(folder, shape)
            found |= diffusion_parts(generator, folder, shape, args, limits)
        if "trials" in args.parts:
            from benchmarks.gpu_training import measure_trials

            found["trials"] = measure_trials(folder, shape, args.device, limits)
    text = describe(found)
    print(text)
    if args.out:
        args.out.write_text(text)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    if args.rates:
        from benchmarks.gpu_rates import write_measured

        write_measured(args.rates, found, shape, device, args.precision)


def diffusion_parts(generator: Path, folder: Path, shape: Any, args: Any, limits: Any) -> dict[str, Any]:
    """Measure what needs the generator."""
    from benchmarks.gpu_model import write_films
    from benchmarks.gpu_sampling import LEVERS, measure_kinds, measure_levers, measure_writing, or_none
    from benchmarks.gpu_training import control_settings, measure_control
    from scripts.lib.cohort.store import Cohort

    found: dict[str, Any] = {}
    common = (shape, args.device, args.precision, args.repeats)
    if "sampling" in args.parts:
        speed = LEVERS["all"] if args.compile else {}
        found["sampling"] = measure_kinds(generator, *common, limits, speed)
    if "levers" in args.parts:
        micro = args.micro_batch or shape.ours[-2]
        found["micro_batch"], found["levers"] = micro, measure_levers(generator, *common, micro)
        found["writing"] = measure_writing(generator, folder, *common[:3], micro)
    if "controlnet" in args.parts:
        films = Cohort.open(write_films(folder / "films", shape.resolution, max(shape.control)))
        settings = [control_settings(shape, args.device, args.precision, batch) for batch in shape.control]
        rows = [or_none(lambda one=one: measure_control(generator, films, shape, one)) for one in settings]
        found["controlnet"] = [row for row in rows if row]
    return found


def describe(found: dict[str, Any]) -> str:
    """Return the tables, in markdown."""
    from benchmarks.gpu_clock import table

    about = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
    parts = [f"{about}; matrix peak {found['peak_tflops']:.3g} TFLOP/s, memory {found['bandwidth_gbs']:.4g} GB/s\n"]
    if "sampling" in found:
        head = ["condition", "batch", "ours, images/s", "stock, batch 1", "stock, best (batch)", "ratio to best"]
        rows = []
        for one in found["sampling"]:
            batch, ours = max(one["ours"].items(), key=lambda item: item[1])
            at, stock = max(one["stock"].items(), key=lambda item: item[1])
            rows.append([one["kind"], batch, ours, one["stock"].get(1, "-"), f"{stock:.3g} ({at})", ours / stock])
            rows[-1] += [one["share_of_peak"], one["floor"] * 1000, one["operations"] / 1e12, one["peak_gb"]]
        head += ["share of peak", "floor, ms/image", "TFLOP/image", "GB"]
        parts.append(table("Sampling", head, rows))
        rows = [[one["kind"], *(f"{n}: {r:.3g}" for n, r in one["ours"].items())] for one in found["sampling"]]
        widest = max(len(row) for row in rows)
        rows = [row + ["-"] * (widest - len(row)) for row in rows]
        parts.append(table("Batch shape, images/s", ["condition", *["micro-batch: rate"] * (widest - 1)], rows))
    if "levers" in found:
        head = ["sampling.speed", "images/s", "against none", "GB"]
        parts.append(table(f"Switches, text and mask, micro-batch {found['micro_batch']}", head, found["levers"]))
    if "writing" in found:
        rows = [[name, rate, rate / found["writing"][0][1]] for name, rate in found["writing"]]
        parts.append(table("Whole shards, write_behind", ["written", "images/s", "against in turn"], rows))
    if "controlnet" in found:
        rows = [[one["batch"], one["rate"], one["peak_gb"]] for one in found["controlnet"]]
        parts.append(table("ControlNet training, latents cached", ["batch", "samples/s", "GB"], rows))
    if "trials" in found:
        keys = ["model", "batch", "rate", "best", "share_of_peak", "floor_rate", "peak_gb"]
        head = ["model", "batch", "images/s", "best", "share of peak", "floor, images/s", "GB"]
        parts.append(table("Downstream trainings", head, [[one[key] for key in keys] for one in found["trials"]]))
    return "\n".join(parts)


if __name__ == "__main__":
    run(main)
