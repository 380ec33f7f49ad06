"""Small DICOM files for tests, whole or broken on purpose."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, SecondaryCaptureImageStorage

from scripts.lib.formats import dicom

REMOVED = object()


def ramp(height: int = 4, width: int = 6) -> NDArray[np.uint8]:
    """A film that rises by 10 from pixel to pixel, row by row, from 0."""
    return (np.arange(height * width, dtype=np.uint8) * 10).reshape(height, width)


def dataset(pixels: NDArray, **changes: Any) -> Dataset:
    """A data set of `pixels` (H, W) or (H, W, 3), 8 or 16 bits; `changes` set or, with REMOVED, delete elements."""
    ds = Dataset()
    ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.SOPInstanceUID = "1.2.3.4"
    ds.PatientID = "P1"
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    ds.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        ds.PlanarConfiguration = 0
    bits = pixels.dtype.itemsize * 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OW" if bits == 16 else "OB"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with disable_value_validation():  # some of them are wrong on purpose
        for name, value in changes.items():
            if value is REMOVED:
                del ds[name]
            else:
                setattr(ds, name, value)
    return ds


def to_bytes(ds: Dataset) -> bytes:
    """The file's bytes, preamble and meta group included."""
    stream = io.BytesIO()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def dicom_bytes(pixels: NDArray, **changes: Any) -> bytes:
    """A DICOM file of `pixels` as bytes."""
    return to_bytes(dataset(pixels, **changes))


def jpeg_dicom(image: NDArray[np.uint8], cut: int | None = None, kind: str = "JPEG", **changes: Any) -> bytes:
    """A DICOM file whose pixels are a JPEG or (kind "JPEG2000") JPEG 2000 picture, its bytes cut at `cut`."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format=kind, **({"no_jp2": True} if kind == "JPEG2000" else {"quality": 95}))
    ds = dataset(image, **changes)
    ds.PixelData = encapsulate([stream.getvalue()[:cut]])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit if kind == "JPEG" else JPEG2000Lossless
    if image.ndim == 3:
        ds.PhotometricInterpretation = "YBR_FULL_422"
    return to_bytes(ds)


def compressed_dicom(pixels: NDArray, picture: bytes, syntax: str, **changes: Any) -> bytes:
    """A DICOM file whose header describes `pixels` and whose only frame are the bytes of `picture`."""
    ds = dataset(pixels, **changes)
    ds.PixelData = encapsulate([picture])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    return to_bytes(ds)


def with_syntax(data: bytes, uid: str | None) -> bytes:
    """The file with another TransferSyntaxUID in its meta group, or without one; nothing else is changed."""
    start = data.index(b"\x02\x00\x10\x00UI")
    end = start + 8 + int.from_bytes(data[start + 6 : start + 8], "little")
    if uid is None:
        return data[:start] + data[end:]
    value = uid.encode() + b"\0" * (len(uid) % 2)
    return data[: start + 6] + len(value).to_bytes(2, "little") + value + data[end:]


LIMIT = 1 << 20  # pixels that a test film may have


def read(data: bytes) -> Any:
    """Return what the decoder makes of a file: image, header, notes."""
    return dicom.read_film(data, LIMIT, (0, 100))


def image_of(data: bytes) -> np.ndarray:
    """Return the image alone, uint8 (H, W)."""
    return read(data)[0]


def noisy(height: int = 64, width: int = 48) -> np.ndarray:
    """A smooth film with some texture, so that compressed pictures have many bytes."""
    y, x = np.mgrid[:height, :width]
    return np.clip(100 + 60 * np.sin(x / 7) + 40 * np.cos(y / 5) + 20 * np.sin(x * y / 30), 0, 255).astype(np.uint8)
