"""Speed on a GPU, each number with its floor: sampling against diffusers' stock pipeline, and the trainings.

Models have the shapes of Stable Diffusion 1.5, ResNet-50 and UNet++ with random weights; nothing is downloaded. Each number
is stored in --json as soon as it is measured; a run with the same file goes on where the last one ended, so that no
command has to be long. What fails on a machine becomes a row with the reason.

    python -m benchmarks.gpu --folder /tmp/gpu --json gpu.json --out gpu.md --seconds 420
    python -m benchmarks.gpu --folder /tmp/gpu --json gpu.json --out gpu.md --rates benchmarks/rates/h200.yaml
    python -m benchmarks.gpu --parts sampling --solver unipc --steps 75 --rates benchmarks/rates/h200.yaml
    python -m benchmarks.gpu --parts levers --levers "compile: blocks" all --micro-batch 16
    python -m benchmarks.gpu --device cpu --tiny            # no measurement: proves that it runs
"""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import make_parser, run, set_threads

PARTS = ("sampling", "levers", "profile", "writing", "controlnet", "trials")
KINDS = ("both", "text", "mask")


def add_options(parser: ArgumentParser) -> None:
    """Add what is measured, on what, and where it is written."""
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu (default cuda)")
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16", help="of the networks (default bf16)")
    parser.add_argument("--tiny", action="store_true", help="models of a few weights, for a test")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what is measured (default all)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="of sampling (default all)")
    parser.add_argument("--ours", nargs="*", type=int, help="micro-batches of our sampler (default 1 to 32)")
    parser.add_argument("--stock", nargs="*", type=int, help="batches of the stock pipeline (default 1 to 32)")
    parser.add_argument("--compiled", nargs="*", type=int, help="batches of both with compiled networks (default 16)")
    parser.add_argument("--levers", nargs="+", help="names of levers, beside none (default all)")
    parser.add_argument("--micro-batch", type=int, help="micro-batch of the levers (default the largest but one)")
    parser.add_argument("--all-switches", action="store_true", help="part sampling with every switch on")
    parser.add_argument("--repeats", type=int, default=3, help="measured calls (default 3)")
    parser.add_argument("--warm", type=int, default=2, help="calls before these (default 2)")
    parser.add_argument("--seconds", type=float, help="begin no measurement later than this (default no limit)")
    parser.add_argument("--folder", type=Path, help="where models and films are kept for the next run, 6 GB")
    parser.add_argument("--out", type=Path, help="tables (.md; default: printed)")
    parser.add_argument("--json", type=Path, help="all measurements (.json), gone on with if it is there")
    parser.add_argument("--rates", type=Path, help="rates of this machine's class, for make plan (.yaml)")
    parser.add_argument("--solver", help="of sampling (default dpmsolver++)")
    parser.add_argument("--steps", type=int, help="of sampling (default 20)")


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_options(parser)
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import torch

    from benchmarks.gpu_clock import Limits, machine, measure_limits
    from benchmarks.gpu_ledger import Ledger, good
    from benchmarks.gpu_model import SD15, TINY
    from benchmarks.gpu_tables import describe

    shape, device = (TINY if args.tiny else SD15), torch.device(args.device)
    shape = replace(shape, solver=args.solver or shape.solver, steps=args.steps or shape.steps)
    given = {key: getattr(args, key) for key in ("ours", "stock", "compiled")}
    shape = replace(shape, **{key: batches for key, batches in given.items() if batches is not None})
    if device.type == "cpu":  # for a check that true shapes fit and run: the GPU's sizes would take minutes
        shape = replace(shape, matrix=min(shape.matrix, 1024), copied=min(shape.copied, 2**26))
    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[args.precision]
    about = {"machine": machine(device), "precision": args.precision, "tiny": args.tiny}
    ledger = Ledger(args.json, {**about, "solver": shape.solver, "steps": shape.steps}, args.seconds)
    peaks = ledger.measure("limits", lambda: asdict(measure_limits(device, dtype, shape.matrix, shape.copied)))
    if peaks is None or not good(peaks):
        raise InputError(f"--device {args.device}: {(peaks or {}).get('failed', 'no time')}; choose another device")
    limits = Limits(**peaks)
    results: dict[str, Any] = {"machine": about["machine"], "left": ledger.left}
    results["switches"] = "all switches" if args.all_switches else "no switches"
    results["peak_tflops"], results["bandwidth_gbs"] = limits.operations / 1e12, limits.bytes / 1e9
    with tempfile.TemporaryDirectory() as name:
        folder = (args.folder or Path(name)) / ("tiny" if args.tiny else "sd15")
        folder.mkdir(parents=True, exist_ok=True)
        for part in args.parts:
            results |= measure_part(part, folder, shape, args, ledger, limits)
            if args.out:
                args.out.write_text(describe(results))
    print(describe(results))
    if args.rates:
        from benchmarks.gpu_rates import write_measured

        write_measured(args.rates, results, shape, device, args.precision)


def measure_part(part: str, folder: Path, shape: Any, args: Namespace, ledger: Any, limits: Any) -> dict[str, Any]:
    """Return the numbers of one part of the benchmark."""
    from benchmarks.gpu_training import measure_controls, measure_trials

    if part == "trials":
        return {part: measure_trials(ledger, folder, shape, args.device, args.precision, limits)}
    from benchmarks.gpu_levers import ALL
    from benchmarks.gpu_model import write_generator_folder
    from benchmarks.gpu_sampling import Bench, measure_kinds, measure_levers, measure_writing, profile_switches

    generator = write_generator_folder(folder, shape)
    if part == "controlnet":
        return {part: measure_controls(ledger, generator, folder, shape, args.device, args.precision)}
    bench = Bench(generator, shape, args.device, args.precision, args.repeats, args.warm)
    micro = args.micro_batch or shape.ours[-2:][0]
    if part == "sampling":
        return {part: measure_kinds(ledger, bench, args.kinds, limits, ALL if args.all_switches else {})}
    if part == "profile":
        return {part: profile_switches(ledger, bench, micro)}
    if part == "writing":
        return {part: measure_writing(ledger, bench, folder, micro)}
    return {part: measure_levers(ledger, bench, micro, args.levers), "micro_batch": micro}


if __name__ == "__main__":
    run(main)
