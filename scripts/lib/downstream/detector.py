"""FCOS of torchvision around any encoder: one stage, one point for each place of its feature maps (Tian et al. 2019).

What torchvision resizes and normalises is left to Network: it keeps films at their own side, so boxes come back in the pixels of
the film (its own transform would make them 800 pixels wide). Loss and the choice among overlapping boxes are torchvision's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOSClassificationHead, FCOSHead, FCOSRegressionHead
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import FeaturePyramidNetwork

EDGES, CENTRE = 4, 1  # what a place says beside the logits of its kinds
GROUP = 8  # channels that a group norm looks at together; torchvision's 32 groups leave narrow heads one channel each
NEVER = -1e4  # a logit whose probability is 0, with no gradient
CANDIDATES = 1000  # places of one map that are looked at for boxes


class Pyramid(nn.Module):
    """The feature maps of an encoder, each with what the coarser ones know, all of one width."""

    def __init__(self, widths: Sequence[int], width: int) -> None:
        super().__init__()
        self.out_channels = width
        self.maps = FeaturePyramidNetwork(list(widths), width)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        return list(self.maps({str(place): one for place, one in enumerate(features)}).values())


class Detector(nn.Module):
    """Folded images to what every place says: (B, places, kinds + EDGES + CENTRE).

    encoder       returns feature maps, the last ones of `widths` channels, finest first
    side          of the images, before they were folded
    settings      model.decoder_channels (the width, once for each convolution of a head) and boxes
    """

    def __init__(
        self, encoder: nn.Module, widths: Sequence[int], kinds: int, side: int, settings: Mapping[str, Any]
    ) -> None:
        super().__init__()
        heads, kept = settings["model"]["decoder_channels"], settings["boxes"]
        self.encoder, self.kinds, self.side, self.levels = encoder, kinds, side, len(widths)
        pyramid = Pyramid(widths, heads[0])
        self.fcos = FCOS(
            pyramid,
            kinds,
            min_size=side,
            max_size=side,
            head=_head(heads[0], kinds, len(heads)),
            score_thresh=kept["score"],
            nms_thresh=kept["overlap"],
            detections_per_img=kept["most"],
            topk_candidates=CANDIDATES,
        )
        self.counts: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        maps = self.fcos.backbone(self.encoder(x)[-self.levels :])
        self._place(maps)
        outputs = self.fcos.head(maps)
        return torch.cat([outputs["cls_logits"], outputs["bbox_regression"], outputs["bbox_ctrness"]], dim=2)

    def _place(self, maps: Sequence[Tensor]) -> None:
        """Remember where the places of these maps lie on the film: a square of the side of the stride around each."""
        if [one.shape[2] * one.shape[3] for one in maps] == self.counts:
            return
        strides = [self.side // one.shape[-1] for one in maps]
        anchors = AnchorGenerator(tuple((stride,) for stride in strides), ((1.0,),) * len(strides))
        film = torch.zeros(1, 1, self.side, self.side, device=maps[0].device)
        self.anchors = anchors(ImageList(film, [(self.side, self.side)]), list(maps))[0].detach()
        self.counts = [one.shape[2] * one.shape[3] for one in maps]

    def _told(self, outputs: Tensor) -> dict[str, Tensor]:
        names = ("cls_logits", "bbox_regression", "bbox_ctrness")
        return dict(zip(names, outputs.split([self.kinds, EDGES, CENTRE], dim=2)))

    def loss(self, outputs: Tensor, boxes: Tensor) -> Tensor:
        """Return the sum of FCOS's three losses; boxes (B, K, 5) as downstream/boxes.py says, in pixels of the image.

        A kind that nobody looked for on a film is no mistake there: its logits are left out.
        """
        kinds, edges = boxes[:, :, 0].long(), boxes[:, :, 1:]
        unseen = edges.isnan().any(dim=2)
        unknown = F.one_hot(kinds.clamp(min=0), self.kinds).bool() & unseen[..., None]
        logits, *others = outputs.split([self.kinds, EDGES, CENTRE], dim=2)
        heads = self._told(torch.cat([logits.masked_fill(unknown.any(dim=1)[:, None], NEVER), *others], dim=2))
        here = (kinds >= 0) & ~unseen
        targets = [{"boxes": edges[k][chosen], "labels": kinds[k][chosen]} for k, chosen in enumerate(here)]
        anchors = [self.anchors.to(outputs.device)] * len(boxes)
        return torch.stack(list(self.fcos.compute_loss(targets, heads, anchors, self.counts).values())).sum()

    def boxes(self, outputs: Tensor) -> list[dict[str, Tensor]]:
        """Return for each image its boxes (k, 4) in pixels of the image, with scores and labels, the highest score first."""
        heads = {name: list(part.split(self.counts, dim=1)) for name, part in self._told(outputs).items()}
        anchors = [list(self.anchors.to(outputs.device).split(self.counts))] * len(outputs)
        return self.fcos.postprocess_detections(heads, anchors, [(self.side, self.side)] * len(outputs))


def _head(width: int, kinds: int, convolutions: int) -> FCOSHead:
    norm = partial(nn.GroupNorm, max(1, width // GROUP))
    head = FCOSHead(GROUP * 4, 1, kinds, 1)  # its two parts take the places of torchvision's
    head.classification_head = FCOSClassificationHead(width, 1, kinds, convolutions, norm_layer=norm)
    head.regression_head = FCOSRegressionHead(width, 1, convolutions, norm)
    return head


def as_arrays(found: Sequence[Mapping[str, Tensor]], scale: float) -> tuple[list[np.ndarray], ...]:
    """Return edges (k, 4) float32 times `scale`, scores (k,) and kinds (k,) of each image; a box without area is left out."""
    edges, scores, kinds = [], [], []
    for one in found:
        box = (one["boxes"].float() * scale).cpu().numpy()
        real = (box[:, 2:] > box[:, :2]).all(axis=1)
        edges.append(box[real])
        scores.append(one["scores"].float().cpu().numpy()[real])
        kinds.append(one["labels"].cpu().numpy()[real])
    return edges, scores, kinds
