"""Judges: models of real films alone that say what an image shows, to be held against what it was asked to show.

A judge is no model of a trial. It learns from films that no trial is tested on, and a part of their patients is held out: what it
finds on these is the floor of what it finds on images.

    results/judges/{judge}/
      model.safetensors     its weights
      judge.json            kind (labels | masks), names, settings, resolution, seed
      learned_from.parquet  the films that taught it, and those held out, which set thresholds (role `thresholds`)
      held.parquet          what it finds on the films held out (fidelity/agreement.py says in which columns)
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import derive_seed
from scripts.lib.downstream.data import Films, films_of
from scripts.lib.downstream.models import Network, build_model
from scripts.lib.downstream.training import Material, Training
from scripts.lib.fidelity.chosen import hashes
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement

LABELS, STRUCTURE = "labels", "masks"  # kinds
WEIGHTS, ABOUT, HELD = "model.safetensors", "judge.json", "held.parquet"
TEST = "test"


@dataclass(frozen=True)
class Judge:
    """A model of real films: `names` are the labels of its logits, or the one structure that it finds."""

    model: Network
    names: list[str]
    settings: Mapping[str, Any]
    resolution: int

    @property
    def masks(self) -> bool:
        """Whether it finds a structure's mask."""
        return bool(self.settings["task"] == "segmentation")


def held_out(cohort: Cohort, rows: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return rows to learn from and rows held out, of different patients: `share` of them, those with the lowest hash."""
    patients = cohort.index["patient_id"].fillna(cohort.index["image_id"]).iloc[rows].to_numpy(dtype=str)
    names = np.unique(patients)
    order = names[np.argsort(hashes(list(names), "judge"), kind="stable")]
    held = np.isin(patients, order[: max(1, round(share * len(names)))])
    return rows[~held], rows[held]


def judge_rows(cohort: Cohort, split: str, kind: str, most: int) -> np.ndarray:
    """Return the rows of a split that teach a judge and test it, at most `most`, those with the lowest hash.

    Raises InputError for the test split, or a split without films.
    """
    if split == TEST:
        raise InputError("faithfulness.sources: trials are tested on films of split test; name another split")
    rows = cohort.rows(split=split)
    if not len(rows):
        raise InputError(f"{cohort.folders[0]}: no film of split {split}, so no judge can learn from them; correct faithfulness.sources")  # fmt: skip
    if kind == STRUCTURE and not cohort.has_masks:
        raise InputError(f"{cohort.folders[0]}: no masks, so no judge of masks can learn from them; correct faithfulness.sources")  # fmt: skip
    order = np.argsort(hashes(cohort.index["image_id"].iloc[rows].tolist(), "judge films"), kind="stable")
    return np.sort(rows[order[:most]])


def told_labels(cohort: Cohort, rows: np.ndarray) -> list[str]:
    """Return the labels of which these films have both classes; raises InputError where there is none."""
    found = [name for name in cohort.labels if cohort.index[name].iloc[rows].nunique() == 2]
    if not found:
        raise InputError(
            f"{cohort.folders[0]}: no label of {cohort.labels} has films with and without it; a judge needs both"
        )
    return found


def train_judge(
    films: Films, settings: Mapping[str, Any], placement: Placement, seed: int, checkpoints: Checkpoints,
    asked: threading.Event | None = None,
) -> Network:  # fmt: skip
    """Return a model that learned from these real films alone; `settings` as a trial's (budget: steps)."""
    labels = len(films.structures) if films.labels is None else films.labels.shape[1]
    settings = {**settings, "mixing": {"kind": "concat", "real_share": 0.5}}
    model = build_model(settings, labels, films.cohort.resolution, derive_seed(seed, "judge"))
    model.to(placement.device).to(memory_format=torch.channels_last)
    Training(model, Material(films, None, None), settings, placement, seed).run(checkpoints, "judge", asked)
    return model.eval()


def films_for(cohort: Cohort, rows: np.ndarray, kind: str, names: Sequence[str]) -> Films:
    """Return the films that a judge learns from."""
    masks = kind == STRUCTURE
    return films_of(cohort, rows, "segmentation" if masks else "multilabel", names[0] if masks else names)


def write_judge(folder: Path, judge: Judge, about: Mapping[str, Any]) -> None:
    """Write weights and judge.json into a folder."""
    from safetensors.torch import save_file

    weights = {name: value.detach().cpu().contiguous() for name, value in judge.model.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    kind = STRUCTURE if judge.masks else LABELS
    told = {"kind": kind, "names": judge.names, "settings": judge.settings, "resolution": judge.resolution, **about}
    (folder / ABOUT).write_text(json.dumps(told, indent=2, sort_keys=True) + "\n")


def open_judge(folder: Path, placement: Placement) -> Judge:
    """Return the judge of a folder; raises InputError, one line, where it is not whole."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        told = json.loads((folder / ABOUT).read_text())
        settings = {**told["settings"], "model": {**told["settings"]["model"], "weights": None}}
        model = build_model(settings, len(told["names"]), told["resolution"], 0)
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder}: not a judge ({' '.join(str(error).split())[:200]}); train it anew") from None
    model.to(placement.device).to(memory_format=torch.channels_last)
    return Judge(model.eval(), told["names"], settings, told["resolution"])
