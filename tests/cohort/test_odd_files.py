"""Files that a table lists and that are no film: strips, cut pictures, bare JPEG bytes, links; each quarantined with its reason."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.lib.formats.record import reason_of
from tests.cohort.test_prepare_cohort import prepare, tree
from tests.formats.test_png_kinds import png
from tests.formats.test_png_rows import shortened
from tests.helpers.dicom_files import dataset, noisy, to_bytes


def encoded(image: np.ndarray, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind)
    return stream.getvalue()


def bare_jpeg() -> bytes:
    film = noisy(64, 64)
    ds = dataset(film)
    picture = encoded(film, "JPEG")
    ds.PixelData = picture + b"\0" * (film.size - len(picture))
    return to_bytes(ds)


ODD: dict[str, tuple[bytes, str]] = {
    "one row": (encoded(noisy(1, 400), "PNG"), "a picture of 400 x 1 pixels, more than 5 times as long as wide"),
    "a tall strip": (encoded(noisy(300, 50), "JPEG"), "a picture of 50 x 300 pixels"),
    "half a png": (shortened(png(noisy(40, 32)[..., None], 0, 8), 20 * 33), "the PNG is cut: 660 bytes of rows"),
    "a jpeg for pixels": (bare_jpeg(), "a compressed picture without items"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_film_is_quarantined_with_its_reason(tmp_path: Path, name: str) -> None:
    data, reason = ODD[name]
    root = tree(tmp_path / "raw", extra="odd,films/odd.png,p99,1,,,\n")
    (root / "films" / "odd.png").write_bytes(data)
    cohort = prepare(root, tmp_path / "out")
    assert len(cohort) == 12 and "odd" not in set(cohort.index["image_id"])
    row = (tmp_path / "out" / "quarantine.tsv").read_text().splitlines()[1].split("\t")
    assert row[:2] == ["films/odd.png", "odd"] and reason in row[2]


def test_a_film_five_times_as_long_as_wide_is_taken(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw", extra="odd,films/odd.png,p99,1,,,\n")
    (root / "films" / "odd.png").write_bytes(encoded(noisy(100, 20), "PNG"))
    assert "odd" in set(prepare(root, tmp_path / "out").index["image_id"])


def test_reasons_name_no_address_of_the_memory(tmp_path: Path) -> None:
    # Pillow calls what it cannot open <_io.BytesIO object at 0x7f...>, another number in every run.
    data = b"\xff\xd8\xff" + b"no marker at all"
    with pytest.raises(Exception, match="BytesIO object at 0x"):
        Image.open(io.BytesIO(data), formats=("JPEG",))
    root = tree(tmp_path / "raw", extra="odd,films/odd.png,p99,1,,,\n")
    (root / "films" / "odd.png").write_bytes(data)
    prepare(root, tmp_path / "out")
    text = (tmp_path / "out" / "quarantine.tsv").read_text()
    assert "cannot be decoded: UnidentifiedImageError: cannot identify image file" in text and "0x" not in text
    error = ValueError("that <Decoder object at 0xAB12> and\nan array at 0x7f00 failed")
    assert reason_of(error) == "ValueError: that and an array failed"
