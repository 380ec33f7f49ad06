"""Flipped bytes in pictures, DICOM files and weights: a value, quarantine or one clear line, soon and in little memory."""

from __future__ import annotations

import io
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import uid

from scripts.lib.core.errors import InputError
from scripts.lib.encoders.weights import _read
from scripts.lib.formats import dicom, raster
from scripts.lib.formats.record import Rejected
from tests.helpers import jpeg_lossless
from tests.helpers.dicom_files import compressed_dicom, dataset, dicom_bytes, to_bytes

FLIPS = 150
SECONDS = 10.0
MEMORY = 1 << 30
Y, X = np.mgrid[:48, :40]
DEEP = np.clip(1600 + 960 * np.sin(X / 7) + 640 * np.cos(Y / 5) + 320 * np.sin(X * Y / 30), 0, 4095).astype(np.uint16)
FLAT = (DEEP >> 4).astype(np.uint8)
BITS12 = {"BitsStored": 12, "HighBit": 11, "WindowCenter": 1600, "WindowWidth": 3000, "PixelPaddingValue": 0}


def picture(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(FLAT).save(stream, format=kind)
    return stream.getvalue()


def rle() -> bytes:
    ds = dataset(DEEP, **BITS12)
    ds.compress(uid.RLELossless, encoding_plugin="pydicom")
    return to_bytes(ds)


FILMS: dict[str, tuple[Callable[..., tuple], bytes]] = {
    "DICOM": (dicom.read_film, dicom_bytes(DEEP, **BITS12)),
    "DICOM JPEG lossless": (
        dicom.read_film,
        compressed_dicom(DEEP, jpeg_lossless.encode(DEEP, 12), uid.JPEGLosslessSV1, **BITS12),
    ),
    "DICOM RLE": (dicom.read_film, rle()),
    "PNG": (raster.read_film, picture("PNG")),
    "JPEG": (raster.read_film, picture("JPEG")),
}


def flipped(data: bytes, seed: int) -> bytes:
    """The data with 1 to 8 bytes changed, one of three times in the first 400, where headers lie."""
    random = np.random.default_rng(seed)
    broken = np.frombuffer(data, dtype=np.uint8).copy()
    places = random.integers(0, min(400, len(data)) if seed % 3 == 0 else len(data), random.integers(1, 9))
    broken[places] ^= random.integers(1, 256, len(places)).astype(np.uint8)
    return broken.tobytes()


@pytest.fixture
def bounds():
    """Check afterwards that the test took few seconds, and its process no more memory than it may."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    assert time.process_time() - start < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY


@pytest.mark.usefixtures("bounds")
@pytest.mark.parametrize("name", FILMS)
def test_flipped_bytes_in_films(name: str) -> None:
    read, data = FILMS[name]
    outcomes = {"film": 0, "refused": 0}
    for seed in range(FLIPS):
        try:
            image = read(flipped(data, seed), 1 << 20, (0, 100))[0]
        except (Rejected, InputError) as reason:
            assert str(reason) and "\n" not in str(reason) and " at 0x" not in str(reason)
            outcomes["refused"] += 1
            continue
        assert image.dtype == np.uint8 and image.ndim == 2 and image.min() < image.max()
        outcomes["film"] += 1
    assert outcomes["refused"] > 10, outcomes


@pytest.mark.usefixtures("bounds")
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_flipped_bytes_in_masks(kind: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(((FLAT > 128) * 255).astype(np.uint8)).save(stream, format=kind)
    for seed in range(FLIPS):
        try:
            masks, _ = raster.read_mask(flipped(stream.getvalue(), seed), 1 << 20, {}, (), "lungs", "table row 2")
        except (Rejected, InputError) as reason:
            assert "\n" not in str(reason)
            continue
        assert masks["lungs"].dtype == bool and masks["lungs"].ndim == 2


@pytest.mark.usefixtures("bounds")
def test_flipped_bytes_in_weights(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "weights.safetensors"
    save_file({f"layer.{k}.weight": torch.full((8, 4), float(k)) for k in range(6)}, path, metadata={"step": "4"})
    data = path.read_bytes()
    refused = 0
    for seed in range(FLIPS):
        path.write_bytes(flipped(data, seed))
        try:
            state = _read(path)
        except InputError as reason:
            assert str(path) in str(reason) and "\n" not in str(reason)
            refused += 1
            continue
        assert all(isinstance(value, torch.Tensor) for value in state.values())
    assert refused > 10
