"""A pool as a folder that others can use: PNG files that say what they are, a table, masks, prompts and a data card.

The folder is of the form that `source: pool` reads, so an export that is imported again gives the same pixels, identities, labels and
masks of the target. `images/prompt_INFO.csv` is the form of CheXGenBench (github.com/Raman1121/CheXGenBench), which knows an image
by the name of its file alone.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.core.atomic import atomic_dir
from scripts.lib.core.errors import InputError
from scripts.lib.pools.croissant import write_croissant
from scripts.lib.pools.data_card import data_card
from scripts.lib.pools.places import PoolPlace, pool_place
from scripts.lib.pools.prompt_info import IMAGE, NAME, PROMPT

IDENTITY = "synthorax"  # the key of the text chunk
TABLE = "labels.csv"
BATCH = 256
OWN = ("image_id", "file", "report", "mask_file")  # columns of the table; the others are of the pool's index
INDEX = ("condition_id", "sample", "trial", "position", "kind", "sha256")
LONGEST = 80  # characters of a file's name


def identity_of(row: Mapping[str, Any], meta: Mapping[str, Any], arm: str) -> dict[str, Any]:
    """Return what an exported image says of itself; keys that the pool does not know are left out."""
    said = {
        "synthetic": True,
        "image_id": str(row["image_id"]),
        "dataset": meta.get("dataset"),
        "arm": arm,
        "generator": meta.get("generator"),
        "seed": meta.get("seed"),
        "condition_id": row.get("condition_id"),
        "sample": row.get("sample"),
        "sha256": row["sha256"],
    }
    return {key: _plain(value) for key, value in said.items() if value is not None and not _absent(value)}


def file_name(name: str) -> str:
    """Return an identity or structure as the name of a file or folder: itself, or what is safe of it with a digest.

    Identities of images made elsewhere may be paths, or hold what other systems allow in no name.
    """
    safe = re.sub(r"[^\w.-]+", "-", name).lstrip(".")[:LONGEST]
    return name if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _absent(value: Any) -> bool:
    single = np.isscalar(value) or value is pd.NA
    return single and bool(pd.isna(value))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def export_pool(folder: Path, out: Path, target: str | None = None, most: int | None = None) -> int:
    """Write a pool (its first `most` images) to the new folder `out`; return how many images it has.

    target: the structure whose mask stands in the table; left out: the only one. Masks of all structures are written. Raises
    InputError for a folder that is no pool, a target that is no structure of it, a label that is called like a column of the table,
    and an `out` that holds something.
    """
    place = pool_place(folder)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: there is something already; name a new folder")
    pool = Cohort.open(place.shards)
    structures = list(pool.structures) if pool.has_masks else []
    if target is not None and target not in structures:
        raise InputError(
            f"{folder}: no structure {target}; there {'are' if structures else 'is'} {', '.join(structures) or 'none'}"
        )
    if taken := [name for name in pool.labels if name in (*OWN, *INDEX)]:
        raise InputError(
            f"{folder}: label {taken[0]} is the name of a column that {TABLE} has; give the label another name"
        )
    target = target or (structures[0] if len(structures) == 1 else None)
    count = len(pool) if most is None else min(most, len(pool))
    prompts = _prompts(place)
    with atomic_dir(out) as made:
        for name in ("images", *(f"masks/{file_name(one)}" for one in structures)):
            (made / name).mkdir(parents=True)
        rows = list(_write(pool, place, count, structures, target, prompts, made))
        _write_table(made / TABLE, rows)
        asked = [
            {IMAGE: Path(row["file"]).name, PROMPT: row["report"], **{n: row[n] for n in pool.labels}} for row in rows
        ]
        _write_table(made / "images" / NAME, asked)
        (made / "README.md").write_text(data_card(place, pool, count), encoding="utf-8")
        about = f"{count:,} synthetic chest X-rays for {place.dataset}, arm {place.arm}, {place.part}, made by a model"
        write_croissant(made, f"{place.dataset}-{place.arm}-{place.part}", about, pool.labels, TABLE)
    return count


def _prompts(place: PoolPlace) -> dict[str, str]:
    """Return {condition_id: the prompt} of the conditions that have one."""
    if not place.conditions.is_file():
        return {}
    table = pd.read_parquet(place.conditions, columns=["condition_id", "prompt"]).dropna()
    return dict(zip(table["condition_id"].astype(str), table["prompt"].astype(str)))


def _write(
    pool: Cohort,
    place: PoolPlace,
    count: int,
    structures: Sequence[str],
    target: str | None,
    prompts: Mapping[str, str],
    out: Path,
) -> Iterator[dict[str, Any]]:
    """Write the pictures and yield a row of the table for each."""
    for start in range(0, count, BATCH):
        part = np.arange(start, min(start + BATCH, count))
        masks = {one: pool.mask(part, one) for one in structures}
        for number, (at, image) in enumerate(zip(part, pool.images(part))):
            said = cast(dict[str, Any], pool.index.iloc[at].to_dict())
            if pixels_sha256(image) != said["sha256"]:
                raise InputError(
                    f"{place.folder}: image {said['image_id']}: its pixels are not those of its index; make the pool again"
                )
            file = f"{file_name(str(said['image_id']))}.png"
            text = PngInfo()
            text.add_itxt(IDENTITY, json.dumps(identity_of(said, pool.meta, place.arm), sort_keys=True))
            Image.fromarray(image).save(out / "images" / file, pnginfo=text)
            for one, fields in masks.items():
                Image.fromarray(fields[number].astype(np.uint8) * 255).save(out / "masks" / file_name(one) / file)
            row = {
                "image_id": str(said["image_id"]),
                "file": f"images/{file}",
                "report": prompts.get(str(said.get("condition_id")), ""),
            }
            row |= {label: "" if _absent(said[label]) else _plain(said[label]) for label in pool.labels}
            if target:
                row["mask_file"] = f"masks/{file_name(target)}/{file}"
            yield row | {key: _plain(said[key]) for key in INDEX if key in said and not _absent(said[key])}


def _write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(
            stream, list(dict.fromkeys(key for row in rows for key in row)), restval="", lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows)
