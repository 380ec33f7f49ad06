"""Where an image comes from: of an exported PNG, of any picture with a pool's pixels, or of an image's name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from PIL import Image

from scripts.lib.cohort.store import pixels_sha256, read_index
from scripts.lib.core.errors import InputError
from scripts.lib.pools.data_card import taught_by, teachers
from scripts.lib.pools.exporting import IDENTITY
from scripts.lib.pools.places import PoolPlace, pool_place

POOLS = ("*/pools/*/*/shard-*/cohort.json", "*/pools/*/*/cohort.json")


def read_image(file: Path) -> tuple[dict[str, Any], str]:
    """Return what a picture says of itself ({} where it says nothing), and the digest of its pixels.

    Raises InputError for a file that is no picture, or whose text is not that of an export.
    """
    try:
        with Image.open(file) as image:
            identity = getattr(image, "text", {}).get(IDENTITY)
            pixels = np.asarray(image.convert("L"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{file}: not a readable picture ({error}); give a PNG, or the name of an image") from None
    try:
        said = json.loads(identity) if identity else {}
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise InputError(f"{file}: its text `{IDENTITY}` is not that of an export; export the pool again")
    return said, pixels_sha256(pixels)


def trace(what: str, results: Path) -> list[str]:
    """Return lines that say where an image comes from; `what` is a file, or an image_id of a pool below `results`.

    Pixels count more than words: a PNG whose text names another image than its pixels is told so. Raises InputError where no pool
    has the image.
    """
    said: dict[str, Any] = {}
    digest, lines = "", list[str]()
    if Path(what).is_file():
        said, digest = read_image(Path(what))
    found = _find(results, "sha256", digest) if digest else _find(results, "image_id", what)
    if not found and said:
        found = _find(results, "image_id", str(said.get("image_id")))
        lines.append(
            "WARNING: no pool has these pixels; the picture was changed after its export. What follows is of the image it names."
        )
    if not found:
        raise InputError(
            f"{what}: no pool below {results} has this image, by {'its pixels or name' if digest else 'name'}; name the results folder "
            "that made it with --results"
        )
    place, shard, row = found[0]
    if digest and said and str(said.get("image_id")) != str(row["image_id"]):
        lines.append(f"WARNING: its text names {said.get('image_id')}, its pixels are those of {row['image_id']}")
    lines += _told(place, shard, row)
    if others := sorted({str(one[0].folder) for one in found} - {str(place.folder)}):
        lines.append(f"{'also in:':14}{', '.join(others)}, whose verdicts may differ")
    return lines


def _find(results: Path, column: str, value: str) -> list[tuple[PoolPlace, Path, dict[str, Any]]]:
    """Return every pool that holds an image, with its shard and row there: pools of several fractions share images."""
    found = []
    for shard in _shards(results):
        index = read_index(shard)
        rows = index[index[column].astype(str) == value]
        if len(rows):
            folder = shard.parent if shard.name.startswith("shard-") else shard
            found.append((pool_place(folder), shard, cast(dict[str, Any], rows.iloc[0].to_dict())))
    return found


def _shards(results: Path) -> Iterator[Path]:
    for pattern in POOLS:
        yield from (path.parent for path in sorted(results.glob(pattern)))


def _told(place: PoolPlace, shard: Path, row: dict[str, Any]) -> list[str]:
    meta = json.loads((shard / "cohort.json").read_text(encoding="utf-8"))
    generator = meta.get("generator")
    labels = {name: row[name] for name in meta.get("labels", []) if name in row and not pd.isna(row[name])}
    told = {
        "image": row["image_id"],
        "pool": shard,
        "generator": generator or f"made elsewhere ({meta.get('made_from', 'not known')})",
        "taught by": teachers(taught_by(place.root, generator)),
        "condition": _condition(place, row),
        "labels": ", ".join(f"{name} {value}" for name, value in labels.items()) or "none",
        "nearest film": _nearest(place, row["image_id"]),
        "verdicts": _verdicts(place, row["image_id"]),
        "sha256": row["sha256"],
    }
    # Prompts and labels may hold line breaks; a line says one thing.
    return [f"{name + ':':14}{' '.join(str(value).split())}" for name, value in told.items()]


def _condition(place: PoolPlace, row: dict[str, Any]) -> str:
    if not place.conditions.is_file() or "condition_id" not in row:
        return "not known"
    table = pd.read_parquet(place.conditions)
    rows = table[table["condition_id"].astype(str) == str(row["condition_id"])]
    if rows.empty:
        return f"{row['condition_id']}, which is not in {place.conditions}"
    asked = rows.iloc[0]
    parts = [
        f"{name} {asked[name]}"
        for name in ("kind", "prompt", "mask_source", "transform", "side")
        if not pd.isna(asked[name])
    ]
    return f"{row['condition_id']}, sample {row['sample']}: {'; '.join(parts)}"


def _nearest(place: PoolPlace, image: str) -> str:
    """Return the training film that is most alike, by correlation; nearest-{k}.parquet of the pool knows it."""
    for file in sorted(place.folder.glob("nearest-*.parquet")):
        table = pd.read_parquet(file)
        rows = table[table["image_id"].astype(str) == str(image)]
        if len(rows):
            row = rows.iloc[0]
            turned = ", mirrored" if row["mirrored"] else ""
            return f"{row['film']} of {row['film_dataset']}, correlation {row['similarity']:.3f}{turned}"
    return "not measured (make evidence)"


def _verdicts(place: PoolPlace, image: str) -> str:
    parts = []
    for name in ("memorisation", "faithfulness"):
        path = place.folder / f"{name}.csv"
        if path.is_file():
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
            parts += [f"{name} of the pool {table['verdict'].iloc[0]}"] if len(table) and "verdict" in table else []
    for file, told in (("kept.parquet", "kept by the filter"), ("distinct.parquet", "no near-copy")):
        path = place.folder / file
        if path.is_file():
            kept = pd.read_parquet(path)
            if "image_id" in kept:
                parts.append(f"{told}: {'yes' if (kept['image_id'].astype(str) == str(image)).any() else 'no'}")
    return "; ".join(parts) or "not measured"
