"""The nearest training film of each image: looked for by features and by thumbnails, then compared pixel by pixel.

A copy may be mirrored, cropped, shifted, brighter or of another contrast. So an image is looked at in many windows, as it is and
mirrored, and the largest correlation counts, which neither brightness nor contrast change. All vectors are whole numbers whose
products float32 sums exactly (below 2^24), so that neither blocks, shards nor threads change a bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from scripts.lib.fidelity.thumbnails import SIDE, resizing

WINDOW = 32  # pixels of a thumbnail that are compared
COARSE = 16  # the same averaged, by which films are looked for
NORM = 2000  # length of a film's vector: its product with a window of grey values stays below 2^24
SIDES = (
    32,
    34,
    36,
    38,
)  # pixels that an image is resized to: as if a tenth, a twentieth, nothing was cut off, or added
REACH = 2  # pixels of a thumbnail that a window may lie off the middle
FLAT = 0.5  # grey values: a window with less contrast shows nothing
QUERIES, FILMS = 64, 4096  # images and films that are compared at once


@dataclass(frozen=True)
class Nearest:
    """For each image the place of its nearest film, int (n,), the correlation with it in [-1, 1], and whether mirrored.

    `by_features`: the place of the film with the nearest features, and how far it is; None without features.
    """

    film: np.ndarray
    similarity: np.ndarray
    mirrored: np.ndarray
    by_features: tuple[np.ndarray, np.ndarray] | None


class SearchedFilms:
    """Training films to which images are compared: thumbnails uint8 (n, SIDE, SIDE), features (n, D) or None."""

    def __init__(self, thumbnails: np.ndarray, features: np.ndarray | None = None) -> None:
        edge = (SIDE - WINDOW) // 2
        windows = thumbnails[:, edge : edge + WINDOW, edge : edge + WINDOW].astype(np.float64)
        self.fine = _standard(windows.reshape(len(windows), -1))
        self.coarse = _standard(_halved(windows).reshape(len(windows), -1))
        self.sums = self.fine.sum(axis=1, dtype=np.float64)  # not quite 0, since the vectors are rounded
        squares = (self.fine.astype(np.float64) ** 2).sum(axis=1)
        self.lengths = np.sqrt(squares - self.sums**2 / WINDOW**2)
        self.features = None if features is None else _Features(features)

    def __len__(self) -> int:
        return len(self.fine)

    def nearest(self, thumbnails: np.ndarray, features: np.ndarray | None, candidates: int) -> Nearest:
        """Return the nearest film of each image; `candidates` films are compared pixel by pixel, of each kind of search."""
        parts = []
        for start in range(0, len(thumbnails), QUERIES):
            block = slice(start, start + QUERIES)
            parts.append(self._block(thumbnails[block], None if features is None else features[block], candidates))
        joined = [np.concatenate(column) for column in zip(*parts)] if parts else [np.zeros(0)] * 5
        by_features = (joined[3].astype(np.int64), joined[4]) if features is not None and self.features else None
        return Nearest(joined[0].astype(np.int64), joined[1], joined[2].astype(bool), by_features)

    def _block(self, thumbnails: np.ndarray, features: np.ndarray | None, candidates: int) -> list[np.ndarray]:
        fine, (sums, lengths), coarse, mirrored = _views(thumbnails)
        places = self._by_pixels(coarse, candidates)
        found = np.zeros(len(thumbnails)), np.zeros(len(thumbnails))
        if features is not None and self.features is not None:
            near, found = self.features.search(features, candidates)
            places = np.concatenate([places, near], axis=1)
        rows = np.arange(len(thumbnails))
        products = np.matmul(fine, self.fine[places].transpose(0, 2, 1)).astype(np.float64)
        products -= sums[:, :, None] * self.sums[places][:, None] / WINDOW**2
        scale = lengths[:, :, None] * self.lengths[places][:, None]
        likeness = np.minimum(1, np.divide(products, scale, out=np.zeros_like(products), where=scale > 0))
        best = likeness.max(axis=1)
        # Of films that are equally near the first one counts, whatever the order in which they were found.
        chosen = np.where(best == best.max(axis=1, keepdims=True), places, len(self)).min(axis=1)
        column = (places == chosen[:, None]).argmax(axis=1)
        view = likeness[rows, :, column].argmax(axis=1)
        return [chosen, best.max(axis=1), mirrored[view], *found]

    def _by_pixels(self, coarse: np.ndarray, candidates: int) -> np.ndarray:
        """Return the films with the most similar thumbnails in any coarse view (n, V, d), int (n, candidates)."""
        images, views, size = coarse.shape
        count = min(candidates, len(self))
        best, places = np.zeros((images, 0), np.float32), np.zeros((images, 0), np.int64)
        for start in range(0, len(self), FILMS):
            part = self.coarse[start : start + FILMS]
            likeness = (coarse.reshape(-1, size) @ part.T).reshape(images, views, len(part)).max(axis=1)
            best = np.concatenate([best, likeness], axis=1)
            here = np.broadcast_to(np.arange(start, start + len(part)), likeness.shape)
            places = np.concatenate([places, here], axis=1)
            best, places = _largest(best, places, count)
        return places


class _Features:
    """Features of films as whole numbers around their mean, for the exact search of the nearest."""

    def __init__(self, features: np.ndarray) -> None:
        self.features = features
        self.centre = features.mean(axis=0, dtype=np.float64)
        apart = features - self.centre
        longest = float(np.linalg.norm(apart, axis=1).max()) if len(apart) else 0.0
        self.factor = NORM / longest if longest > 0 else 0.0
        self.rows = np.rint(apart * self.factor).astype(np.float32)
        self.squares = (self.rows.astype(np.float64) ** 2).sum(axis=1)

    def search(self, features: np.ndarray, candidates: int) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Return the places of the nearest films (n, candidates); and of the nearest one its place and distance (n,)."""
        apart = (features - self.centre) * self.factor
        lengths = np.linalg.norm(apart, axis=1, keepdims=True)
        # An image farther out than any film is drawn in to their reach: which film is the nearest hardly depends on it.
        rows = np.rint(apart * np.minimum(1, NORM / np.maximum(lengths, 1e-12))).astype(np.float32)
        count = min(candidates, len(self.rows))
        best, places = np.zeros((len(rows), 0)), np.zeros((len(rows), 0), np.int64)
        for start in range(0, len(self.rows), FILMS):
            part = slice(start, start + FILMS)
            near = 2 * (rows @ self.rows[part].T).astype(np.float64) - self.squares[part]
            best = np.concatenate([best, near], axis=1)
            here = np.arange(start, start + near.shape[1])
            places = np.concatenate([places, np.broadcast_to(here, near.shape)], axis=1)
            best, places = _largest(best, places, count)
        distances = np.sqrt(((features[:, None].astype(np.float64) - self.features[places]) ** 2).sum(axis=2))
        nearest = distances.min(axis=1)
        first = np.where(distances == nearest[:, None], places, len(self.rows)).min(axis=1)
        return places, (first, nearest)


