"""DICOM films: the header is checked before a byte is allocated, then each step of the display chain once, in order.

pixels -> stored bits -> modality table -> VOI table or window -> MONOCHROME1 inverted -> 8 bits; padding shows black.
Without a window, 8-bit films keep their grey values, as PNG and JPEG films do, and deeper ones are stretched.
"""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scripts.lib.core.errors import InputError
from scripts.lib.formats import aspect, deflate, encapsulated, voi
from scripts.lib.formats.intensity import LUMA, to_8bit
from scripts.lib.formats.labels import age_of, note_person, sex_of, view_of
from scripts.lib.formats.record import Notes, Rejected, reason_of
from scripts.lib.formats.subject import note_subject

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
NO_PREAMBLE = "DICOM files without preamble"
INVERTED = "MONOCHROME1 films inverted"
DIRTY = "DICOM films with bits beyond BitsStored, masked"
PADDED = "DICOM films with padding, shown black"
SIGNED = "DICOM films with signed pixels"
COLOURED = "colour films turned to grey"
BURNED_IN = "films whose header says that letters are burned in"


@dataclass(frozen=True, slots=True)
class Header:
    """What a DICOM header says of a film beside its pixels; "" or None where it says nothing.

    `aspect` is the height of a pixel over its width.
    """

    sop_uid: str = ""
    patient_id: str = ""
    view: str = ""
    sex: str = ""
    age: float | None = None
    aspect: float = 1.0


def is_dicom(data: bytes) -> bool:
    """Whether the bytes have DICOM's preamble."""
    return data[128:132] == b"DICM"


def read_film(
    data: bytes, max_pixels: int, percentiles: Sequence[float]
) -> tuple[NDArray[np.uint8], Header, Counter[str]]:
    """Return a film as grey uint8 (H, W), its header, and notes of what was normalised.

    Raises Rejected for a file that is broken or no single film, InputError when its decoder is not installed.
    """
    notes = Notes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of odd values that are checked here one by one
        try:
            deflate.check_inflated(data, 4 * max_pixels)
            dataset = _parse(data, notes)
            _check(dataset, max_pixels, notes)
            image = _render(dataset, percentiles, notes)
            header = _header(dataset, notes)
        except (Rejected, InputError):
            raise
        except RecursionError:
            raise Rejected("sequences nested too deep") from None
        except Exception as error:  # pydicom raises many kinds for broken files, and each means the same to us
            raise Rejected(f"cannot be decoded: {reason_of(error)}") from None
    return image, header, notes


def _parse(data: bytes, notes: Counter[str]) -> Dataset:
    import pydicom
    from pydicom.errors import InvalidDicomError
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
    except InvalidDicomError:
        if int.from_bytes(data[:2], "little") not in (2, 8):
            raise Rejected("not a DICOM file") from None
        dataset = pydicom.dcmread(io.BytesIO(data), force=True)
        if "Rows" not in dataset or "SOPClassUID" not in dataset:
            raise Rejected("not a DICOM file") from None
        notes[NO_PREAMBLE] += 1
    if not dataset.file_meta.get("TransferSyntaxUID"):
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return dataset


def _check(dataset: Dataset, max_pixels: int, notes: Counter[str]) -> None:
    """Raise Rejected unless the header describes one film that its pixel data can hold, before anything is allocated."""
    for name in ("Rows", "Columns", "BitsAllocated", "PixelData"):
        if dataset.get(name) is None:
            raise Rejected(f"{name} is missing; the file is cut or holds no image")
    colours = str(dataset.get("PhotometricInterpretation") or "")
    if not colours:
        raise Rejected("PhotometricInterpretation is missing, so black and white are not known")
    if colours not in (*GREY, *COLOUR):
        raise Rejected(f"PhotometricInterpretation {colours} is not supported")
    if int(dataset.get("NumberOfFrames") or 1) != 1:
        raise Rejected(f"{dataset.NumberOfFrames} frames, expected a single film")
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    samples = int(dataset.get("SamplesPerPixel") or 1)
    if rows < 1 or columns < 1 or samples != (1 if colours in GREY else 3):
        raise Rejected(f"{rows} x {columns} pixels of {samples} samples do not fit {colours}")
    if rows * columns > max_pixels:
        raise Rejected(f"{rows} x {columns} pixels, more than max_pixels {max_pixels}")
    shape = str(dataset.get("PresentationLUTShape") or "").strip().upper()
    if shape and colours in GREY and shape != ("INVERSE" if colours == "MONOCHROME1" else "IDENTITY"):
        raise Rejected(f"PhotometricInterpretation {colours} and PresentationLUTShape {shape} contradict each other")
    encapsulated.check_syntax(dataset)
    if not dataset.file_meta.TransferSyntaxUID.is_compressed:
        encapsulated.check_length(dataset, samples, notes)


