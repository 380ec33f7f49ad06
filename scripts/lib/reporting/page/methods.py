"""How the study was made, in sentences, and what it was made with: from its configuration alone, and the installed packages."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from scripts.lib.reporting.arm_words import shown_how
from scripts.lib.reporting.page.names import Names
from scripts.lib.reporting.page.words import count, listed, number, percent, sentence
from scripts.lib.study.arms import arm_of
from scripts.lib.study.confounder import counts_passes

ROOT = Path(__file__).resolve().parents[4]
PACKAGES = (
    *("snakemake", "torch", "torchvision", "diffusers", "transformers", "timm", "segmentation-models-pytorch"),
    *("open-clip-torch", "numpy", "pandas", "scipy", "statsmodels", "scikit-learn", "pydicom", "pillow", "matplotlib"),
)
PHANTOM = "phantom"
MASKS = {"generated": ", made for masks from words", "shuffled": ", made for real masks put together at random"}


def phantoms(config: Mapping[str, Any]) -> list[str]:
    """Return the datasets of the study whose films are drawn by the workflow itself."""
    return [name for name in films_of_study(config) if config["datasets"][name].get("root") == PHANTOM]


def films_of_study(config: Mapping[str, Any]) -> list[str]:
    """Return the datasets that a study learns from, or tests on."""
    study = config["study"]
    return list(dict.fromkeys([*study["datasets"], *study["foundation"], study["generator_dataset"]]))


def methods(config: Mapping[str, Any], names: Names) -> list[str]:
    """Return the sentences that say what was done."""
    study, trials, statistics = config["study"], config["trials"], config["statistics"]
    datasets = [names.dataset(name) for name in study["datasets"]]
    fractions = listed([percent(fraction) for fraction in study["fractions"]])
    used = {float(fraction) for fraction in study["fractions"]}
    amounts = sorted({v for key, many in study["multipliers"].items() if float(key) in used for v in many if v})
    said = [
        f"Downstream models were trained and tested on {listed(datasets)}, with {fractions} of their real training films, "
        f"drawn by patient, and {count(study['trials'], 'trial')} each",
        f"Beside real films alone, models learned from real films with {listed(amounts, 'or')} {'image' if amounts == [1] else 'images'} "
        "per film"
        if amounts
        else "No images were added",
        *(_arm(config, name, names) for name in study["arms"]),
    ]
    steps = [name for name in study["datasets"] if not counts_passes(config, name)]
    if len(steps) == len(study["datasets"]):
        said.append("With the same real films, models with and without images make the same number of optimizer steps")
    else:
        epochs = [names.dataset(name) for name in study["datasets"] if name not in steps]
        said.append(
            f"Trainings of {listed(epochs)} are counted in passes over all films, so more images are more steps"
        )
    said.append(
        f"A difference is decided where its two-sided 95 % interval leaves out 0 and its corrected P value is below "
        f"{statistics['alpha']:g}; a difference of {number(statistics['power']['difference'])} and more counts as one that matters"
    )
    said.append(f"Trials with the same number share their real films and seed; the study's seed is {study['seed']}")
    if trials.get("external"):
        said.append("Models were also tested on test films of other cohorts")
    if any(trials.get("images", {}).get(name) for name in study["datasets"]):
        said.append(
            "Models were also tested on synthetic images of another trial, whose truth is what they were asked to show"
        )
    return [sentence(text) for text in said]


def _arm(config: Mapping[str, Any], name: str, names: Names) -> str:
    arm = arm_of(config, name)
    if arm.generator:
        kept = f", of which the filter {arm.filter.name} keeps a part" if arm.filter else ""
        made = MASKS.get(arm.masks, "")
        said = f"Arm {name} adds images of the generator {arm.generator.name}{made}{kept}"
    else:
        said = f"Arm {name} adds {names.added(name)} (source: {arm.source.name})"
    return said + shown_how(config, name)


def versions() -> dict[str, str]:
    """Return {package: version} of what computes, with Python and the operating system first."""
    known = {"Python": platform.python_version(), "operating system": f"{platform.system()} {platform.machine()}"}
    for name in ("synthorax", *PACKAGES):
        try:
            known[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return known


def commit() -> str:
    """Return the commit of the code, with "and changes" where files differ from it; "" where that is not known."""
    if not (ROOT / ".git").exists():
        return ""
    try:
        head = _git("rev-parse", "HEAD")
        dirty = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return ""
    return (
        head + (" and changes that are not committed" if dirty else "") if re.fullmatch("[0-9a-f]{40,64}", head) else ""
    )


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()
