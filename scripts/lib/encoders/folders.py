"""Loading networks from a diffusers folder: safetensors only, complete, of the right shapes and finite, or one clear line."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
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
            with safe_open(file, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"{file}: not a safetensors file, though its name says so ({_one_line(error)}); get a true copy"
            ) from None
    return files


def load_network(kind: type[Network], folder: Path) -> Network:
    """Return the network of class `kind` stored in `folder`, on the CPU in float32, in evaluation mode.

    Weights of half precision (`*.fp16.safetensors`) serve where there are no others. Raises InputError when config.json is
    none, keys are missing, shapes differ, or a weight is not finite.
    """
    read_json(folder / "config.json", f"the configuration of a {kind.__name__}")
    options: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "output_loading_info": True}
    options["variant"] = _variant(weight_files(kind, folder))
    if kind.__module__.startswith("diffusers"):
        options["low_cpu_mem_usage"] = False
    try:
        with _quiet():
            # diffusers and transformers give it to all of their classes, which have only torch's own in common.
            network, report = kind.from_pretrained(folder, dtype=torch.float32, **options)  # type: ignore[attr-defined]
    except Exception as error:  # a class raises whatever a wrong value in its configuration leads to
        raise InputError(f"{folder}: the weights do not fit config.json: {_one_line(error)}") from None
    for fault in ("missing_keys", "mismatched_keys", "error_msgs"):
        found = sorted(str(entry) for entry in report.get(fault) or [])
        if found:
            count = len(found)
            raise InputError(
                f"{folder}: {count} {fault.replace('_', ' ')}, e.g. {found[0]}; weights and config.json differ"
            )
    for name, parameter in network.named_parameters():
        if not torch.isfinite(parameter).all():
            raise InputError(f"{folder}: weight {name} holds NaN or infinite numbers; get a true copy or train anew")
    return network.eval()


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
