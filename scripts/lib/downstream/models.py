"""The downstream models: UNet++ for masks, an image encoder with a linear head for labels, FCOS for boxes (detector.py).

The paper's are UNet++ (CANDID-PTX, SIIM), ResNet-50 (RSNA) and the image encoder of MGCA (CheXpert). `small` is an
encoder of a few plain convolutions for small images and for training on a CPU: unlike the named ones it needs neither
timm nor torchvision, whose import takes as long as one of its trainings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scripts.lib.core.errors import InputError
from scripts.lib.encoders.small import SmallEncoder
from scripts.lib.encoders.weights import build_named, load_encoder
from scripts.lib.study.tasks import BOXES, LABELS, MASKS, TASKS

if TYPE_CHECKING:
    from scripts.lib.downstream.detector import Detector

COARSE = 4  # pixels between the places of the finest feature map that a named encoder gives a detector


class Classifier(nn.Module):
    """An encoder, its features averaged over the image where they have places, and a linear head for L labels."""

    def __init__(self, encoder: nn.Module, width: int, labels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(width, labels)

    def forward(self, x: Tensor) -> Tensor:
        features = self.encoder(x)
        return self.head(features[-1].mean(dim=(2, 3)) if isinstance(features, list) else features)


class SmallUnetPlusPlus(nn.Module):
    """The UNet++ decoder of segmentation_models_pytorch around the small encoder."""

    def __init__(self, encoder: SmallEncoder, decoder_channels: Sequence[int], classes: int) -> None:
        from segmentation_models_pytorch.decoders.unetplusplus.decoder import UnetPlusPlusDecoder

        super().__init__()
        self.encoder = encoder
        self.decoder = UnetPlusPlusDecoder(encoder.out_channels, decoder_channels, n_blocks=len(decoder_channels))
        self.head = nn.Conv2d(decoder_channels[-1], classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.decoder(self.encoder(x)))


class Network(nn.Module):
    """A whole downstream model: grey images (B, 1, H, W) float in [0, 1] to logits (B, L), (B, S, H, W), or what a Detector says.

    `body` gets `channels` equal channels of normalised grey values, of side `image_size` when that is set. With `fold`
    f each f x f block of pixels becomes one position with f * f times the channels, and masks are unfolded again: the
    network works at 1/f of the side, in about 1/(f * f) of the time.
    """

    def __init__(self, body: nn.Module, channels: int, settings: Mapping[str, Any], stored: int) -> None:
        super().__init__()
        self.body, self.stored = body, stored
        self.channels = channels
        self.size: int | None = settings["image_size"]
        self.fold: int = settings["model"]["fold"]
        self.frozen: bool = settings["model"]["frozen"]
        self.mean, self.std = float(settings["grey"]["mean"]), float(settings["grey"]["std"])
        if self.frozen:
            body.get_submodule("encoder").requires_grad_(False)

    def train(self, mode: bool = True) -> Network:
        super().train(mode)
        if self.frozen:
            self.body.get_submodule("encoder").eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        side = images.shape[-1]
        x = images
        if self.size and self.size != side:
            x = F.interpolate(x, size=(self.size, self.size), mode="bilinear", antialias=True, align_corners=False)
        x = ((x - self.mean) / self.std).expand(-1, self.channels, -1, -1)
        x = self.body(F.pixel_unshuffle(x, self.fold))
        if x.ndim < 4:
            return x
        x = F.pixel_shuffle(x, self.fold)
        return x if x.shape[-1] == side else F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)

    def box_loss(self, outputs: Tensor, boxes: Tensor) -> Tensor:
        """Return the loss of a detector; boxes (B, K, 5) in pixels of the stored films (boxes.py)."""
        detector = cast("Detector", self.body)
        scale = torch.ones(5, device=boxes.device)
        scale[1:] = detector.side / self.stored
        return detector.loss(outputs, boxes * scale)

    @torch.no_grad()
    def boxes(self, outputs: Tensor) -> tuple[list[np.ndarray], ...]:
        """Return edges, scores and kinds of the boxes of each film, in pixels of the stored film, the highest score first."""
        from scripts.lib.downstream.detector import as_arrays

        detector = cast("Detector", self.body)
        return as_arrays(detector.boxes(outputs), self.stored / detector.side)


def build_model(settings: Mapping[str, Any], labels: int, side: int, seed: int) -> Network:
    """Return the untrained model of a trial; the same seed gives the same first weights on every machine.

    `labels`: how many labels or structures there are; `side`: of the stored images. Raises InputError for an unknown encoder,
    weights that do not fit, or a side that the model cannot halve often enough.
    """
    chosen = settings["model"]
    if chosen["frozen"] and chosen["weights"] is None:
        raise InputError(
            "trials: model.frozen = true without model.weights would keep random features; name the weights"
        )
    says, stored, side = TASKS[settings["task"]].says, side, settings["image_size"] or side
    halvings = {MASKS: len(chosen["decoder_channels"]), BOXES: len(chosen["channels"]), LABELS: 0}
    step = chosen["fold"] * 2 ** halvings[says]
    if side % step:
        raise InputError(
            f"trials: images of side {side} cannot be halved to the model's depth; expected a multiple of {step}"
        )
    channels = 1 if chosen["encoder"] == "small" else 3
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inputs = channels * chosen["fold"] ** 2
        if says == BOXES:
            body: nn.Module = _detector(settings, inputs, labels, side)
        else:
            body = _segmenter(chosen, inputs, labels) if says == MASKS else _classifier(chosen, inputs, labels)
    if chosen["weights"] not in (None, "imagenet"):
        load_encoder(body.get_submodule("encoder"), chosen["weights"])
    return Network(body, channels, settings, stored)


def _segmenter(chosen: Mapping[str, Any], inputs: int, structures: int) -> nn.Module:
    classes, decoder = structures * chosen["fold"] ** 2, chosen["decoder_channels"]
    if chosen["encoder"] == "small":
        if len(decoder) != len(chosen["channels"]):
            raise InputError(
                f"trials: model.decoder_channels = {decoder}, expected one number for each of model.channels = "
                f"{chosen['channels']}"
            )
        return SmallUnetPlusPlus(SmallEncoder(inputs, chosen["channels"]), decoder, classes)
    from segmentation_models_pytorch import UnetPlusPlus

    return build_named(
        lambda imagenet: UnetPlusPlus(
            encoder_name=chosen["encoder"],
            encoder_depth=len(decoder),
            encoder_weights="imagenet" if imagenet else None,
            decoder_channels=decoder,
            in_channels=inputs,
            classes=classes,
        ),
        chosen,
    )


def _detector(settings: Mapping[str, Any], inputs: int, kinds: int, side: int) -> Detector:
    from scripts.lib.downstream.detector import Detector  # torchvision's import takes longer than most trainings

    chosen = settings["model"]
    if chosen["encoder"] == "small":
        return Detector(SmallEncoder(inputs, chosen["channels"]), chosen["channels"], kinds, side, settings)
    import timm

    encoder = build_named(
        lambda imagenet: timm.create_model(chosen["encoder"], pretrained=imagenet, in_chans=inputs, features_only=True),
        chosen,
    )
    info = cast(Any, encoder).feature_info
    coarse = [level for level, stride in enumerate(info.reduction()) if stride >= COARSE]
    return Detector(encoder, [info.channels()[level] for level in coarse], kinds, side, settings)


def _classifier(chosen: Mapping[str, Any], inputs: int, labels: int) -> Classifier:
    if chosen["encoder"] == "small":
        return Classifier(SmallEncoder(inputs, chosen["channels"]), chosen["channels"][-1], labels)
    import timm

    encoder = build_named(
        lambda imagenet: timm.create_model(chosen["encoder"], pretrained=imagenet, in_chans=inputs, num_classes=0),
        chosen,
    )
    return Classifier(encoder, cast(int, encoder.num_features), labels)
