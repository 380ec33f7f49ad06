"""A contact sheet of a pool: films grouped by what they were made from, masks outlined, to be looked at."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from scripts.lib.cohort.store import read_index
from scripts.lib.conditions.mask_picture import PALETTE, painted
from scripts.lib.core.phantom import mark

PAPER, INK, SOFT = (255, 255, 255), (27, 36, 48), (102, 112, 124)
TILE = 168  # pixels that a film should at least measure on the sheet
COLUMNS, MOST = 8, 64
GAP, EDGE, HEADING, CAPTION = 10, 24, 30, 16
UNKNOWN = (255, 255, 255)


def sheet_columns(labels: Sequence[str]) -> list[str]:
    """Return the columns that a sheet reads of an index with these labels."""
    return ["image_id", "trial", "position", "prompt", "report", "side", *labels]


def pick_films(index: pd.DataFrame, most: int = MOST, columns: int = COLUMNS) -> list[tuple[str, np.ndarray]]:
    """Return the groups of a sheet: (heading, rows of `index`), at most `most` films, the same number a group.

    A group is a prompt, or the positive labels of films made without text; within it the first films by trial and
    position are shown, since later multipliers only repeat their conditions.
    """
    names = group_names(index)
    order = np.lexsort((index["position"], index["trial"])) if "position" in index else np.arange(len(index))
    groups = {name: order[names[order] == name] for name in sorted(set(names))}
    shown = list(groups.items())[: max(1, most // columns)]
    each = max(columns, most // len(shown) // columns * columns)
    return [(name, rows[:each]) for name, rows in shown]


def leading_films(folders: Sequence[Path], labels: Sequence[str], most: int = MOST) -> list[np.ndarray]:
    """Return which rows of each shard a sheet has to choose from, ascending: of each group the first films of the pool.

    One shard is read at a time, and no more than `most` films of a group are remembered.
    """
    best = pd.DataFrame()
    for number, folder in enumerate(folders):
        index = read_index(folder, sheet_columns(labels))
        part = pd.DataFrame({"group": group_names(index), "shard": number, "row": np.arange(len(index))})
        part = part.assign(**{name: index.get(name, 0) for name in ("trial", "position")})
        best = pd.concat([best, part]).sort_values(["trial", "position"], kind="stable").groupby("group").head(most)
    return [np.sort(best["row"][best["shard"] == number].to_numpy()) for number in range(len(folders))]


def group_names(index: pd.DataFrame) -> np.ndarray:
    """Return each film's group, text (N,): its prompt, else its positive labels, else what it does not show.

    Films of a group share one text: a pool has many films and few groups.
    """
    prompt = "prompt" if "prompt" in index else "report"
    labels = [name for name in index.columns if str(index[name].dtype) == "Int8"]
    spoken = [name.replace("_", " ") for name in labels]
    nothing = f"no {spoken[0]}" if len(spoken) == 1 else "no finding"
    alike = index.groupby([prompt, *labels], dropna=False, sort=False).ngroup().to_numpy()
    _, first = np.unique(alike, return_index=True)
    positive = index[labels].iloc[first].fillna(0).astype(bool).to_numpy()
    shown = [" + ".join(name for name, on in zip(spoken, row) if on) or nothing for row in positive]
    texts = [
        f"“{text}”" if isinstance(text, str) else fallback for text, fallback in zip(index[prompt].iloc[first], shown)
    ]
    return np.array(texts, dtype=object)[alike]


def captions(index: pd.DataFrame, rows: np.ndarray) -> list[str]:
    """Return a short line for each of these films: where it stands, and its side where it has one."""
    lines = []
    for _, film in index.iloc[rows].iterrows():
        trial = f"trial {film['trial']} · " if film.get("trial", -1) >= 0 else ""
        side = f" · {film['side']}" if isinstance(film.get("side"), str) else ""
        lines.append(f"{trial}#{film['position']}{side}" if "position" in film else str(film["image_id"]))
    return lines


def sheet_title(name: str, shown: int, films: int) -> str:
    """Return the heading of the sheet of a pool; `name`: its dataset, arm and fraction."""
    return f"{mark()}{name}: {shown} of {films:,} synthetic images"


def draw_sheet(
    images: np.ndarray, masks: np.ndarray | None, groups: Sequence[tuple[str, Sequence[str]]], structures: Sequence[str],
    title: str, columns: int = COLUMNS,
) -> Image.Image:  # fmt: skip
    """Return the sheet, RGB: films (n, H, W) uint8 in the order of the groups' captions, masks (n, H, W) outlined.

    Films are enlarged by whole numbers without smoothing, so that every pixel of a small film is seen as it is.
    `groups` are (heading, captions of its films).
    """
    factor = max(1, -(-TILE // images.shape[1]))
    tile = images.shape[1] * factor
    columns = min(columns, max(len(captions) for _, captions in groups))
    widest = 2 * EDGE + columns * tile + (columns - 1) * GAP
    rows = sum(-(-len(captions) // columns) for _, captions in groups)
    legend = HEADING if masks is not None and len(structures) else 0
    height = 2 * EDGE + HEADING + legend + len(groups) * HEADING + rows * (tile + CAPTION + GAP)
    sheet = Image.new("RGB", (widest, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((EDGE, EDGE - 6), title, INK, sheet_font(18, bold=True))
    top = EDGE + HEADING
    if legend:
        _draw_key(pen, top, structures)
        top += legend
    film = iter(range(len(images)))
    for heading, captions in groups:
        pen.text((EDGE, top + 6), heading, INK, sheet_font(14, bold=True))
        top += HEADING
        for place, caption in enumerate(captions):
            number, column = next(film), place % columns
            if place and not column:
                top += tile + CAPTION + GAP
            left = EDGE + column * (tile + GAP)
            field = None if masks is None else masks[number]
            sheet.paste(Image.fromarray(outlined(images[number], field, structures, factor)), (left, top))
            pen.text((left, top + tile + 2), textwrap.shorten(caption, 28, placeholder=" …"), SOFT, sheet_font(10))
        top += tile + CAPTION + GAP
    return sheet


def outlined(image: np.ndarray, field: np.ndarray | None, structures: Sequence[str], factor: int) -> np.ndarray:
    """Return a film enlarged `factor` times with each structure's border drawn inside it, uint8 RGB."""
    large = np.repeat(np.repeat(image, factor, 0), factor, 1)
    picture = np.repeat(large[..., None], 3, axis=2)
    if field is None:
        return picture
    bits = np.pad(np.repeat(np.repeat(field, factor, 0), factor, 1), 1)
    for name in painted(structures):
        layer = (bits >> list(structures).index(name)) & 1 == 1
        inside = layer[:-2, 1:-1] & layer[2:, 1:-1] & layer[1:-1, :-2] & layer[1:-1, 2:]
        picture[layer[1:-1, 1:-1] & ~inside] = PALETTE.get(name, UNKNOWN)
    return picture


def _draw_key(pen: ImageDraw.ImageDraw, top: int, structures: Sequence[str]) -> None:
    left = EDGE
    for name in painted(structures):
        pen.rectangle((left, top + 6, left + 18, top + 12), PALETTE.get(name, UNKNOWN), SOFT)
        text = name.replace("_", " ")
        pen.text((left + 24, top + 1), text, SOFT, sheet_font(12))
        left += 44 + int(pen.textlength(text, font=sheet_font(12)))


def sheet_font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return a font that comes with matplotlib, so that sheets look alike on every machine."""
    from matplotlib import get_data_path

    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / f"DejaVuSans{'-Bold' * bold}.ttf", size)
