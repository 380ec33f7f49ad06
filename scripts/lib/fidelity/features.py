"""Features of a store, a file for each network: computed batch by batch from the memory map, written whole, read checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError

if TYPE_CHECKING:
    from scripts.lib.fidelity.networks import Extractor

LARGEST_HEADER = 1024  # bytes: smaller files are read at once
LARGEST = 1e15  # of a feature: its cube still has room for sums of squares; no network says more


def extract(cohort: Cohort, extractor: Extractor) -> np.ndarray:
    """Return the features of every image of a cohort or shard, in the order of its index.

    Raises InputError for features that are not finite.
    """
    parts = []
    for start in range(0, len(cohort), extractor.batch_size):
        rows = slice(start, min(start + extractor.batch_size, len(cohort)))
        parts.append(extractor(cohort.images(rows)))
    if not parts:
        return extractor(np.zeros((1, cohort.resolution, cohort.resolution), np.uint8))[:0]
    features = np.concatenate(parts)
    check_finite(features, f"{cohort.folders[0]}: {extractor.name} features")
    return features


def given(folder: Path, name: str, cohort: Cohort) -> np.ndarray:
    """Return features that somebody computed, float32 (n, D): `folder`/`name`.npy, one row an image in index order.

    Raises InputError when the folder or file is not there, has other rows, or holds what is no finite number.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (fidelity.features: folder:PATH); expected features as .npy files")
    path = folder / f"{name}.npy"
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; expected features of the {len(cohort)} images of {cohort.folders[0]}, one row each"
        )
    features = _load(path)
    _check_form(features, path)
    if len(features) != len(cohort):
        raise InputError(
            f"{path}: {len(features)} rows, expected {len(cohort)}, one for each image of {cohort.folders[0]}"
        )
    check_finite(features, str(path))
    return np.asarray(features, dtype=np.float32)


def check_finite(features: np.ndarray, where: str) -> None:
    """Raise InputError for a row that holds NaN or infinity, or a number beyond LARGEST."""
    if np.issubdtype(features.dtype, np.integer) or not features.size:
        return
    wrong = ~np.isfinite(features).all(axis=1)
    if wrong.any():
        raise InputError(
            f"{where}: row {int(wrong.argmax())} holds NaN or infinite numbers ({int(wrong.sum())} of {len(features)} rows); "
            f"compute it anew"
        )
    if (farthest := max(float(features.max()), -float(features.min()))) > LARGEST:
        raise InputError(f"{where}: holds {farthest:.3g}, beyond {LARGEST:.0e}; is it a number that stands for none?")


def _check_form(features: np.ndarray, path: Path, thumbnails: bool = False) -> None:
    """Raise InputError unless these are features, floating (n, D); with `thumbnails` bytes (n, S, S) will do as well."""
    small = thumbnails and features.ndim == 3 and features.dtype == np.uint8
    if not small and not (features.ndim == 2 and features.shape[1] and np.issubdtype(features.dtype, np.floating)):
        raise InputError(
            f"{path}: shape {features.shape} of {features.dtype}; expected floating numbers, (images, features)"
        )


def read_features(paths: Sequence[Path], rows: Sequence[np.ndarray] | None = None) -> np.ndarray:
    """Return the features of several stores as one array; `rows`: which rows of each are wanted, all when left out.

    Raises InputError for a file that holds neither features nor thumbnails, features of another length than the first file's, and
    NaN.
    """
    parts: list[np.ndarray] = []
    for number, path in enumerate(paths):
        whole = _load(path)
        _check_form(whole, path, thumbnails=True)
        part = np.asarray(whole if rows is None else whole[rows[number]])
        if parts:
            check_alike((part, path), (parts[0], paths[0]))
        check_finite(part, str(path))
        parts.append(part)
    return np.concatenate(parts)


def check_alike(one: tuple[np.ndarray, Path], other: tuple[np.ndarray, Path]) -> None:
    """Raise InputError unless the features of two files, each with its file, are of one length."""
    (part, path), (first, where) = one, other
    if part.shape[1:] != first.shape[1:]:
        raise InputError(
            f"{path}: features of length {_length(part)}, but {_length(first)} in {where}; one network for both"
        )


def check_rows(path: Path, images: int) -> None:
    """Raise InputError unless a file of features has a row for each of so many images."""
    if (count := len(_load(path))) != images:
        raise InputError(f"{path}: {count} rows for {images} images; extract these features anew")


def _length(part: np.ndarray) -> str:
    return " x ".join(map(str, part.shape[1:]))


def _load(path: Path) -> np.ndarray:
    try:
        # An array without rows cannot be mapped.
        mapped = path.stat().st_size > LARGEST_HEADER
        features = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        reason = "it holds objects, or is no .npy file" if "pickle" in str(error) else " ".join(str(error).split())
        raise InputError(f"{path}: not a readable array ({reason}); compute these features anew") from None
    if not isinstance(features, np.ndarray):
        raise InputError(f"{path}: not a readable array (an .npz archive); save the features alone as .npy")
    return features
