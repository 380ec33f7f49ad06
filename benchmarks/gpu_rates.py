"""The GPU benchmark's numbers as rates of a machine class, for `make plan`: each with the shape that it was measured at."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_ledger import good
from benchmarks.gpu_model import Shape
from benchmarks.measuring import write_rates
from scripts.lib.planning.stages import shape_of
from scripts.lib.study.config import CONFIG_FILE, read_study, with_training

ROOT = Path(__file__).resolve().parents[1]
SOURCE = "python -m benchmarks.gpu, random weights"


def study_like(shape: Shape, precision: str) -> dict[str, Any]:
    """Return the paper's configuration with the networks, sizes and sampling that the benchmark measures.

    The configuration is not checked against its schema: a GPU's machine may have no jsonschema.
    """
    config = with_training(read_study([CONFIG_FILE, ROOT / "studies" / "paper.yaml"]))
    unet, vae = shape.unet, shape.vae
    levels = len(unet["block_out_channels"])
    config["study"]["resolution"] = shape.resolution
    config["base"] |= {"path": None, "text": {"hidden": shape.text["hidden_size"]}}
    config["base"]["unet"] = {
        "channels": list(unet["block_out_channels"]),
        "layers": unet["layers_per_block"],
        "attention": [True] * (levels - 1) + [False],  # diffusers' own default, as in Stable Diffusion
        "heads": unet["attention_head_dim"],
    }
    config["base"]["vae"] = {
        "channels": list(vae["block_out_channels"]),
        "layers": vae["layers_per_block"],
        "latent_channels": 4,
    }
    config["sampling"] |= {"solver": shape.solver, "steps": shape.steps, "precision": precision, "guidance": 7.5}
    config["sampling"]["guidance_interval"] = [0.0, 1.0]
    config["controlnet"] |= {"hint_channels": shape.hint_channels, "gradient_accumulation": 1, "precision": precision}
    return config


def measured(results: Mapping[str, Any], part: str) -> list[Mapping[str, Any]]:
    """Return the measurements of a part that did not fail."""
    return [one for one in results.get(part, []) if good(one)]


def diffusion_rates(results: Mapping[str, Any], shape: Shape, precision: str) -> dict[str, Any]:
    """Return the rates of sample_pool (images a second, by kind and micro-batch) and train_controlnet (steps a second)."""
    config = study_like(shape, precision)
    rates: dict[str, list[dict[str, Any]]] = {}
    for one in results.get("sampling", []):
        for micro, rate in one["ours"].items():
            config["sampling"]["micro_batch"] = micro
            entry = {"unit": f"{one['kind']} image", "per_second": rate, "source": f"{SOURCE}, {results['switches']}"}
            entry["shape"] = shape_of(config, "sample_pool", None, True)
            rates.setdefault("sample_pool", []).append(entry)
    for one in measured(results, "controlnet"):
        config["controlnet"]["batch_size"] = one["batch"]
        entry = {"unit": "step", "per_second": one["rate"] / one["batch"], "source": SOURCE}
        entry["shape"] = shape_of(config, "train_controlnet", None, True)
        rates.setdefault("train_controlnet", []).append(entry)
    return rates


def trial_rates(results: Mapping[str, Any], shape: Shape, precision: str, gpu: bool) -> dict[str, Any]:
    """Return the rates of train_trials: steps a second of each model and batch."""
    config = study_like(shape, precision)
    rates: dict[str, list[dict[str, Any]]] = {}
    for one in measured(results, "trials"):
        settings = one["settings"]
        dataset = next(
            name for name in config["study"]["datasets"] if config["datasets"][name]["task"] == settings["task"]
        )
        config["study"]["resolution"] = one["side"]
        shown = {key: settings[key] for key in ("image_size", "batch_size", "precision", "model")}
        section = config["datasets"][dataset]
        section["trials"] = {**(section.get("trials") or {}), **shown}
        entry = {"unit": "step", "per_second": one["rate"] / one["batch"], "source": SOURCE}
        entry["shape"] = shape_of(config, "train_trials", dataset, gpu)
        rates.setdefault("train_trials", []).append(entry)
    return rates


def write_measured(path: Path, results: Mapping[str, Any], shape: Shape, device: torch.device, precision: str) -> None:
    """Write the rates into a class's file, e.g. benchmarks/rates/h200.yaml; what it holds beside them stays."""
    gpu = device.type == "cuda"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    machine: dict[str, Any] = {"name": path.stem, "cores": os.cpu_count(), "memory_gb": round(memory)}
    machine |= {"date": datetime.date.today().isoformat(), "software": f"torch {torch.__version__}"}
    machine["gpu"] = torch.cuda.get_device_name(device) if gpu else None
    machine["measured_tflops"] = round(results["peak_tflops"], 3)
    rates = diffusion_rates(results, shape, precision) | trial_rates(results, shape, precision, gpu)
    units = {rule: {"units": [{**one, "per_second": float(one["per_second"])} for one in entries]} for rule, entries in rates.items()}  # fmt: skip
    write_rates(path, machine, units)
