"""PNG files that end early in good order: zlib's own end and IEND are there, rows are not; and JPEG files cut in the same way."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from scripts.lib.formats import raster
from scripts.lib.formats.png_rows import check_whole
from scripts.lib.formats.record import Rejected
from tests.formats.test_png_kinds import CHANNELS, KINDS, PALETTE, chunk, png, read
from tests.helpers.dicom_files import noisy


def picture(kind: int, depth: int, interlaced: bool) -> bytes:
    samples = np.random.default_rng(depth).integers(0, 1 << depth, (13, 11, CHANNELS[kind]))
    samples[-1] = (1 << depth) - 1
    greys = bytes(np.repeat(np.linspace(0, 255, 1 << min(depth, 8)).astype(np.uint8), 3))
    return png(samples, kind, depth, interlaced, chunk(b"PLTE", greys) if kind == PALETTE else b"")


def shortened(data: bytes, lost: int) -> bytes:
    """The file without the last `lost` bytes of its rows, packed anew with a right checksum."""
    start, end = data.index(b"IDAT") - 4, data.index(b"IEND") - 4
    rows = zlib.decompress(data[start + 8 : end - 4])
    return data[:start] + chunk(b"IDAT", zlib.compress(rows[: len(rows) - lost])) + data[end:]


def row_bytes(kind: int, depth: int) -> int:
    return 1 + -(-11 * depth * CHANNELS[kind] // 8)


@pytest.mark.parametrize(("kind", "depth"), KINDS)
def test_a_png_without_its_last_rows_is_refused(kind: int, depth: int) -> None:
    whole = picture(kind, depth, False)
    read(whole)
    for rows in (1, 6, 12):
        with pytest.raises(Rejected, match=r"the PNG is cut: \d+ bytes of rows, its header announces \d+"):
            read(shortened(whole, rows * row_bytes(kind, depth)))


@pytest.mark.parametrize(("kind", "depth"), KINDS)
def test_an_interlaced_png_without_its_last_pass_is_refused(kind: int, depth: int) -> None:
    # The last pass has every second row, six of thirteen: what Pillow leaves black lies between good rows.
    whole = picture(kind, depth, True)
    read(whole)
    for rows in (1, 6):
        with pytest.raises(Rejected, match="the PNG is cut"):
            read(shortened(whole, rows * row_bytes(kind, depth)))


def test_a_black_last_row_is_no_missing_one() -> None:
    film = np.vstack([noisy(20, 16), np.zeros((5, 16), np.uint8)])
    for interlaced in (False, True):
        data = png(film[..., None], 0, 8, interlaced)
        assert np.array_equal(read(data)[0], film)
        check_whole(data, Image.open(io.BytesIO(data)))


def test_rows_in_many_chunks_and_more_of_them_than_needed() -> None:
    film = noisy(30, 20)
    film[-1] = 0
    whole = png(film[..., None], 0, 8)
    start, end = whole.index(b"IDAT") - 4, whole.index(b"IEND") - 4
    packed = whole[start + 8 : end - 4]
    parts = b"".join(chunk(b"IDAT", packed[at : at + 7]) for at in range(0, len(packed), 7))
    assert np.array_equal(read(whole[:start] + parts + whole[end:])[0], film)
    longer = zlib.compress(zlib.decompress(packed) + b"\0" * 500)
    assert np.array_equal(read(whole[:start] + chunk(b"IDAT", longer) + whole[end:])[0], film)


def test_a_mask_that_ends_early_is_refused() -> None:
    mask = np.zeros((12, 8, 1), np.uint8)
    mask[2:, 3:6] = 255
    data = png(mask, 0, 8)
    with pytest.raises(Rejected, match="the PNG is cut"):
        raster.read_mask(shortened(data, 4 * 9), 1 << 20, {}, (), "lungs", "table.csv row 2")


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}], ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_jpeg_cut_early_with_an_end_marker_is_refused(mode: str, options: dict[str, int], share: float) -> None:
    stream = io.BytesIO()
    Image.fromarray(noisy(96, 80)).convert("RGB").convert(mode).save(stream, "JPEG", **options)
    data = stream.getvalue()
    assert np.array_equal(read(data)[0], np.asarray(Image.open(io.BytesIO(data)).convert("L")))
    keep = data.rindex(b"\xff\xd9") - int(len(data) * share)
    with pytest.raises(Rejected, match="is cut"):
        read(data[:keep].rstrip(b"\xff") + b"\xff\xd9")


@pytest.mark.parametrize("kind", [4, 6])
def test_deep_samples_are_weighed_by_their_alpha(kind: int) -> None:
    # 16 bits: half opaque over black is half as bright. Rows 0 and 1 differ in alpha alone.
    samples = np.full((4, 6, CHANNELS[kind]), 40000)
    samples[1, :, -1], samples[0, :, -1], samples[2:, :, -1] = 32768, 65535, 0
    image = raster.read_film(png(samples, kind, 16), 1 << 20, (0, 100))[0]
    assert (image[0, 0], int(image[1, 0]), image[3, 5]) == (255, round(255 * 32768 / 65535), 0)
