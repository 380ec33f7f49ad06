"""What an edit changed, film by film: how much, where, how sharp the film is now, and whose film it still looks like.

All films are uint8 (n, H, W). Measures are of single films, so that intervals can draw patients anew.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from scripts.lib.fidelity.thumbnails import thumbnails

LEAST = 8.0  # grey levels of 255 from which a pixel counts as changed
WINDOW = 7  # pixels of SSIM's window (Wang et al. 2004, with a square in place of a bell)
LIGHT, CONTRAST = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # SSIM's constants for grey levels up to 255
STRONGEST, WEAKEST = 4.0, -1.0  # how far a film is sharpened or blurred as a control


def change(films: np.ndarray, edited: np.ndarray, outside: np.ndarray | None = None) -> np.ndarray:
    """Return the mean absolute difference in grey levels (n,), over pixels outside of the region bool (n, H, W) if given.

    NaN where no pixel lies outside.
    """
    return _mean(np.abs(edited.astype(float) - films), None if outside is None else ~outside)


def changed_share(films: np.ndarray, edited: np.ndarray) -> np.ndarray:
    """Return the share of pixels (n,), 0 to 1, that differ by LEAST grey levels or more."""
    return (np.abs(edited.astype(float) - films) >= LEAST).mean(axis=(1, 2))


def inside_share(films: np.ndarray, edited: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Return the share of all change (n,), 0 to 1, that lies inside of the region bool (n, H, W).

    NaN where nothing changed, or the region is empty.
    """
    apart = np.abs(edited.astype(float) - films)
    total = np.where(region.any(axis=(1, 2)), apart.sum(axis=(1, 2)), 0.0)
    inside = (apart * region).sum(axis=(1, 2))
    return np.where(total > 0, inside / np.where(total > 0, total, 1), np.nan)


def ssim(films: np.ndarray, edited: np.ndarray, outside: np.ndarray | None = None) -> np.ndarray:
    """Return the structural similarity (n,), 1 for the same film, over pixels outside of the region bool (n, H, W) if given."""
    values = np.empty(films.shape, float)
    for number, (first, second) in enumerate(zip(films.astype(float), edited.astype(float))):
        values[number] = _ssim_map(first, second)
    return _mean(values, None if outside is None else ~outside)


def _ssim_map(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    def smooth(values: np.ndarray) -> np.ndarray:
        return np.asarray(ndimage.uniform_filter(values, WINDOW, mode="reflect"))

    one, two = smooth(first), smooth(second)
    varied = smooth(first**2) - one**2 + smooth(second**2) - two**2
    shared = smooth(first * second) - one * two
    return (2 * one * two + LIGHT) * (2 * shared + CONTRAST) / ((one**2 + two**2 + LIGHT) * (varied + CONTRAST))


def _mean(values: np.ndarray, where: np.ndarray | None) -> np.ndarray:
    if where is None:
        return np.asarray(values.mean(axis=(1, 2)))
    count = where.sum(axis=(1, 2))
    return np.where(count > 0, (values * where).sum(axis=(1, 2)) / np.maximum(count, 1), np.nan)


def sharpness(films: np.ndarray) -> np.ndarray:
    """Return the mean squared Laplacian of each film, (n,)."""
    return (_laplacian(films.astype(float)) ** 2).mean(axis=(1, 2))


def sharpness_change(films: np.ndarray, edited: np.ndarray) -> np.ndarray:
    """Return log2 of how many times as large the mean squared Laplacian is after the edit, (n,): 0 = as sharp as before."""
    before, after = sharpness(films), sharpness(edited)
    return np.where((before > 0) & (after > 0), np.log2(np.maximum(after, 1e-12) / np.maximum(before, 1e-12)), np.nan)


def as_sharp(films: np.ndarray, edited: np.ndarray) -> np.ndarray:
    """Return films that are sharpened or blurred until they are as sharp as their edits, and changed in nothing else.

    film + a (film - blurred film): its Laplacian is A + a B, so the mean of its square is the wanted one where
    mean(B^2) a^2 + 2 mean(A B) a + mean(A^2) - wanted = 0. Of the two roots the smaller in size; none, or one beyond
    WEAKEST to STRONGEST, is drawn to the nearest that there is.
    """
    grey = films.astype(float)
    detail = grey - ndimage.uniform_filter(grey, (0, 3, 3), mode="reflect")
    film, added = _laplacian(grey), _laplacian(detail)
    square, cross = (added**2).mean(axis=(1, 2)), (film * added).mean(axis=(1, 2))
    missing = (film**2).mean(axis=(1, 2)) - sharpness(edited)
    safe = np.where(square > 0, square, 1)
    inner = np.sqrt(np.maximum(cross**2 - square * missing, 0))
    roots = np.stack([(-cross + inner) / safe, (-cross - inner) / safe])
    chosen = np.take_along_axis(roots, np.abs(roots).argmin(axis=0)[None], axis=0)[0]
    amount = np.where(square > 0, np.clip(chosen, WEAKEST, STRONGEST), 0)
    return np.asarray(np.clip(grey + amount[:, None, None] * detail, 0, 255).round().astype(np.uint8))


def _laplacian(grey: np.ndarray) -> np.ndarray:
    """Return the sum of the second differences along both axes, (n, H, W); a film goes on beyond its edge as in a mirror."""
    return np.asarray(sum(ndimage.correlate1d(grey, [1.0, -2.0, 1.0], axis=axis, mode="reflect") for axis in (1, 2)))


def pixel_codes(films: np.ndarray) -> np.ndarray:
    """Return a vector of length 1 for each film, float32 (n, D): its thumbnail without brightness and contrast."""
    return unit(thumbnails(films).reshape(len(films), -1))


def unit(codes: np.ndarray) -> np.ndarray:
    """Return vectors (n, D), each around its own mean and of length 1, float32; 0 where a vector has no contrast."""
    apart = codes.astype(float) - codes.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(apart, axis=1, keepdims=True)
    return np.where(lengths > 1e-9, apart / np.maximum(lengths, 1e-9), 0).astype(np.float32)


def ranks(codes: np.ndarray, gallery: np.ndarray, own: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Return the place (n,) from 1 of each edit's own film among all films, by likeness of codes (n, D) and gallery (m, D).

    own       int (n,): where the own film lies in the gallery
    patients  (m,): whose film it is; other films of the own child are left out. A film that is equally like comes first.
    """
    likeness = codes @ gallery.T
    mine = likeness[np.arange(len(own)), own]
    others = patients[None, :] != patients[own][:, None]
    return np.asarray(1 + ((likeness >= mine[:, None]) & others).sum(axis=1))
