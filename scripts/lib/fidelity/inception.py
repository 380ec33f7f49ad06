"""The Inception network behind published FIDs: that of 2015 with 1008 classes, whose pooling differs from torchvision's.

Names of weights are those of the file of pytorch-fid and torch-fidelity (pt_inception-2015-12-05-6726825d.pth), which is taken as it
is; encoders/weights.py reads it without executing anything.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import inception


def _average(x: Tensor) -> Tensor:
    """Border places count their own neighbours only, as in TensorFlow."""
    return functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class _BlockA(inception.InceptionA):
    def _forward(self, x: Tensor) -> list[Tensor]:
        five = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return [self.branch1x1(x), five, double, self.branch_pool(_average(x))]


class _BlockC(inception.InceptionC):
    def _forward(self, x: Tensor) -> list[Tensor]:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return [self.branch1x1(x), seven, double, self.branch_pool(_average(x))]


class _BlockE(inception.InceptionE):
    def __init__(self, channels: int, largest: bool) -> None:
        super().__init__(channels)
        self.largest = largest

    def _forward(self, x: Tensor) -> list[Tensor]:
        three = self.branch3x3_1(x)
        three = torch.cat([self.branch3x3_2a(three), self.branch3x3_2b(three)], 1)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        double = torch.cat([self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)], 1)
        # The published network takes the largest neighbour in its last block, by an oversight that FIDs have kept.
        pooled = functional.max_pool2d(x, 3, 1, 1) if self.largest else _average(x)
        return [self.branch1x1(x), three, double, self.branch_pool(pooled)]


class FidInception(nn.Module):
    """Images float32 (n, 3, 299, 299) in [-1, 1] to the features of the last average pooling, (n, 2048)."""

    def __init__(self) -> None:
        super().__init__()
        conv = inception.BasicConv2d
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _BlockA(192, 32), _BlockA(256, 64), _BlockA(288, 64)
        self.Mixed_6a = inception.InceptionB(288)
        self.Mixed_6b, self.Mixed_6c = _BlockC(768, 128), _BlockC(768, 160)
        self.Mixed_6d, self.Mixed_6e = _BlockC(768, 160), _BlockC(768, 192)
        self.Mixed_7a = inception.InceptionD(768)
        self.Mixed_7b, self.Mixed_7c = _BlockE(1280, False), _BlockE(2048, True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = functional.max_pool2d(x, 3, 2)
        x = functional.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, 2)
        for block in (self.Mixed_5b, self.Mixed_5c, self.Mixed_5d, self.Mixed_6a, self.Mixed_6b, self.Mixed_6c):
            x = block(x)
        for block in (self.Mixed_6d, self.Mixed_6e, self.Mixed_7a, self.Mixed_7b, self.Mixed_7c):
            x = block(x)
        return x.mean(dim=(2, 3))
