"""What a trial's model is and costs, on torch's meta device, for the planner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.lib.study.config import stage
from scripts.lib.training.operations import Shape, count, kept

if TYPE_CHECKING:
    import torch


def trial_shape(config: Shape, dataset: str) -> dict[str, Any]:
    """Return what of a study decides how long a dataset's trials take."""
    settings = stage(config, "trials", dataset)
    own = {key: value for key, value in settings["model"].items() if key != "weights"}
    keys = ("task", "image_size", "batch_size", "precision")
    return {"resolution": config["study"]["resolution"], "model": own, **{key: settings[key] for key in keys}}


@kept
def model(shape: Shape) -> torch.nn.Module:
    """Return the model of a trial's shape; one label, whose layer is next to nothing."""
    from scripts.lib.downstream.models import build_model

    own = {**shape["model"], "weights": None, "frozen": False}
    boxes = {"score": 0.5, "overlap": 0.5, "most": 1}  # which boxes are kept: no part of what is counted
    settings = {**shape, "grey": {"mean": 0.0, "std": 1.0}, "model": own, "boxes": boxes}
    return build_model(settings, 1, shape["resolution"], 0).to("meta").eval()


def trial(unit: str, shape: Shape) -> float:
    """Return the operations of a step, or of a test film, through a trial's model."""
    import torch

    side = shape["image_size"] or shape["resolution"]
    batch = 1 if unit == "test film" else shape["batch_size"]
    learns = unit != "test film" and not shape["model"]["frozen"]
    return batch * count(lambda: model(shape)(torch.empty(1, 1, side, side, device="meta")), learns)
