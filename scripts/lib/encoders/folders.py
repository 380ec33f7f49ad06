"""Loading networks from a diffusers folder: safetensors only, whole, of the right shapes and finite, or one clear line."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from transformers.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
# As diffusers and transformers name files: stem, part, variant, in the old order or the new.
VARIANT = re.compile(r"(?:diffusion_pytorch_)?model(?:-\d+-of-\d+)?(?:\.(\w+))?(?:-\d+-of-\d+)?\.safetensors")

ROUNDED = frozenset({"I8", "U8"})  # as quantized models are stored; positions and counters are of 64 bits

Network = TypeVar("Network", bound=torch.nn.Module)


def weight_files(kind: type[torch.nn.Module], folder: Path) -> list[Path]:
    """Return the safetensors files of a network of class `kind`.

    Raises InputError when there are none, or one of them is something else.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickles = ", ".join(sorted(file.name for pattern in PICKLES for file in folder.glob(pattern)))
        if not pickles:
            raise InputError(f"{folder}: no weights; expected *.safetensors")
        name = kind.__name__
        raise InputError(
            f"{folder}: only pickled weights ({pickles}), which can run code; where you trust their source, convert them: "
            f'python -c "from {kind.__module__.split(".")[0]} import {name}; '
            f"{name}.from_pretrained('{folder}', use_safetensors=False).save_pretrained('{folder}')\""
        )
    for file in files:
        try:
            with safe_open(file, framework="pt") as opened:
                kinds = {opened.get_slice(name).get_dtype(): name for name in opened.keys()}  # noqa: SIM118 - no mapping
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"{file}: not a safetensors file, though its name says so ({_one_line(error)}); get a true copy"
            ) from None
        for whole in ROUNDED & kinds.keys():
            raise InputError(
                f"{file}: {kinds[whole]} holds whole numbers ({whole}), so these weights are quantized; get the model in "
                f"half or single precision"
            )
    for index in sorted(folder.glob("*.safetensors.index*.json")):
        placed = read_json(index, "the files that hold each weight").get("weight_map")
        if not isinstance(placed, dict) or not all(isinstance(name, str) for name in placed.values()):
            raise InputError(f"{index}: no weight_map of {{weight: file}}; get a true copy")
        if gone := sorted(name for name in set(placed.values()) if not (folder / name).is_file()):
            raise InputError(f"{index}: names {gone[0]}, which is not in {folder}; get a true copy")
    return files


def load_network(kind: type[Network], folder: Path, **form: object) -> Network:
    """Return the network of class `kind` stored in `folder`, on the CPU in float32, in evaluation mode.

    Weights of half precision (`*.fp16.safetensors`) serve where there are no others. `form` changes what the class makes of
    config.json. Raises InputError when config.json is none, keys are missing or left over, shapes differ, weights are rounded
    to whole numbers, or one is not finite.
    """
    read_json(folder / "config.json", f"the configuration of a {kind.__name__}")
    options: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "output_loading_info": True, **form}
    options["variant"] = _variant(weight_files(kind, folder))
    options["ignore_mismatched_sizes"] = True  # they are told below, by name
    if kind.__module__.startswith("diffusers"):
        options["low_cpu_mem_usage"] = False
    try:
        with _quiet():
            # diffusers and transformers give it to all of their classes, which have only torch's own in common.
            network, report = kind.from_pretrained(folder, dtype=torch.float32, **options)  # type: ignore[attr-defined]
    except Exception as error:  # a class raises whatever a wrong value in its configuration leads to
        raise InputError(f"{folder}: the weights do not fit config.json: {_one_line(error)}") from None
    _check_report(folder, network, report)
    for name, parameter in network.named_parameters():
        if not torch.isfinite(parameter).all():
            raise InputError(f"{folder}: weight {name} holds NaN or infinite numbers; get a true copy or train anew")
    return network.eval()


def _check_report(folder: Path, network: torch.nn.Module, report: dict[str, Any]) -> None:
    """Raise InputError where weights and configuration differ; `report` is the library's own, of {fault: keys}."""
    shapes = [f"{name} is {list(given)} instead of {list(wanted)}" for name, given, wanted in report["mismatched_keys"]]
    faults = {"missing keys": report["missing_keys"], "weights of another shape": shapes}
    faults |= {"weights left over": _left_over(network, report["unexpected_keys"]), "errors": report["error_msgs"]}
    for fault, keys in faults.items():
        if keys:
            first = min(_one_line(key) for key in keys)
            raise InputError(f"{folder}: {len(keys)} {fault}, e.g. {first}; weights and config.json differ")


def _left_over(network: torch.nn.Module, unexpected: Iterable[str]) -> list[str]:
    """Return the weights that the network should have a place for: all, but of a text encoder only those of its own parts.

    A whole CLIP or BERT has other parts beside it (text_projection, cls), under its parts' own names or a prefix.
    """
    if type(network).__module__.startswith("diffusers"):
        return list(unexpected)
    own = {name for name, _ in network.named_children()}
    prefix = getattr(network, "base_model_prefix", "")
    return [name for name in unexpected if name.removeprefix(f"{prefix}.").split(".")[0] in own]


def _variant(files: list[Path]) -> str | None:
    """Return the variant that these files are stored as (fp16), None for the plain ones, which come first."""
    found = {match[1] for file in files if (match := VARIANT.fullmatch(file.name))}
    if None in found or not found:
        return None
    if len(found) > 1 and "fp16" not in found:
        raise InputError(f"{files[0].parent}: weights of variants {sorted(found)}; keep one of them")
    return "fp16" if "fp16" in found else found.pop()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' many-line reports of a faulty file out of the log; the InputError says it in one line."""
    before, bars = logging.root.manager.disable, is_progress_bar_enabled()
    logging.disable(logging.ERROR)
    disable_progress_bar()
    try:
        yield
    finally:
        logging.disable(before)
        if bars:
            enable_progress_bar()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