def _decode(dataset: Dataset, notes: Counter[str]) -> NDArray:
    pixels = encapsulated.decode(dataset, notes)
    if pixels.shape[:2] != (int(dataset.Rows), int(dataset.Columns)):
        raise Rejected(f"decoded {pixels.shape} pixels, the header says {dataset.Rows} x {dataset.Columns}")
    return pixels


def _render(dataset: Dataset, percentiles: Sequence[float], notes: Counter[str]) -> NDArray[np.uint8]:
    pixels, native = _decode(dataset, notes), encapsulated.is_native(dataset)
    stored = voi.stored_values(pixels, dataset, native)
    if dataset.PhotometricInterpretation not in GREY:
        return _grey(stored, dataset, percentiles, notes)
    signed = int(dataset.get("PixelRepresentation", 0)) == 1
    notes[SIGNED] += signed
    notes[DIRTY] += int(
        not signed and int(dataset.BitsStored) < int(dataset.BitsAllocated) and np.any(stored != pixels)
    )
    padding = voi.padding_of(stored, pixels, dataset, native)
    notes[PADDED] += padding is not None
    valid = None if padding is None else ~padding
    values, ends = voi.display(voi.modality(stored, dataset), dataset, notes)
    if values is stored and not signed and int(dataset.BitsStored) == 8:
        ends = (0.0, 255.0)
    if (presented := voi.presentation(values, ends, valid, dataset)) is not None:
        values, ends = presented
    elif dataset.PhotometricInterpretation == "MONOCHROME1":
        notes[INVERTED] += 1
        values, ends = -values, None if ends is None else (-ends[1], -ends[0])
    return to_8bit(values, percentiles, valid) if ends is None else _between(values, ends, valid)


def _grey(stored: NDArray, dataset: Dataset, percentiles: Sequence[float], notes: Counter[str]) -> NDArray[np.uint8]:
    """Return an RGB film as grey; pixel_array has turned every other colour space into RGB."""
    deep = int(dataset.BitsStored) > 8
    if deep and dataset.PhotometricInterpretation.startswith("YBR_FULL"):
        raise Rejected(f"{dataset.PhotometricInterpretation} of {dataset.BitsStored} bits is not supported")
    notes[COLOURED] += 1
    grey = stored[..., :3].astype(np.float32) @ LUMA
    return to_8bit(grey, percentiles) if deep else _between(grey, (0.0, 255.0), None)


def _between(values: NDArray, ends: tuple[float, float], valid: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    """Return uint8 (H, W) with the two ends as 0 and 255; raises Rejected when nothing is left between them."""
    used = values if valid is None else values[valid]
    if used.size == 0 or used.min() == used.max():
        raise Rejected("constant image" + (f", every pixel is {used.flat[0]:g}" if used.size else ""))
    scaled = (values - ends[0]) * (255.0 / (ends[1] - ends[0]))
    out = np.clip(scaled + 0.5, 0, 255).astype(np.uint8)
    shown = out if valid is None else out[valid]
    if shown.min() == shown.max():
        raise Rejected(
            f"constant image after its window or table from {ends[0]:g} to {ends[1]:g}, every pixel is {shown.flat[0]}"
        )
    if valid is not None:
        out[~valid] = 0
    return out


def _header(dataset: Dataset, notes: Notes) -> Header:
    note_person(notes, _text(dataset, "PatientAge"), _text(dataset, "PatientSex"))
    said = [_text(dataset, name) for name in ("PatientOrientation", "BodyPartExamined", "Modality")]
    note_subject(notes, *said)
    notes[BURNED_IN] += str(dataset.get("BurnedInAnnotation") or "").strip().upper() == "YES"
    return Header(
        sop_uid=_text(dataset, "SOPInstanceUID"),
        patient_id=_text(dataset, "PatientID"),
        view=view_of(_text(dataset, "ViewPosition")),
        sex=sex_of(_text(dataset, "PatientSex")),
        age=age_of(_text(dataset, "PatientAge")),
        aspect=aspect.of_dicom(dataset, notes),
    )


def _text(dataset: Dataset, name: str) -> str:
    """Return a header value as text, "" when it is missing or cannot be decoded (wrong VR or character set)."""
    try:
        value: Any = dataset.get(name)
        return "" if value is None else str(value).replace("\0", "").strip()
    except Exception:  # an unreadable name must not cost the film
        return ""
