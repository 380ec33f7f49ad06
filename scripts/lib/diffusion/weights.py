"""Loading networks from a diffusers folder: safetensors only, complete, of the right shapes and finite, or one clear line."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from transformers.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

from scripts.lib.errors import InputError

Network = TypeVar("Network", bound=torch.nn.Module)


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of one network; raises InputError when there are none or one is something else."""
    files = sorted(folder.glob("*.safetensors"))
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder}: no config.json; expected one part of a model in diffusers format")
    if not files:
        pickles = ", ".join(sorted(file.name for file in folder.glob("*.bin")))
        found = f"only pickled weights ({pickles}), which can run code" if pickles else "no weights"
        raise InputError(
            f"{folder}: {found}; expected *.safetensors: load and save the model once with safe_serialization"
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

    Raises InputError when keys are missing, shapes differ, or a weight is not finite.
    """
    weight_files(folder)
    options: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "output_loading_info": True}
    if kind.__module__.startswith("diffusers"):
        options["low_cpu_mem_usage"] = False
    try:
        with _quiet():
            network, report = kind.from_pretrained(folder, dtype=torch.float32, **options)
    except (RuntimeError, ValueError, OSError, KeyError, TypeError, SafetensorError) as error:
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
