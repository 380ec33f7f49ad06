"""What the downstream models minimise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return binary cross-entropy, the mean over the labels that are known; logits, labels (B, L), NaN for missing."""
    known = ~labels.isnan()
    each = F.binary_cross_entropy_with_logits(logits, labels.nan_to_num(), reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)


def mask_loss(logits: Tensor, masks: Tensor, bce: float, dice: float) -> Tensor:
    """Return bce * binary cross-entropy + dice * (1 - Dice of the whole batch); logits, masks (B, 1, H, W)."""
    from segmentation_models_pytorch.losses import DiceLoss

    loss = bce * F.binary_cross_entropy_with_logits(logits, masks)
    return loss + dice * DiceLoss(mode="binary")(logits, masks)


def loss_of(logits: Tensor, targets: Tensor, settings: Mapping[str, Any]) -> Tensor:
    """Return the loss of the task."""
    if settings["task"] == "segmentation":
        return mask_loss(logits, targets, settings["loss"]["bce"], settings["loss"]["dice"])
    return label_loss(logits, targets)