def _largest(values: np.ndarray, places: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    if values.shape[1] <= count:
        return values, places
    kept = np.argpartition(values, values.shape[1] - count, axis=1)[:, -count:]
    return np.take_along_axis(values, kept, 1), np.take_along_axis(places, kept, 1)


def _views(thumbnails: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    """Return all windows of images, grey values (n, W, d); their sums and contrasts (n, W); the middle ones coarsely (n, V, e);
    and which windows are mirrored (W,)."""
    fine: list[np.ndarray] = []
    sums: list[np.ndarray] = []
    lengths: list[np.ndarray] = []
    coarse: list[np.ndarray] = []
    mirrored: list[bool] = []
    for flipped in (False, True):
        images = (thumbnails[:, :, ::-1] if flipped else thumbnails).astype(np.float64)
        for side in SIDES:
            large = np.rint(_resized(images, side))
            reach, middle = min(REACH, (side - WINDOW) // 2), (side - WINDOW) // 2
            around = slice(middle - reach, middle + reach + 1)
            windows = sliding_window_view(large.astype(np.float32), (WINDOW, WINDOW), axis=(1, 2))[:, around, around]
            fine.append(windows.reshape(len(images), -1, WINDOW**2))
            for patches, values in zip((sums, lengths), _contrasts(large)):
                patches.append(values[:, around, around].reshape(len(images), -1))
            mirrored += [flipped] * fine[-1].shape[1]
            window = large[:, middle : middle + WINDOW, middle : middle + WINDOW]
            coarse.append(_halved(window).reshape(len(images), -1))
    about = np.concatenate(sums, 1), np.concatenate(lengths, 1)
    return np.concatenate(fine, 1), about, _standard(np.stack(coarse, axis=1)), np.array(mirrored)


def _contrasts(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each window of images the sum of its grey values, and their length less their mean: 0 where it shows nothing."""
    sums, squares = (_window_sums(values) for values in (images, images**2))
    spread = np.maximum(squares - sums**2 / WINDOW**2, 0)
    return sums, np.where(spread > (FLAT * WINDOW) ** 2, np.sqrt(spread), 0)


def _window_sums(images: np.ndarray) -> np.ndarray:
    total = np.pad(images, ((0, 0), (1, 0), (1, 0))).cumsum(1).cumsum(2)
    rows = total[:, WINDOW:] - total[:, :-WINDOW]
    return rows[:, :, WINDOW:] - rows[:, :, :-WINDOW]


def _resized(images: np.ndarray, side: int) -> np.ndarray:
    """Return images (n, S, S) resized to (n, side, side)."""
    if side == images.shape[-1]:
        return images
    weights = resizing(images.shape[-1], side)
    return np.matmul(np.matmul(weights, images), weights.T)


def _halved(windows: np.ndarray) -> np.ndarray:
    """Return the means of 2 x 2 pixels, (n, COARSE, COARSE)."""
    return windows.reshape(len(windows), COARSE, 2, COARSE, 2).mean(axis=(2, 4))


def _standard(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (..., d) without their mean, of length NORM, in whole numbers, float32; zeros where nothing is shown."""
    apart = vectors - vectors.mean(axis=-1, keepdims=True)
    lengths = np.linalg.norm(apart, axis=-1, keepdims=True)
    shown = lengths > FLAT * vectors.shape[-1] ** 0.5
    return np.rint(np.where(shown, apart * (NORM / np.maximum(lengths, 1e-12)), 0)).astype(np.float32)
