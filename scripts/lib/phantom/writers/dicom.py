"""DICOM files from 8-bit films: plain, inverted (MONOCHROME1), 12 bits with rescale and window, or JPEG-compressed."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit, SecondaryCaptureImageStorage

from scripts.lib.core.seeds import content_hash
from scripts.lib.phantom.spec import FilmSpec

IMPLEMENTATION = UID("2.25.302043790172249692526321623266752743501")
STUDY_DATE = "20200101"
KINDS = ("plain", "jpeg", "inverted", "twelve-bit")


@dataclass(frozen=True)
class Identity:
    """The identifiers of one DICOM file."""

    patient_id: str
    study_uid: str
    series_uid: str
    sop_uid: str


def uid(*parts: object) -> str:
    """Return a UID under the UUID root 2.25, derived from `parts`."""
    return f"2.25.{int(content_hash(*parts, digits=32), 16)}"


def jpeg_bytes(image: NDArray[np.uint8], quality: int = 95) -> bytes:
    """Return `image` (H, W) as a greyscale JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


def odd_kind(stream: np.random.Generator, share: float, usual: str) -> str:
    """Return the kind of file to write: `usual`, or with probability `share` each inverted or twelve-bit."""
    draw = stream.random()
    return "inverted" if draw < share else "twelve-bit" if draw < 2 * share else usual


def header(spec: FilmSpec, identity: Identity) -> Dataset:
    """Return a data set with everything but the pixels."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.SOPInstanceUID = identity.sop_uid
    ds.StudyDate = STUDY_DATE
    ds.StudyTime = "000000"
    ds.AccessionNumber = ""
    ds.Modality = "CR"
    ds.ConversionType = "WSD"
    ds.ReferringPhysicianName = ""
    ds.SeriesDescription = f"view: {spec.view}"
    ds.PatientName = identity.patient_id
    ds.PatientID = identity.patient_id
    ds.PatientBirthDate = ""
    ds.PatientSex = spec.patient.sex
    ds.PatientAge = f"{spec.patient.age:03d}Y"
    ds.BodyPartExamined = "CHEST"
    ds.ViewPosition = spec.view if spec.view != "LATERAL" else "LL"
    ds.StudyInstanceUID = identity.study_uid
    ds.SeriesInstanceUID = identity.series_uid
    ds.StudyID = ""
    ds.SeriesNumber = 1
    ds.InstanceNumber = 1
    return ds


def set_pixels(ds: Dataset, image: NDArray[np.uint8], kind: str) -> None:
    """Put `image` (H, W) into `ds` in one of `KINDS`; undone by a reader, all look alike."""
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME1" if kind == "inverted" else "MONOCHROME2"
    ds.Rows, ds.Columns = image.shape
    wide = kind == "twelve-bit"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = (16, 12, 11) if wide else (8, 8, 7)
    ds.PixelRepresentation = 0
    if kind == "jpeg":
        ds.LossyImageCompression = "01"
        ds.PixelData = encapsulate([jpeg_bytes(image)])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    elif wide:
        ds.WindowCenter, ds.WindowWidth = 1024, 4096
        ds.RescaleIntercept, ds.RescaleSlope = -1024, 1
        ds.PixelData = (image.astype("<u2") * 16 + 8).tobytes()
    else:
        pixels = 255 - image if kind == "inverted" else image
        ds.PixelData = pixels.tobytes() + b"\0" * (pixels.size % 2)
        ds["PixelData"].VR = "OB"


def write_dicom(path: Path, image: NDArray[np.uint8], spec: FilmSpec, identity: Identity, kind: str) -> None:
    """Write one DICOM file, with preamble and file meta information; the folder is created."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind of DICOM file {kind!r}, expected one of {', '.join(KINDS)}")
    ds = header(spec, identity)
    set_pixels(ds, image, kind)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit if kind == "jpeg" else ExplicitVRLittleEndian
    ds.file_meta.ImplementationClassUID = IMPLEMENTATION
    ds.file_meta.ImplementationVersionName = "SYNTHORAX"
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
