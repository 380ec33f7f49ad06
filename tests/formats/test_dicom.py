"""DICOM decoding: every step of the display chain by hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from scripts.lib.formats import dicom, subject, voi
from scripts.lib.formats.record import Rejected
from tests.helpers.dicom_files import (
    dataset,
    dicom_bytes,
    image_of,
    jpeg_dicom,
    noisy,
    ramp,
    read,
    to_bytes,
)


def test_plain_8_bit_film_keeps_its_grey_values() -> None:
    assert np.array_equal(image_of(dicom_bytes(ramp())), ramp())


def test_deep_film_is_stretched_from_its_least_to_its_greatest_value() -> None:
    # 100, 110 ... 330 -> (value - 100) * 255 / 230, rounded
    expected = np.round(np.arange(24) * 10 * 255 / 230).reshape(4, 6)
    assert np.array_equal(image_of(dicom_bytes(ramp().astype(np.uint16) + 100)), expected)


def test_monochrome1_is_inverted_once() -> None:
    plain = image_of(dicom_bytes(ramp()))
    inverted = image_of(dicom_bytes(255 - ramp(), PhotometricInterpretation="MONOCHROME1"))
    assert np.array_equal(plain, inverted)


def test_inversion_comes_after_the_window() -> None:
    # LINEAR window, centre 100.5, width 101: black at 50, white at 150; MONOCHROME1 swaps them afterwards.
    pixels = np.array([[0, 50], [100, 200]], dtype=np.uint8)
    options = {"WindowCenter": 100.5, "WindowWidth": 101}
    assert image_of(dicom_bytes(pixels, **options)).tolist() == [[0, 0], [128, 255]]
    mono1 = dicom_bytes(pixels, PhotometricInterpretation="MONOCHROME1", **options)
    assert image_of(mono1).tolist() == [[255, 255], [128, 0]]


def test_linear_exact_and_sigmoid_windows() -> None:
    pixels = np.array([[0, 50], [100, 200]], dtype=np.uint8)
    # LINEAR_EXACT centre 100 width 100: black at 50, white at 150
    exact = dicom_bytes(pixels, WindowCenter=100, WindowWidth=100, VOILUTFunction="LINEAR_EXACT")
    assert image_of(exact).tolist() == [[0, 0], [128, 255]]
    # SIGMOID: 255 / (1 + exp(-4 (x - 100) / 100)): x = 0 -> 4.59, 50 -> 30.4, 100 -> 127.5, 200 -> 250.4
    sigmoid = dicom_bytes(pixels, WindowCenter=100, WindowWidth=100, VOILUTFunction="SIGMOID")
    assert image_of(sigmoid).tolist() == [[5, 30], [128, 250]]


@pytest.mark.parametrize("width", [0, -5, 1])
def test_a_window_without_width_is_not_used(width: int) -> None:
    with_window = dicom_bytes(ramp(), WindowCenter=10, WindowWidth=width)
    assert np.array_equal(image_of(with_window), image_of(dicom_bytes(ramp())))


@pytest.mark.parametrize(
    ("changes", "noted"),
    [
        ({"WindowCenter": 10, "WindowWidth": 0}, 1),
        ({"WindowCenter": "nan", "WindowWidth": 100}, 1),
        ({"WindowCenter": 10, "WindowWidth": "1e400"}, 1),
        ({"WindowCenter": 10}, 1),
        ({"VOILUTSequence": Items([Dataset()])}, 1),
        ({"WindowCenter": "", "WindowWidth": ""}, 0),
        ({"WindowCenter": 100, "WindowWidth": 250}, 0),
        ({}, 0),
    ],
    ids=str,
)
def test_a_window_that_is_none_is_noted(changes: dict, noted: int) -> None:
    assert read(dicom_bytes(ramp(), **changes))[2][voi.UNUSED] == noted


def test_several_windows_take_the_first() -> None:
    pixels = np.array([[0, 50], [100, 200]], dtype=np.uint8)
    data = dicom_bytes(pixels, WindowCenter=[100.5, 10], WindowWidth=[101, 5])
    assert image_of(data).tolist() == [[0, 0], [128, 255]]


def test_window_works_on_rescaled_values() -> None:
    # slope 2, intercept -100: 50 -> 0, 100 -> 100; LINEAR_EXACT centre 50, width 100 spans 0 to 100
    pixels = np.array([[0, 50], [75, 100]], dtype=np.uint8)
    options = {"RescaleSlope": 2, "RescaleIntercept": -100, "VOILUTFunction": "LINEAR_EXACT"}
    data = dicom_bytes(pixels, WindowCenter=50, WindowWidth=100, **options)
    assert image_of(data).tolist() == [[0, 0], [128, 255]]


def lookup(data: list[int], first: int = 0) -> Items:
    item = Dataset()
    item.add_new(0x00283002, "US", [len(data), first, 16])
    item.add_new(0x00283006, "US", data)
    return Items([item])


def test_voi_table_maps_and_extends_its_ends() -> None:
    # entries for 1..3; 0 takes the first, 9 the last: 100, 100, 200, 300 -> 0, 0, 127.5, 255
    pixels = np.array([[0, 1], [2, 9]], dtype=np.uint8)
    data = dicom_bytes(pixels, VOILUTSequence=lookup([100, 200, 300], first=1))
    assert image_of(data).tolist() == [[0, 0], [128, 255]]


def test_modality_table_replaces_rescaling() -> None:
    pixels = np.array([[0, 1], [2, 3]], dtype=np.uint8)
    data = dicom_bytes(pixels, ModalityLUTSequence=lookup([0, 10, 20, 100]))
    assert image_of(data).tolist() == [[0, 26], [51, 255]]  # 10 * 2.55 = 25.5, 20 * 2.55 = 51


def test_dirty_high_bits_are_masked() -> None:
    clean = (ramp().astype(np.uint16)) * 16
    dirty = clean | np.uint16(0xA000)
    options = {"BitsStored": 12, "HighBit": 11}
    image, _, notes = read(dicom_bytes(dirty, **options))
    assert np.array_equal(image, image_of(dicom_bytes(clean, **options)))
    assert notes[dicom.DIRTY] == 1


def test_values_that_do_not_start_at_bit_0_are_shifted() -> None:
    clean = ramp().astype(np.uint16) * 16
    shifted = dicom_bytes(clean << 4, BitsStored=12, HighBit=15)
    assert np.array_equal(image_of(shifted), image_of(dicom_bytes(clean, BitsStored=12, HighBit=11)))


def test_signed_pixels_with_padding() -> None:
    # -2000 is padding and shows black; -100 .. 100 spans black to white
    pixels = np.array([[-2000, -100], [0, 100]], dtype=np.int16)
    image, _, notes = read(dicom_bytes(pixels, PixelPaddingValue=-2000))
    assert image.tolist() == [[0, 0], [128, 255]]
    assert notes[dicom.PADDED] == 1 and notes[dicom.SIGNED] == 1


def test_padding_of_an_inverted_film_shows_black() -> None:
    pixels = np.array([[0, 100], [150, 200]], dtype=np.uint16)
    data = dicom_bytes(pixels, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0)
    assert image_of(data).tolist() == [[0, 255], [128, 0]]


def test_padding_of_an_inverted_and_windowed_film_shows_black() -> None:
    # LINEAR_EXACT centre 150, width 100: 100 white, 150 middle, 200 black once inverted; the padding stays black
    options = {"WindowCenter": 150, "WindowWidth": 100, "VOILUTFunction": "LINEAR_EXACT", "PixelPaddingValue": 0}
    pixels = np.array([[0, 100], [150, 200]], dtype=np.uint16)
    assert image_of(dicom_bytes(pixels, PhotometricInterpretation="MONOCHROME1", **options)).tolist() == [
        [0, 255],
        [128, 0],
    ]


def test_padding_range() -> None:
    pixels = np.array([[0, 3], [10, 20]], dtype=np.uint16)
    data = dicom_bytes(pixels, PixelPaddingValue=0, PixelPaddingRangeLimit=5)
    assert image_of(data).tolist() == [[0, 0], [0, 255]]


@pytest.mark.parametrize("slope", [0, "nan"])
def test_rescale_slope_that_loses_the_film_is_rejected(slope: object) -> None:
    ds = dataset(ramp(), RescaleIntercept=0)
    with disable_value_validation():
        ds.add_new(0x00281053, "DS", str(slope))
    with pytest.raises(Rejected, match="RescaleSlope"):
        read(to_bytes(ds))


def test_missing_intercept_is_zero_and_missing_slope_is_one() -> None:
    deep = ramp().astype(np.uint16)
    plain = image_of(dicom_bytes(deep))
    assert np.array_equal(image_of(dicom_bytes(deep, RescaleSlope=3)), plain)
    assert np.array_equal(image_of(dicom_bytes(deep, RescaleIntercept=-7)), plain)
    # A window from 0 to 46 on values of slope 2 and no intercept: 23 is white
    options = {"RescaleSlope": 2, "WindowCenter": 23, "WindowWidth": 46, "VOILUTFunction": "LINEAR_EXACT"}
    assert image_of(dicom_bytes(np.array([[0, 23]], np.uint16), **options)).tolist() == [[0, 255]]


def test_negative_slope_inverts() -> None:
    deep = ramp().astype(np.uint16)
    assert np.array_equal(image_of(dicom_bytes(deep, RescaleSlope=-1)), image_of(dicom_bytes(deep))[::-1, ::-1])


def test_colour_becomes_grey() -> None:
    # luma: red 0.299 * 200 = 59.8, green 0.587 * 200 = 117.4, blue 0.114 * 200 = 22.8, white 200
    pixels = np.array([[[200, 0, 0], [0, 200, 0]], [[0, 0, 200], [200, 200, 200]]], dtype=np.uint8)
    image, _, notes = read(dicom_bytes(pixels))
    assert image.tolist() == [[60, 117], [23, 200]]
    assert notes[dicom.COLOURED] == 1


def test_ybr_jpeg_is_read_as_colour() -> None:
    grey = noisy()
    image = image_of(jpeg_dicom(np.stack([grey] * 3, axis=-1)))
    assert np.abs(image.astype(int) - grey).mean() < 2


@pytest.mark.parametrize(("kind", "tolerance"), [("JPEG", 2.0), ("JPEG2000", 0.0)])
def test_compressed_film_equals_the_plain_one(kind: str, tolerance: float) -> None:
    plain = image_of(dicom_bytes(noisy()))
    assert np.abs(image_of(jpeg_dicom(noisy(), kind=kind)).astype(float) - plain).mean() <= tolerance


def test_rle_lossless_film() -> None:
    ds = dataset(noisy())
    ds.compress(RLELossless)
    assert np.array_equal(image_of(to_bytes(ds)), image_of(dicom_bytes(noisy())))


def test_no_preamble_is_read_and_noted() -> None:
    ds = dataset(ramp())
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    data = to_bytes(ds)
    body = data[144 + int.from_bytes(data[140:144], "little") :]
    image, _, notes = read(body)
    assert np.array_equal(image, image_of(dicom_bytes(ramp())))
    assert notes[dicom.NO_PREAMBLE] == 1


def test_header_is_read() -> None:
    data = dicom_bytes(ramp(), PatientAge="018M", PatientSex="F", ViewPosition="pa", BurnedInAnnotation="YES")
    _, header, notes = read(data)
    assert header == dicom.Header("1.2.3.4", "P1", "PA", "F", 1.5)
    assert notes[dicom.BURNED_IN] == 1


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        *(("PatientOrientation", value, "") for value in (["L", "F"], ["A", "F"], "L", None)),
        *(("PatientOrientation", value, subject.TURNED) for value in (["R", "F"], ["L", "H"], ["RP", "FR"])),
        *(("BodyPartExamined", value, "") for value in ("CHEST", "PORT CHEST", "Thorax", "TORAX", "", None)),
        *(("BodyPartExamined", value, subject.OTHER_PART) for value in ("KNEE", "ABDOMEN")),
        *(("Modality", value, "") for value in ("DX", "CR", "OT", "", None)),
        *(("Modality", value, subject.NO_FILM) for value in ("MR", "US", "CT")),
    ],
)
def test_what_a_header_says_against_a_chest_film_is_noted(name: str, value: object, kind: str) -> None:
    _, _, notes = read(dicom_bytes(ramp(), **{name: value}))
    assert [one for one in (subject.TURNED, subject.OTHER_PART, subject.NO_FILM) if notes[one]] == [kind] * bool(kind)


def test_wrong_vr_and_character_set_do_not_cost_the_film() -> None:
    ds = dataset(ramp(), PatientAge="old", PatientName="x")
    ds.SpecificCharacterSet = "ISO_IR 100"
    data = to_bytes(ds).replace(b"ISO_IR 100", b"ISO_IR 999").replace(b"LO\x02\x00P1", b"UI\x02\x00P1")
    assert b"ISO_IR 999" in data
    _, header, _ = read(data)
    assert header.age is None and header.sop_uid == "1.2.3.4"
