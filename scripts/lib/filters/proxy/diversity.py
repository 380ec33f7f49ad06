"""How different images are from each other, measured without the proxy model: it chose them, so it may not judge them.

The features are the films themselves, averaged down to 16 x 16 grey values: crude, but nothing learned. They see
anatomy, exposure and large findings, not thin lines.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

FEATURE_SIDE = 16
WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03
# Wang et al. 2003: weights of five scales, each half the side of the one before.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def grey_features(images: np.ndarray) -> np.ndarray:
    """Return the films' features, float64 (n, 256): mean grey value of each of 16 x 16 blocks, in [0, 1]."""
    pixels = torch.from_numpy(images)[:, None].float() / 255
    blocks = functional.adaptive_avg_pool2d(pixels, min(FEATURE_SIDE, images.shape[-1]))
    return blocks.flatten(1).double().numpy()


def distances(features: np.ndarray) -> np.ndarray:
    """Return the root mean squared difference of every two films' features (n, D): grey values in [0, 1], (n, n)."""
    squares = (features**2).sum(axis=1)
    apart = squares[:, None] + squares[None] - 2 * features @ features.T
    np.fill_diagonal(apart, 0.0)
    return np.sqrt(np.maximum(apart, 0.0) / features.shape[1])


def similarity_kernel(apart: np.ndarray, width: float) -> np.ndarray:
    """Return the Gaussian kernel exp(-d^2 / (2 width^2)) of distances (n, n); for width 0, 1 where nothing differs."""
    return np.exp(-0.5 * (apart / width) ** 2) if width else (apart == 0).astype(float)


def vendi(kernel: np.ndarray) -> float:
    """Return the Vendi score (Friedman and Dieng 2022) of a similarity kernel (n, n) with ones on its diagonal.

    It is the effective number of films, in [1, n]: the exponential of the entropy of the eigenvalues of kernel / n.
    n equal films give 1, n films without any similarity n.
    """
    values = np.linalg.eigvalsh(kernel / len(kernel))
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def scales_that_fit(side: int) -> int:
    """Return how many of the five scales of MS-SSIM have room for its window: 3 at 64 pixels, 5 from 176 on."""
    return max(1, sum(side >> scale >= WINDOW for scale in range(len(SCALE_WEIGHTS))))


def ms_ssim(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the multi-scale structural similarity (Wang et al. 2003) of grey images (n, 1, H, H) in [0, 1], (n,).

    Window 11 and sigma 1.5 as published. Five scales need 176 pixels; smaller images get the first scales alone, their
    weights scaled up to sum 1, so values of different resolutions do not compare. Negative contrast terms count 0.
    """
    scales = scales_that_fit(first.shape[-1])
    weights = np.array(SCALE_WEIGHTS[:scales]) / sum(SCALE_WEIGHTS[:scales])
    product = torch.ones(len(first), dtype=first.dtype)
    for scale, weight in enumerate(weights):
        luminance, contrast = _ssim_terms(first, second)
        term = (luminance * contrast if scale + 1 == scales else contrast).mean(dim=(1, 2, 3))
        product = product * term.clamp(min=0) ** float(weight)
        first, second = functional.avg_pool2d(first, 2), functional.avg_pool2d(second, 2)
    return product


def _ssim_terms(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return luminance, and contrast times structure, of every window that lies inside the images."""
    offset = torch.arange(WINDOW, dtype=first.dtype) - WINDOW // 2
    window = torch.exp(-(offset**2) / (2 * SIGMA**2))
    window = window / window.sum()

    def blur(images: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(functional.conv2d(images, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))

    mean1, mean2 = blur(first), blur(second)
    spread1, spread2 = blur(first * first) - mean1**2, blur(second * second) - mean2**2
    shared = blur(first * second) - mean1 * mean2
    c1, c2 = K1**2, K2**2
    luminance = (2 * mean1 * mean2 + c1) / (mean1**2 + mean2**2 + c1)
    return luminance, (2 * shared + c2) / (spread1 + spread2 + c2)


def pair_similarity(images: np.ndarray, pairs: np.ndarray, at_once: int = 64) -> float:
    """Return the mean MS-SSIM over pairs (p, 2) of images uint8 (n, H, H); 1 = all alike, lower is more diverse."""
    pixels = torch.from_numpy(images)[:, None].double() / 255
    parts = [
        ms_ssim(pixels[pairs[start : start + at_once, 0]], pixels[pairs[start : start + at_once, 1]])
        for start in range(0, len(pairs), at_once)
    ]
    return float(torch.cat(parts).mean())


def draw_pairs(count: int, most: int, stream: np.random.Generator) -> np.ndarray:
    """Return pairs of different places below `count`, int (p, 2): all of them, or `most` drawn without repeats."""
    every = np.stack(np.triu_indices(count, 1), axis=1)
    return every if len(every) <= most else every[np.sort(stream.permutation(len(every))[:most])]
