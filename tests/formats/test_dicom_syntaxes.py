"""Compressed DICOM films: each syntax that is decoded, under its own name and under every other; cut, wrong and long ones."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from openjpeg.utils import encode_array
from PIL import Image
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate

from scripts.lib.formats import codestream, dicom, encapsulated
from scripts.lib.formats.record import Rejected
from tests.helpers import jpeg_lossless
from tests.helpers.dicom_files import compressed_dicom, dataset, dicom_bytes, to_bytes, with_syntax

LIMIT = 1 << 22
WALK = np.cumsum(np.random.default_rng(0).normal(0, 20, (64, 80)), axis=1)
DEEP = np.clip(WALK + 2000, 0, 4095).astype(np.uint16)  # 12 bits
FLAT = (DEEP >> 4).astype(np.uint8)
BITS12 = {"BitsStored": 12, "HighBit": 11}
JPEG_UIDS = {uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1}
LS_UIDS = {uid.JPEGLSLossless, uid.JPEGLSNearLossless}
J2K_UIDS = {uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K}
OTHERS = (None, "", "1.2.3.4", "garbage", "1.2.840.10008.1.2.9", "1.2.840.10008.5.1.4.1.1.7")
NATIVE = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)
ALL = (*OTHERS, *NATIVE, uid.DeflatedExplicitVRLittleEndian, *JPEG_UIDS, *LS_UIDS, *J2K_UIDS, uid.RLELossless)


def read(data: bytes):
    return dicom.read_film(data, LIMIT, (0, 100))


def jpeg(pixels: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="JPEG", quality=95, **options)
    return stream.getvalue()


def rle(pixels: np.ndarray, **changes: object) -> bytes:
    ds = dataset(pixels, **changes)
    ds.compress(uid.RLELossless, encoding_plugin="pydicom")
    return to_bytes(ds)


def stored(name: str) -> bytes:
    return Path(str(get_testdata_file(name, download=False))).read_bytes()


FILMS = {
    "rle 8": (rle(FLAT), {uid.RLELossless}),
    "rle 12": (rle(DEEP, **BITS12), {uid.RLELossless}),
    "jpeg": (compressed_dicom(FLAT, jpeg(FLAT), uid.JPEGBaseline8Bit), JPEG_UIDS),
    "jpeg 12": (stored("JPGExtended.dcm"), JPEG_UIDS),
    "jpeg lossless": (
        compressed_dicom(DEEP, jpeg_lossless.encode(DEEP, 12), uid.JPEGLosslessSV1, **BITS12),
        JPEG_UIDS,
    ),
    "jpeg-ls": (stored("MR_small_jpeg_ls_lossless.dcm"), LS_UIDS),
    "jpeg-ls lossy": (stored("JPEGLSNearLossless_08.dcm"), LS_UIDS),
    "jpeg 2000": (
        compressed_dicom(DEEP, encode_array(DEEP, bits_stored=12, codec_format=0), uid.JPEG2000Lossless, **BITS12),
        J2K_UIDS,
    ),
}


@pytest.mark.parametrize("name", FILMS)
def test_a_compressed_film_under_any_name_is_itself_or_refused(name: str) -> None:
    data, family = FILMS[name]
    whole = read(data)[0]
    taken = set()
    for syntax in ALL:
        try:
            image = read(with_syntax(data, syntax))[0]
        except Rejected:
            continue
        # libjpeg and libjpeg-turbo, which decode it under different names, may round differently
        assert np.abs(image.astype(int) - whole).max() <= 2, syntax
        taken.add(syntax)
    assert taken == family


def test_an_uncompressed_film_under_a_compressed_name_is_refused() -> None:
    data = dicom_bytes(FLAT)
    for syntax in (*JPEG_UIDS, *LS_UIDS, *J2K_UIDS, uid.RLELossless):
        with pytest.raises(Rejected, match="not compressed"):
            read(with_syntax(data, syntax))
    assert np.array_equal(read(with_syntax(data, None))[0], FLAT)


def test_items_under_an_uncompressed_name_are_found_by_their_form() -> None:
    # The same chain of items, but with an explicit length as of an uncompressed element.
    ds = dataset(FLAT)
    ds.PixelData = encapsulate([jpeg(FLAT) + b"\0" * FLAT.size])
    with pytest.raises(Rejected, match="compressed, but the transfer syntax"):
        read(to_bytes(ds))


def bare(picture: bytes) -> bytes:
    """A file whose uncompressed pixel data are a compressed picture, without items, filled up to the length of pixels."""
    ds = dataset(FLAT)
    ds.PixelData = picture + b"\0" * (FLAT.size - len(picture))
    return to_bytes(ds)


def png_of(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="PNG")
    return stream.getvalue()


BARE = {
    "jpeg": jpeg(FLAT),
    "png": png_of(FLAT),
    "jpeg 2000": encode_array(FLAT, bits_stored=8, codec_format=0),
    "jp2": encode_array(FLAT, bits_stored=8, codec_format=1),
}


@pytest.mark.parametrize("kind", BARE)
def test_a_picture_without_items_is_refused_where_pixels_are_said(kind: str) -> None:
    with pytest.raises(Rejected, match="a compressed picture without items"):
        read(bare(BARE[kind]))


def test_pixels_that_begin_like_a_picture_are_pixels() -> None:
    film = FLAT.copy()
    film[0, :4] = (0xFF, 0xD8, 0xFF, 0xE0)
    assert np.array_equal(read(dicom_bytes(film))[0], film)


@pytest.mark.parametrize("signed", [True, False])
def test_a_sign_that_picture_and_header_disagree_about_is_told(signed: bool) -> None:
    # As pydicom reads it, the header's sign counts; only values in the upper half of 12 bits change by that.
    low = (DEEP // 2).astype(np.int16 if signed else np.uint16)
    for values, told in ((low, 0), (low + 1500, 1)):
        coded = values.astype(np.uint16) if signed else values.astype(np.int16) - (2800 if told else 0)
        data = compressed_dicom(values, encode_array(coded, bits_stored=12, codec_format=0), uid.JPEG2000, **BITS12)
        image, _, notes = read(data)
        assert notes[encapsulated.SIGNS] == told
        shown = pydicom.dcmread(io.BytesIO(data)).pixel_array.astype(float)
        assert np.corrcoef(shown.ravel(), image.ravel())[0, 1] > 0.999


def cut(picture: bytes, share: float) -> bytes:
    """The picture without the last `share` of its coded bytes, but with its end marker."""
    keep = picture.rindex(b"\xff\xd9") - int(len(picture) * share)
    return picture[:keep].rstrip(b"\xff") + b"\xff\xd9"


def frame_of(data: bytes) -> bytes:
    return pydicom.encaps.get_frame(pydicom.dcmread(io.BytesIO(data)).PixelData, 0, number_of_frames=1)


def refilled(data: bytes, picture: bytes) -> bytes:
    """The file with another compressed picture in it."""
    ds = pydicom.dcmread(io.BytesIO(data))
    ds.PixelData = encapsulate([picture])
    return to_bytes(ds)


CUTS = [(name, share) for name in FILMS if not name.startswith("rle") for share in (0.03, 0.25, 0.6)]
# That film ends in black rows, whose coded bytes are the very zeros that a decoder fills in: nothing is lost.
CUTS.remove(("jpeg 12", 0.03))


@pytest.mark.parametrize(("name", "share"), CUTS)
def test_a_picture_cut_early_with_an_end_marker_is_refused(name: str, share: float) -> None:
    data = FILMS[name][0]
    picture = frame_of(data)
    with pytest.raises(Rejected, match=r"is cut|cannot be decoded"):
        read(refilled(data, cut(picture, share)))
    assert np.array_equal(read(refilled(data, picture))[0], read(data)[0])


@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_blocks": 4}, {"restart_marker_rows": 2}])
def test_progressive_pictures_and_such_with_restarts(options: dict) -> None:
    picture = jpeg(FLAT, **options)
    assert read(compressed_dicom(FLAT, picture, uid.JPEGBaseline8Bit))[0].shape == FLAT.shape
    for share in (0.1, 0.5):
        with pytest.raises(Rejected):
            read(compressed_dicom(FLAT, cut(picture, share), uid.JPEGBaseline8Bit))


def test_bytes_lost_before_a_restart_are_noticed() -> None:
    picture = jpeg(FLAT, restart_marker_blocks=20)
    restart = picture.index(b"\xff\xd0")
    broken = picture[: restart - 60] + picture[restart:]
    with pytest.raises(Rejected, match="is cut"):
        read(compressed_dicom(FLAT, broken, uid.JPEGBaseline8Bit))


@pytest.mark.parametrize("coded", [14, 16])
def test_a_picture_of_more_bits_than_the_header_says(coded: int) -> None:
    deep = (DEEP << 2).astype(np.uint16)  # 14 bits: 8,000 would wrap to 3,904 under BitsStored 12
    j2k = compressed_dicom(deep, encode_array(deep, bits_stored=coded, codec_format=0), uid.JPEG2000Lossless, **BITS12)
    lossless = compressed_dicom(deep, jpeg_lossless.encode(deep, coded), uid.JPEGLosslessSV1, **BITS12)
    for data in (j2k, lossless):
        with pytest.raises(Rejected, match=f"picture of {coded} bits, the header says BitsStored 12, and it holds"):
            read(data)
    # Values that fit are right whatever the coder's container was.
    picture = jpeg_lossless.encode(DEEP, coded)
    plain = read(dicom_bytes(DEEP, **BITS12))[0]
    assert np.array_equal(read(compressed_dicom(DEEP, picture, uid.JPEGLosslessSV1, **BITS12))[0], plain)


def test_8_bits_under_a_header_of_12_are_refused_and_10_noted() -> None:
    as16 = FLAT.astype(np.uint16)
    for picture, syntax in (
        (encode_array(FLAT, bits_stored=8, codec_format=0), uid.JPEG2000Lossless),
        (jpeg(FLAT), uid.JPEGBaseline8Bit),
    ):
        with pytest.raises(Rejected, match="of 8 bits, the header says BitsStored 12"):
            read(compressed_dicom(as16, picture, syntax, **BITS12))
    ten = (DEEP >> 2).astype(np.uint16)
    picture = encode_array(ten, bits_stored=10, codec_format=0)
    image, _, notes = read(compressed_dicom(ten, picture, uid.JPEG2000Lossless, **BITS12))
    assert np.array_equal(image, read(dicom_bytes(ten, **BITS12))[0]) and notes[encapsulated.FEWER_BITS] == 1


def test_other_samples_than_the_header_says() -> None:
    colour = jpeg(np.dstack([FLAT] * 3))
    with pytest.raises(Rejected, match="3 samples a pixel, the header says 1"):
        read(compressed_dicom(FLAT, colour, uid.JPEGBaseline8Bit))


@pytest.mark.parametrize("change", ["short", "no segment", "more rows", "fewer segments"])
def test_run_lengths_that_do_not_fit(change: str) -> None:
    data = FILMS["rle 12"][0]
    picture = frame_of(data)
    count, first, second = struct.unpack_from("<III", picture)
    assert (count, first) == (2, 64)
    if change == "short":
        broken = refilled(data, picture[:-200])
    elif change == "no segment":
        broken = refilled(data, picture[:4] + struct.pack("<II", 64, len(picture) + 10) + picture[12:])
    elif change == "more rows":  # the header says 32 rows, the segments hold 64
        broken = data.replace(b"\x28\x00\x10\x00US\x02\x00\x40\x00", b"\x28\x00\x10\x00US\x02\x00\x20\x00")
    else:
        broken = refilled(data, struct.pack("<I", 1) + picture[4:])
    assert broken != data
    with pytest.raises(Rejected, match="RLE|cut"):
        read(broken)


@pytest.mark.parametrize("junk", [b"\0" * 100, b"\xaa" * 100, bytes(range(100))], ids=["zeros", "ones", "any"])
@pytest.mark.parametrize("name", FILMS)
def test_bytes_after_the_end_of_a_picture_do_not_cost_the_film(name: str, junk: bytes) -> None:
    data = FILMS[name][0]
    image, _, notes = read(refilled(data, frame_of(data) + junk))
    assert np.array_equal(image, read(data)[0]) and notes[encapsulated.TRAILING] == 1
    assert np.array_equal(read(data + b"\0" * 100)[0], image)  # after the file's last element


def test_a_second_picture_is_no_trailing_byte() -> None:
    data = compressed_dicom(FLAT, jpeg(FLAT) + jpeg(FLAT.T.reshape(64, 80)), uid.JPEGBaseline8Bit)
    with pytest.raises(Rejected, match="second picture"):
        read(data)
    ds = dataset(FLAT)
    ds.PixelData = encapsulate([jpeg(FLAT)] * 2)
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    ds.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    with pytest.raises(Rejected, match="2 pictures"):
        read(to_bytes(ds))


def test_uncompressed_pixels_longer_than_the_header_says() -> None:
    ds = dataset(FLAT)
    ds.PixelData += b"\0" * 100
    image, _, notes = read(to_bytes(ds))
    assert np.array_equal(image, FLAT) and notes[encapsulated.TRAILING] == 1
    with pytest.raises(Rejected, match="5120 bytes, 48 x 80 pixels need 3840"):
        read(dicom_bytes(FLAT, Rows=48))


def test_a_picture_of_endless_scans_is_refused() -> None:
    picture = jpeg(FLAT, progressive=True)
    scan = picture.rindex(b"\xff\xda")
    with pytest.raises(Rejected, match="scans"):
        codestream.read_picture(picture[:scan] + picture[scan:-2] * 120 + b"\xff\xd9")
