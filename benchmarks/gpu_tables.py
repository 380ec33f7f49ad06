"""The numbers of the GPU benchmark as markdown tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.gpu_clock import table

NONE = "-"


def describe(results: Mapping[str, Any]) -> str:
    """Return the tables of the parts that were measured."""
    about = ", ".join(f"{key} {value}" for key, value in results["machine"].items())
    head = f"{about}; matrix peak {results['peak_tflops']:.3g} TFLOP/s, memory {results['bandwidth_gbs']:.4g} GB/s\n"
    parts = [head, *(make(results) for part, make in PARTS.items() if results.get(part))]
    if results.get("left"):
        parts.append(f"No time was left for: {', '.join(results['left'])}. Run again with the same --json.\n")
    return "\n".join(parts)


def _sampling(results: Mapping[str, Any]) -> str:
    head = ["condition", "batch", "ours, images/s", "stock, batch 1", "stock, best (batch)", "ratio to best"]
    head += ["share of peak", "floor, ms/image", "TFLOP/image", "GB"]
    rows = []
    for one in results["sampling"]:
        at, ours = _best(one["ours"])
        batch, stock = _best(one["stock"])
        row = [one["kind"], at, ours, one["stock"].get(1, NONE), f"{stock:.3g} ({batch})" if stock else NONE]
        row += [ours / stock if ours and stock else NONE, one.get("share_of_peak", NONE)]
        row += [one["floor"] * 1000 if "floor" in one else NONE, one["operations"] / 1e12, one.get("peak_gb", NONE)]
        rows.append(row)
    shapes = [
        [one["kind"], who, *(f"{count}: {rate:.3g}" for count, rate in one[who].items())]
        for one in results["sampling"]
        for who in ("ours", "stock")
    ]
    shapes += [
        [one["kind"], f"{who}, compiled", *(f"{count}: {rate:.3g}" for count, rate in rates.items())]
        for one in results["sampling"]
        for who, rates in one["compiled"].items()
        if rates
    ]
    widest = max(len(row) for row in shapes)
    shapes = [row + [NONE] * (widest - len(row)) for row in shapes]
    text = table("Sampling", head, rows)
    text += "\n" + table("Batch shape, images/s", ["condition", "whose", *["batch: rate"] * (widest - 2)], shapes)
    failed = [[one["kind"], what, why] for one in results["sampling"] for what, why in one.get("failed", {}).items()]
    return text + ("\n" + table("Not measured", ["condition", "batch", "failed"], failed) if failed else "")


def _best(rates: Mapping[int, float]) -> tuple[Any, Any]:
    return max(rates.items(), key=lambda item: item[1]) if rates else (NONE, None)


def _levers(results: Mapping[str, Any]) -> str:
    head = ["lever", "images/s", "against none", "GB"]
    return table(f"Levers, text and mask, micro-batch {results['micro_batch']}", head, results["levers"])


def _writing(results: Mapping[str, Any]) -> str:
    return table("A whole shard, made and written", ["images/s"], [_or_failed(results["writing"], ["rate"])])


def _profile(results: Mapping[str, Any]) -> str:
    rows = []
    for one in results["profile"]:
        if "failed" in one:
            rows.append([one["switches"], f"failed: {one['failed']}", NONE, NONE])
            continue
        total = sum(one["kinds"].values())
        for level in ("kinds", "kernels"):
            rows += [
                [one["switches"], name.replace("|", "/")[:90], 1000 * seconds / one["micro_batch"], seconds / total]
                for name, seconds in one[level].items()
            ]
    return table("Where the time goes, text and mask", ["switches", "work, then kernels", "ms an image", "share"], rows)


def _controlnet(results: Mapping[str, Any]) -> str:
    rows = [[one["batch"], *_or_failed(one, ["rate", "peak_gb"])] for one in results["controlnet"]]
    return table("ControlNet training, latents cached", ["batch", "samples/s", "GB"], rows)


def _trials(results: Mapping[str, Any]) -> str:
    keys = ["rate", "best", "share_of_peak", "floor_rate", "peak_gb"]
    head = ["model", "batch", "images/s", "best", "share of peak", "floor, images/s", "GB"]
    return table(
        "Downstream trainings",
        head,
        [[one["model"], one["batch"], *_or_failed(one, keys)] for one in results["trials"]],
    )


def _or_failed(one: Mapping[str, Any], keys: list[str]) -> list[Any]:
    if "failed" in one:
        return [f"failed: {one['failed']}", *[NONE] * (len(keys) - 1)]
    return [one[key] for key in keys]


PARTS = {
    "sampling": _sampling,
    "levers": _levers,
    "profile": _profile,
    "writing": _writing,
    "controlnet": _controlnet,
    "trials": _trials,
}
