"""Where a model computes, how films get there, and what it says about films it is tested on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scripts.lib.downstream.augment import to_float
from scripts.lib.downstream.boxes import of_kind
from scripts.lib.downstream.data import Films
from scripts.lib.downstream.losses import loss_of
from scripts.lib.downstream.models import Network
from scripts.lib.training.devices import Placement, place
from scripts.lib.training.settings import Section

TEST_BATCH = 64


def place_trial(settings: Mapping[str, Any]) -> Placement:
    """Return where a trial computes (see `place`), with cuDNN held to methods that give the same bits each time."""
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    return place(Section(settings, "trials"))


def to_images(images: np.ndarray, placement: Placement) -> Tensor:
    """Return uint8 images (B, H, W) as float (B, 1, H, W) in [0, 1] on the device."""
    return _send(images, placement).unsqueeze(1).float().div_(255)


def to_targets(targets: np.ndarray, placement: Placement) -> Tensor:
    """Return labels (B, L), masks (B, S, H, W) or boxes (B, K, 5) as float on the device, NaN for what is not known."""
    return to_float(_send(targets, placement))


def _send(array: np.ndarray, placement: Placement) -> Tensor:
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(placement.device, non_blocking=True) if placement.on_gpu else tensor


def _outputs(model: nn.Module, films: Films, placement: Placement) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield logits and targets of all films, batch by batch, unchanged by augmentation."""
    model.eval()
    with torch.inference_mode(), placement.autocast():
        for first in range(0, len(films), TEST_BATCH):
            places = np.arange(first, min(first + TEST_BATCH, len(films)))
            logits = model(to_images(films.images(places), placement))
            yield logits.float(), to_targets(films.targets(places), placement)


def mean_loss(model: Network, films: Films, settings: Mapping[str, Any], placement: Placement) -> float:
    """Return the loss averaged over films."""
    total = sum(float(loss_of(model, logits, y, settings)) * len(y) for logits, y in _outputs(model, films, placement))
    return total / len(films)


def label_probabilities(model: nn.Module, films: Films, placement: Placement) -> np.ndarray:
    """Return probabilities float64 (n, L)."""
    logits = torch.cat([logits for logits, _ in _outputs(model, films, placement)])
    return torch.sigmoid(logits.double()).cpu().numpy()


def mask_counts(model: nn.Module, films: Films, placement: Placement) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pixel counts float64 (n, S) of overlap, predicted and true masks; a pixel is predicted above 0.5.

    Overlap and true mask are NaN where nobody looked for the structure.
    """
    counts = []
    for logits, truth in _outputs(model, films, placement):
        predicted, true = logits > 0, truth > 0.5
        pixels = torch.stack([part.flatten(2).sum(2) for part in (predicted & true, predicted, true)]).double()
        pixels[::2, truth.isnan().any(dim=(2, 3))] = torch.nan
        counts.append(pixels)
    overlap, predicted, true = torch.cat(counts, dim=1).cpu().numpy()
    return overlap, predicted, true


def found_boxes(model: Network, films: Films, placement: Placement) -> dict[str, list[Any]]:
    """Return the boxes of each film and structure, n * S entries: `truth` edges, None where nobody looked; `score`; `boxes` edges.

    Edges are left, top, right and bottom of one box after another, those of the highest score first.
    """
    kinds = range(len(films.structures))
    columns: dict[str, list[Any]] = {"truth": [], "score": [], "boxes": []}
    for outputs, targets in _outputs(model, films, placement):
        for boxes, scores, kind_of, film in zip(*model.boxes(outputs), targets.cpu().numpy()):
            for kind in kinds:
                true = of_kind(film, kind)
                columns["truth"].append(None if true is None else true.ravel())
                columns["score"].append(scores[kind_of == kind])
                columns["boxes"].append(boxes[kind_of == kind].ravel())
    return columns


def predicted(model: Network, films: Films, placement: Placement) -> dict[str, Any]:
    """Return truth and score of labels, both (n, L), overlap, predicted and truth of masks in pixels, (n, S), or found_boxes."""
    if films.outlines is not None:
        return found_boxes(model, films, placement)
    if films.labels is None:
        return dict(zip(("overlap", "predicted", "truth"), mask_counts(model, films, placement)))
    return {"truth": films.labels, "score": label_probabilities(model, films, placement)}
