"""What the downstream models minimise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from scripts.lib.downstream.models import Network
from scripts.lib.study.tasks import BOXES, MASKS, TASKS

NEVER = -1e4  # a logit whose probability is 0, with no gradient


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return binary cross-entropy, the mean over the labels that are known; logits, labels (B, L), NaN for missing."""
    known = ~labels.isnan()
    each = F.binary_cross_entropy_with_logits(logits, labels.nan_to_num(), reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)


def mask_loss(logits: Tensor, masks: Tensor, bce: float, dice: float) -> Tensor:
    """Return bce * binary cross-entropy + dice * (1 - Dice of the whole batch, the mean over structures).

    logits, masks (B, S, H, W); a mask is NaN where nobody looked for the structure, and then counts in neither part.
    """
    from segmentation_models_pytorch.losses import DiceLoss

    if masks.shape[1] > 1 or bool(masks.isnan().any()):
        return _masks_loss(logits, masks, bce, dice)
    loss = bce * F.binary_cross_entropy_with_logits(logits, masks)
    return loss + dice * DiceLoss(mode="binary")(logits, masks)


def _masks_loss(logits: Tensor, masks: Tensor, bce: float, dice: float) -> Tensor:
    """Return that loss of several structures, some of which nobody looked for."""
    from segmentation_models_pytorch.losses import DiceLoss

    unknown = masks.isnan()
    masks = masks.nan_to_num()
    each = F.binary_cross_entropy_with_logits(logits, masks, reduction="none").masked_fill(unknown, 0)
    loss = bce * each.sum() / (~unknown).sum().clamp(min=1)
    return loss + dice * DiceLoss(mode="multilabel")(logits.masked_fill(unknown, NEVER), masks)


def loss_of(model: Network, outputs: Tensor, targets: Tensor, settings: Mapping[str, Any]) -> Tensor:
    """Return the loss of the task; targets as Films gives them, NaN for what is not known."""
    says = TASKS[settings["task"]].says
    if says == BOXES:
        return model.box_loss(outputs, targets)
    if says == MASKS:
        return mask_loss(outputs, targets, settings["loss"]["bce"], settings["loss"]["dice"])
    return label_loss(outputs, targets)
