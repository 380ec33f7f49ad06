"""DICOM grey values: generated headers against pydicom's own display functions, and every difference that is meant."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_presentation_lut, apply_voi_lut
from pydicom.sequence import Sequence as Items

from scripts.lib.formats.record import Rejected
from tests.helpers.grey_films import Film, grey, lut, read

HEADERS = 320


def expected(film: Film) -> np.ndarray:
    """What pydicom's functions make of the film, brought to 8 bits as this project does, float (H, W)."""
    ds = copy.deepcopy(film.ds)
    values = apply_modality_lut(film.values.astype(np.int32), ds)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Applying a VOI LUT on a float input")  # whole numbers all the same
        shown = apply_voi_lut(values, ds)
    windowed = "VOILUTSequence" not in ds and "WindowCenter" in ds
    inverted = ds.PhotometricInterpretation == "MONOCHROME1"
    if inverted:  # pydicom inverts by this element alone
        ds.PresentationLUTShape = "INVERSE"
    last = np.asarray(apply_presentation_lut(shown.astype(np.float64), ds), dtype=np.float64)
    keep8 = not windowed and "VOILUTSequence" not in ds and values.dtype == np.int32 and film.stored == 8
    untouched = np.array_equal(values, film.values)
    if windowed:
        black, white = _window_ends(film, ds)
        # apply_presentation_lut subtracts from the greatest value of the film, not from the window's upper end
        last = last - (shown.max() - white - black if inverted else 0)
        return np.clip((last - black) / (white - black) * 255, 0, 255)
    if keep8 and untouched and not film.signed:
        return last - (float(shown.max()) - 255 if inverted else 0)
    valid = last[~film.padding]
    return np.clip((last - valid.min()) / (valid.max() - valid.min()) * 255, 0, 255)


def _window_ends(film: Film, ds: Dataset) -> tuple[float, float]:
    """pydicom's output range of a window: that of the values that the bits can hold, rescaled."""
    low, high = (0, 65535) if "ModalityLUTSequence" in ds else (film.low, film.top)
    slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
    return low * slope + intercept, high * slope + intercept


def test_generated_headers_show_what_pydicom_shows() -> None:
    seen: dict[str, int] = {}
    for number in range(HEADERS):
        film = Film(number)
        want = np.where(film.padding, 0, expected(film))
        used = want[~film.padding]
        if used.max() - used.min() < 1:  # a window that leaves nothing: see REFUSED
            continue
        have = read(copy.deepcopy(film.ds))
        worst = np.abs(have - want).max()
        assert worst <= 1.01, f"header {number}: {worst:.1f} levels off\n{film.ds}"
        for name in ("VOILUTSequence", "ModalityLUTSequence", "WindowCenter", "RescaleSlope", "PixelPaddingValue"):
            seen[name] = seen.get(name, 0) + (name in film.ds)
        seen["all"] = seen.get("all", 0) + 1
    assert seen["all"] >= 200 and min(seen.values()) >= 20, seen


def with_shape(shape: str, colours: str) -> Dataset:
    return grey([[0, 1], [2, 4]], PhotometricInterpretation=colours, PresentationLUTShape=shape)


# Each row of the table in scripts/lib/formats/voi.py that pydicom treats otherwise: film, what it shows here, reason.
OTHERWISE: dict[str, tuple[Dataset, list[list[int]]]] = {
    # bits 4 to 15 hold 0, 1, 2, 4; the four below an overlay
    "HighBit 15 of 12": (grey([[0x3, 0x1A], [0x2F, 0x40]], BitsStored=12, HighBit=15), [[0, 64], [128, 255]]),
    "padding": (grey([[9, 1], [2, 3]], PixelPaddingValue=9), [[0, 0], [128, 255]]),
    "MONOCHROME1": (grey([[0, 1], [2, 4]], PhotometricInterpretation="MONOCHROME1"), [[255, 191], [128, 0]]),
    "MONOCHROME1 and INVERSE": (with_shape("INVERSE", "MONOCHROME1"), [[255, 191], [128, 0]]),
    # slope 3 alone: 0, 3, 6, 12; an intercept alone shifts and is stretched away
    "slope alone": (grey([[0, 1], [2, 4]], RescaleSlope=3), [[0, 64], [128, 255]]),
    # 0, 0.5, 1, 1.5 round to 0, 0, 1, 2 (to even), entries 0, 0, 10, 20; cut they would be 0, 0, 1, 1
    "VOI table of rescaled values": (
        grey(
            [[0, 1], [2, 3]],
            RescaleSlope=0.5,
            RescaleIntercept=0,
            VOILUTSequence=lut(np.array([0, 10, 20]), 0, 16, "US", False),
        ),
        [[0, 0], [128, 255]],
    ),
    "LINEAR of width 1": (grey([[0, 1], [2, 4]], WindowCenter=2, WindowWidth=1), [[0, 64], [128, 255]]),
}
REFUSED: dict[str, tuple[Dataset, str]] = {
    "MONOCHROME2 and INVERSE": (with_shape("INVERSE", "MONOCHROME2"), "contradict"),
    "MONOCHROME1 and IDENTITY": (with_shape("IDENTITY", "MONOCHROME1"), "contradict"),
    "slope 0": (grey([[0, 1], [2, 4]], RescaleSlope=0, RescaleIntercept=1), "RescaleSlope"),
    "slope beyond all grey values": (
        grey([[0, 1], [2, 4]], RescaleSlope="1e300", RescaleIntercept=0),
        "leave no steps",
    ),
    "slope of nothing": (grey([[0, 1], [2, 4]], RescaleSlope="1e-300", RescaleIntercept=0), "leave no steps"),
    "intercept beyond all steps": (grey([[0, 1], [2, 4]], RescaleSlope=1, RescaleIntercept="1e17"), "leave no steps"),
    # 0 to 4 in a window of 1e30: all of them are the same grey
    "window beyond all grey values": (
        grey([[0, 1], [2, 4]], WindowCenter=2, WindowWidth="1e30"),
        "constant image after",
    ),
    "table of entries without bits": (
        grey([[0, 1], [2, 4]], VOILUTSequence=lut(np.arange(5), 0, 0, "US", False)),
        "LUTDescriptor is",
    ),
    "table of entries of 40 bits": (
        grey([[0, 1], [2, 4]], PresentationLUTSequence=lut(np.arange(5), 0, 40, "US", False)),
        "LUTDescriptor is",
    ),
    "modality table without entries": (
        grey([[0, 1], [2, 4]], ModalityLUTSequence=Items([Dataset()])),
        "without LUTDescriptor or LUTData",
    ),
    "window off the film": (grey([[0, 1], [2, 4]], WindowCenter=900, WindowWidth=10), "constant"),
    "unknown function": (
        grey([[0, 1], [2, 4]], WindowCenter=2, WindowWidth=4, VOILUTFunction="CUBIC"),
        "VOILUTFunction CUBIC",
    ),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_where_pydicom_is_not_followed(name: str) -> None:
    ds, want = OTHERWISE[name]
    assert read(copy.deepcopy(ds)).tolist() == want


@pytest.mark.parametrize("name", REFUSED)
def test_what_pydicom_shows_and_is_refused_here(name: str) -> None:
    with pytest.raises(Rejected, match=REFUSED[name][1]):
        read(copy.deepcopy(REFUSED[name][0]))
