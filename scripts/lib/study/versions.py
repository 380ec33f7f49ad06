"""Versions of the libraries whose arithmetic a job's result depends on, so that an upgrade is seen as a change."""

from __future__ import annotations

from functools import cache
from importlib import metadata

from scripts.lib.study.fingerprint import imported_modules

ARITHMETIC = {
    "scripts.lib.training": ("torch",),
    "scripts.lib.encoders": ("torch", "transformers"),
    "scripts.lib.generators": ("torch", "diffusers", "transformers"),
    "scripts.lib.generators.conditional": ("monai",),
    "scripts.lib.filters.proxy.model": ("torch", "open-clip-torch", "timm", "transformers"),
    "scripts.lib.mgca": ("torch", "timm", "transformers"),
    "scripts.lib.downstream": ("torch", "torchvision", "timm", "segmentation-models-pytorch"),
}

version = cache(metadata.version)  # looks through the files of the environment each time


@cache
def versions(script: str) -> str:
    """Return e.g. " torch=2.15.0 timm=1.0.31" for a command that uses them, an empty string for one that does not."""
    modules = imported_modules(f"scripts.{script}")
    names = sorted({name for package, names in ARITHMETIC.items() if package in modules for name in names})
    return "".join(f" {name}={version(name)}" for name in names)
