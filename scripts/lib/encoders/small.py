"""An encoder of a few plain convolutions, for small images and for training on a CPU."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class SmallEncoder(nn.Module):
    """Stages of two 3 x 3 convolutions, the first with stride 2; returns the input and each stage's output."""

    def __init__(self, in_channels: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.out_channels = [in_channels, *channels]
        widths = zip(self.out_channels, channels)
        self.stages = nn.ModuleList(nn.Sequential(*_conv(a, b, 2), *_conv(b, b, 1)) for a, b in widths)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = [x]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features


def _conv(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    """Batch norm, although at 1 % a batch repeats the same few films: with group norm nothing is learned in 150 steps."""
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
