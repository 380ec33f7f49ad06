"""Generator folders in diffusers' layout: what is trained lies in them, what is frozen is linked, all of it is fingerprinted.

A foundation folder opens with `StableDiffusionPipeline.from_pretrained`, a generator folder with
`StableDiffusionControlNetPipeline.from_pretrained(folder, safety_checker=None)`. Beside diffusers' files lies

    synthorax.json   resolution, fingerprint, files {path: {bytes, sha256, edges}}, and what the trainer notes
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json
from scripts.lib.core.seeds import content_hash

NOTES = "synthorax.json"
BASE_PARTS = ("vae", "unet", "text_encoder", "tokenizer", "scheduler")
HASHED = ("*.safetensors", "*.json", "*.txt")
EDGE_BYTES = 65536
CLASSES = {
    "vae": ("diffusers", "AutoencoderKL"),
    "unet": ("diffusers", "UNet2DConditionModel"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "tokenizer": ("transformers", "CLIPTokenizer"),
    "scheduler": ("diffusers", "DPMSolverMultistepScheduler"),
    "controlnet": ("diffusers", "ControlNetModel"),
}
ABSENT_PARTS = ("feature_extractor", "image_encoder", "safety_checker")


def write_model_index(folder: Path, pipeline: str, classes: Mapping[str, Sequence[str]]) -> None:
    """Write model_index.json, from which diffusers knows the class of each part."""
    from diffusers import __version__

    index: dict[str, Any] = {"_class_name": pipeline, "_diffusers_version": __version__}
    index |= {part: list(names) for part, names in sorted(classes.items())}
    index |= {part: [None, None] for part in ABSENT_PARTS} | {"requires_safety_checker": False}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def read_model_index(folder: Path) -> dict[str, Any]:
    """Return model_index.json of a foundation or generator folder; raises InputError when a part is not usable."""
    path = Path(folder) / "model_index.json"
    index = read_json(path, "a model folder in diffusers format")
    for part in (*BASE_PARTS, *(["controlnet"] if "controlnet" in index else [])):
        if not (Path(folder) / part).is_dir():
            raise InputError(
                f"{folder}: no folder {part}/; expected {', '.join(BASE_PARTS)} of a Stable Diffusion model"
            )
        entry = index.get(part)
        given = entry[1] if isinstance(entry, list) and len(entry) == 2 else entry
        if part != "scheduler" and str(given).removesuffix("Fast") != CLASSES[part][1]:
            raise InputError(f"{path}: {part} is of class {given}, but only {CLASSES[part][1]} is supported")
    return index


def link_parts(folder: Path, target: Path, base: Path, parts: Sequence[str] | Mapping[str, str] = BASE_PARTS) -> None:
    """Link the base's parts into `folder`, which will be published as `target`; links of the base are followed.

    A mapping gives {name in `folder`: name in the base}.

    Links are relative when a part lies beside the target, so that a results tree can be moved, else absolute.
    """
    home = target.parent.resolve()
    for part in parts:
        source = (base / (parts[part] if isinstance(parts, Mapping) else part)).resolve()
        near = home in source.parents
        (folder / part).symlink_to(os.path.relpath(source, home / target.name) if near else source)


def describe_files(folder: Path, parts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return {path: {bytes, sha256, edges}} of the weights and configurations of `parts`."""
    files = {}
    for part in parts:
        for pattern in HASHED:
            for file in sorted((folder / part).glob(pattern)):
                try:
                    files[f"{part}/{file.name}"] = _described_file(file)
                except OSError as error:  # a link into a cache that is gone, a folder, rights
                    raise InputError(f"{file}: not readable ({error.strerror}); get a true copy") from None
    return files


def _described_file(file: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
    return {"bytes": file.stat().st_size, "sha256": digest.hexdigest(), "edges": _edges(file)}


def fingerprint_of(files: Mapping[str, Mapping[str, Any]]) -> str:
    """Return 16 hex digits of the content of all files: the generator's part in an image's identity."""
    return content_hash(*(f"{path} {files[path]['sha256']}" for path in sorted(files)))


def _edges(file: Path) -> str:
    """Return the SHA-256 of a file's first and last 64 KiB: a quick look that sees another training's weights."""
    with file.open("rb") as stream:
        start = stream.read(EDGE_BYTES)
        stream.seek(max(0, file.stat().st_size - EDGE_BYTES))
        return hashlib.sha256(start + stream.read()).hexdigest()


def write_notes(folder: Path, files: Mapping[str, Mapping[str, Any]], **notes: Any) -> str:
    """Write synthorax.json and return the fingerprint."""
    fingerprint = fingerprint_of(files)
    content = {**notes, "fingerprint": fingerprint, "files": dict(files)}
    (folder / NOTES).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    return fingerprint


def read_notes(folder: Path) -> dict[str, Any] | None:
    """Return synthorax.json after a quick check of every file it names; None when a base comes from elsewhere.

    Raises InputError when a file is gone or is not the one the fingerprint was made from.
    """
    path = Path(folder) / NOTES
    if not path.is_file():
        return None
    notes = read_json(path, "the notes of a generator")
    files = notes.get("files")
    whole = isinstance(notes.get("resolution"), int) and isinstance(notes.get("fingerprint"), str)
    if not whole or not isinstance(files, dict) or not all(_described(known) for known in files.values()):
        raise InputError(f"{path}: resolution, fingerprint or files are missing; remake this generator")
    for name, known in files.items():
        file = Path(folder) / name
        if not file.is_file():
            raise InputError(f"{file}: gone, but {path} was made with it; remake this generator")
        if file.stat().st_size != known["bytes"] or _edges(file) != known["edges"]:
            raise InputError(f"{file}: not the file that {path} was made with; remake this generator")
    return notes


def _described(known: Any) -> bool:
    return isinstance(known, dict) and {"bytes", "sha256", "edges"} <= set(known)


def base_notes(folder: Path) -> dict[str, Any]:
    """Return the notes of a foundation model; for one from elsewhere they are made here (its weights are read once)."""
    folder = Path(folder)
    read_model_index(folder)
    notes = read_notes(folder)
    if notes is not None:
        return notes
    files = describe_files(folder, BASE_PARTS)
    return {"resolution": _resolution(folder), "fingerprint": fingerprint_of(files), "files": files}


def _resolution(folder: Path) -> int:
    """Return the side of a foundation model's images in pixels; diffusers writes the latents' side as one number or two."""
    path = folder / "unet" / "config.json"
    side = read_json(path, "the configuration of a UNet2DConditionModel").get("sample_size")
    sides = side if isinstance(side, list) and len(side) == 2 else [side, side]
    if any(not isinstance(one, int) or isinstance(one, bool) or one < 1 for one in sides) or sides[0] != sides[1]:
        raise InputError(f"{path}: sample_size = {side!r}; expected the side of square latents, e.g. 64 or [64, 64]")
    path = folder / "vae" / "config.json"
    widths = read_json(path, "the configuration of an AutoencoderKL").get("block_out_channels")
    if not isinstance(widths, list) or not widths:
        raise InputError(f"{path}: block_out_channels = {widths!r}; expected a list of widths, one a level")
    return sides[0] * 2 ** (len(widths) - 1)
