"""The folder of a class-conditional model: weights as safetensors beside the notes that say how its networks are built.

autoencoder.safetensors   weights of monai.networks.nets.AutoencoderKL
unet.safetensors          weights of monai.networks.nets.DiffusionModelUNet, the running mean of its training
synthorax.json            kind, classes, resolution, scaling, schedule, autoencoder and unet (arguments of these classes),
                          fingerprint, files {name: {bytes, sha256, edges}}
learned_from.parquet      the films that taught it
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.core.seeds import content_hash
from scripts.lib.generators.conditional.networks import build_autoencoder, build_unet
from scripts.lib.generators.conditional.training import ClassModelParts
from scripts.lib.generators.controlled.layout import NOTES, describe_files, read_notes, write_notes
from scripts.lib.generators.solvers import noise_schedule

KIND = "class-ldm"
CODER_KIND = "class-autoencoder"
WEIGHTS = {"autoencoder": "autoencoder.safetensors", "unet": "unet.safetensors"}


def write_model(folder: Path, parts: ClassModelParts, names: list[str], resolution: int) -> str:
    """Write weights and notes of a model into `folder`; return its fingerprint."""
    for part, file in WEIGHTS.items():
        _save(getattr(parts, part), folder / file)
    form = {
        "classes": names,
        "resolution": resolution,
        "scaling": parts.scaling,
        "schedule": dict(parts.schedule),
        "autoencoder": dict(parts.autoencoder_form),
        "unet": dict(parts.unet_form),
    }
    fingerprint = write_notes(folder, _weights(folder), kind=KIND, **form)
    log(f"class-conditional model {fingerprint}: {resolution} pixels, classes {', '.join(names)}")
    return fingerprint


def write_autoencoder(folder: Path, network: Any, form: Mapping[str, Any], resolution: int) -> str:
    """Write the weights and the form of an autoencoder alone; return its fingerprint."""
    _save(network, folder / WEIGHTS["autoencoder"])
    return write_notes(folder, _weights(folder), kind=CODER_KIND, resolution=resolution, autoencoder=dict(form))


def open_autoencoder(folder: Path) -> tuple[Any, dict[str, Any], str]:
    """Return the autoencoder of a folder, on the CPU, its form and its fingerprint; raises InputError for any fault."""
    path = Path(folder) / NOTES
    notes = read_notes(folder)
    if notes is None or "autoencoder" not in notes:
        raise InputError(f"{path}: no notes of an autoencoder; expected a folder of train_class_autoencoder")
    form = notes["autoencoder"]
    network = _load(Path(folder) / WEIGHTS["autoencoder"], build_autoencoder, form, path)
    return network, form, notes["fingerprint"]


def _save(network: Any, file: Path) -> None:
    from safetensors.torch import save_file

    weights = network.to("cpu", memory_format=torch.contiguous_format).state_dict()
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, file)


def _weights(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the description of the safetensors of a folder."""
    files = describe_files(folder, ["."])
    return {Path(name).name: known for name, known in files.items() if name.endswith(".safetensors")}


def open_model(folder: Path) -> tuple[dict[str, Any], Any, Any]:
    """Return notes, autoencoder and U-Net of a folder, on the CPU in float32; raises InputError with one line for any fault."""
    path = Path(folder) / NOTES
    notes = read_notes(folder)
    if notes is None:
        raise InputError(f"{path}: no such file; expected the folder of a class-conditional model")
    if missing := [key for key in ("classes", "scaling", "schedule", *WEIGHTS) if key not in notes]:
        raise InputError(f"{path}: {', '.join(missing)} missing; expected the notes of a class-conditional model")
    if not isinstance(notes["scaling"], float) or not notes["scaling"] > 0:
        raise InputError(f"{path}: scaling = {notes['scaling']!r}; expected a number above 0")
    notes["schedule"] = noise_schedule(notes["schedule"], str(path))
    build = {"autoencoder": build_autoencoder, "unet": build_unet}
    networks = [_load(Path(folder) / file, build[part], notes[part], path) for part, file in WEIGHTS.items()]
    return notes, networks[0], networks[1]


def _load(file: Path, build: Any, form: Mapping[str, Any], notes: Path) -> Any:
    """Return a network of this form with the weights of a file; raises InputError where they do not go together."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        network = build(form)
    except (TypeError, ValueError) as error:
        raise InputError(f"{notes}: {file.stem}: {' '.join(str(error).split())[:200]}") from None
    try:
        network.load_state_dict(load_file(file))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(f"{file}: not the weights of {notes} ({' '.join(str(error).split())[:200]})") from None
    return network.requires_grad_(False).eval()


def fingerprint(notes: Mapping[str, Any]) -> str:
    """Return the hash of weights and forms: the model's part in an image's identity."""
    form = [f"{key} {notes[key]}" for key in ("classes", "scaling", "schedule", "autoencoder", "unet")]
    return content_hash(notes["fingerprint"], *form)
