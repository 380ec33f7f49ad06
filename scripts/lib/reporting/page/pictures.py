"""Pictures inside the page: PNG files made small, as data that asks no network, with their text for who cannot see them.

They are WebP without loss, which every browser since 2020 shows: three quarters of the bytes of PNG.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image

from scripts.lib.core.errors import InputError
from scripts.lib.reporting.page.names import Names
from scripts.lib.reporting.page.sections import CAPTIONS
from scripts.lib.reporting.page.words import percent

COLOURS = 128  # of a figure's palette
GREYS = 40  # of a sheet of films
EFFORT = 40  # of packing without loss, 0 to 100: beyond it takes four times as long for 6 %
WIDEST = 2200  # pixels: twice the width of the page's column


@dataclass(frozen=True)
class PagePicture:
    """A picture in the page: `data` is its data URI, `width` and `height` in pixels."""

    file: str
    caption: str
    alt: str
    data: str
    width: int
    height: int


def picture(results: Path, file: str, names: Names) -> PagePicture:
    """Return a PNG below results/ for the page; raises InputError for a file that is none."""
    path = results / file
    try:
        with Image.open(path) as image:
            image.load()
            small = _small(image, PurePosixPath(file).parts[1:2] == ("pools",))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a readable picture ({error}); make it again") from None
    stream = io.BytesIO()
    small.convert("RGB").save(stream, "WEBP", lossless=True, quality=EFFORT, method=3)
    data = "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
    caption = caption_of(file, names)
    return PagePicture(file, caption, f"{caption}.", data, *small.size)


def _small(image: Image.Image, grey: bool) -> Image.Image:
    plain = Image.new("RGB", image.size, "white")
    plain.paste(image, mask=image.getchannel("A") if "A" in image.getbands() else None)
    # Small films that were enlarged pixel by pixel pack well as they are; resampling would make the file larger.
    if plain.width > WIDEST:
        plain = plain.resize((WIDEST, max(1, round(plain.height * WIDEST / plain.width))), Image.Resampling.LANCZOS)
    if grey:
        return plain.convert("L").quantize(GREYS, dither=Image.Dither.NONE)
    return plain.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def one_of_each_pool(files: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return of the pictures of pools one for each dataset and arm, that of the largest fraction, and the others.

    Pictures of other kinds all stay in the first list.
    """
    last: dict[tuple[str, ...], str] = {}
    for file in files:
        parts = PurePosixPath(file).parts
        pool = len(parts) == 5 and parts[1] == "pools"
        last[(parts[0], parts[2], parts[4]) if pool else (file,)] = file
    chosen = set(last.values())
    return [file for file in files if file in chosen], [file for file in files if file not in chosen]


def caption_of(file: str, names: Names) -> str:
    """Return what a picture shows: of a figure what the page knows of it, of a pool's sheet which pool it is."""
    if file in CAPTIONS:
        return CAPTIONS[file]
    parts = PurePosixPath(file).parts
    if len(parts) == 5 and parts[1] == "pools":
        kind = {
            "sheet": "Images",
            "nearest": "Images and their nearest training films",
            "kept": "Images that the filter kept and left out",
            "judged": "Images that show least what they were asked to show",
        }
        stem = PurePosixPath(file).stem
        share = parts[3].removeprefix("fraction-")
        where = f"made for {percent(float(share))} of its films" if share.replace(".", "", 1).isdigit() else share
        return f"{names.dataset(parts[0])}, arm {parts[2]}: {kind.get(stem, stem).lower()}, {where}"
    if len(parts) == 5 and parts[1] == "masks":
        share = parts[3].removeprefix("fraction-")
        return f"{names.dataset(parts[0])}, arm {parts[2]}: masks beside real ones, made for {percent(float(share))} of its films"
    return PurePosixPath(file).stem.replace("_", " ").replace("-", " ")
