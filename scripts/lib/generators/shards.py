"""A shard of a pool: which rows it has, in which batches they are made, and how a killed one goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.conditions.masks import render
from scripts.lib.conditions.prompts import null_text
from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.engine.commands import progress
from scripts.lib.generators.protocol import KINDS, ImageRequest
from scripts.lib.generators.solving import Sampler
from scripts.lib.training.resolution import fit_images

COPIED = ("condition_id", "sample", "trial", "position", "kind")
READ_ROWS = 16384  # of a table of conditions at once
BUFFER = 2**16  # bytes; without one, pyarrow holds a whole column of the table


def shard_rows(count: int, shard: int, shards: int) -> np.ndarray:
    """Return the row numbers of shard `shard` of `shards`: contiguous, sizes differing by one at most."""
    if not 0 <= shard < shards:
        raise InputError(f"--shard {shard} of --shards {shards}: expected 0 <= shard < shards")
    least, more = divmod(count, shards)
    start = shard * least + min(shard, more)
    return np.arange(start, start + least + (shard < more))


def open_conditions(path: Path, cohort: Cohort, shard: int, shards: int) -> tuple[Conditions, np.ndarray]:
    """Return the conditions of one shard and their row numbers, 0 to n - 1; other rows of the table are not kept."""
    file = pq.ParquetFile(path, memory_map=True, buffer_size=BUFFER)
    rows = shard_rows(file.metadata.num_rows, shard, shards)
    parts: list[pa.RecordBatch] = []
    first = 0
    for part in file.iter_batches(batch_size=READ_ROWS):
        inside = rows[(rows >= first) & (rows < first + len(part))] - first
        if len(inside) or not parts:  # an empty shard has the columns all the same
            parts.append(part.slice(inside[0] if len(inside) else 0, len(inside)))
        first += len(part)
        if len(rows) and first > rows[-1]:
            break
    table = pa.Table.from_batches(parts, file.schema_arrow).to_pandas()
    return Conditions(table, cohort), np.arange(len(rows))


class Conditions:
    """The rows of a conditions table with their masks, which come from the cohort and are transformed here."""

    def __init__(self, table: pd.DataFrame, cohort: Cohort) -> None:
        self.table = table.reset_index(drop=True)
        self.cohort = cohort
        film_rows = pd.Series(np.arange(len(cohort)), index=cohort.index["image_id"])
        wanted = self.table["mask_source"]
        missing = wanted[wanted.notna() & ~wanted.isin(film_rows.index)]
        if len(missing):
            raise InputError(
                f"{cohort.folders[0]}: {len(missing)} mask sources of the conditions are not in this cohort, e.g. "
                f"{missing.iloc[0]} (condition {self.table['condition_id'][missing.index[0]]}); rebuild the conditions"
            )
        self._film_rows = film_rows

    def __len__(self) -> int:
        return len(self.table)

    def request(self, row: int) -> ImageRequest:
        """Return what row number `row` asks for; raises InputError when its kind and its columns disagree."""
        line = self.table.iloc[row]
        prompt = None if pd.isna(line["prompt"]) else null_text(line["prompt"])
        bits = None
        if not pd.isna(line["mask_source"]):
            field = self.cohort.masks([self._film_rows[line["mask_source"]]])[0]
            transform = None if pd.isna(line["transform"]) else json.loads(line["transform"])
            bits = render(field, self.cohort.structures, transform)
        alone = prompt is None and bits is None
        labels = self._labels(line) if line["kind"] == "class" and alone else None
        request = ImageRequest(str(line["condition_id"]), int(line["sample"]), prompt, bits, labels)
        if request.kind != line["kind"]:
            raise InputError(
                f"condition {line['condition_id']} (row {row}): kind {line['kind']!r}, but its prompt and mask make it "
                f"{request.kind!r}; rebuild the conditions"
            )
        return request

    def _labels(self, line: pd.Series) -> dict[str, int | None]:
        """Return what a row says of the cohort's labels; None where nothing is known."""
        said = {label: line[label] for label in self.cohort.labels if label in self.table.columns}
        return {label: None if pd.isna(value) else int(value) for label, value in said.items()}

    def index_row(self, row: int, request: ImageRequest, image: np.ndarray) -> dict[str, Any]:
        """Return the pool's index row of the image made for row number `row`."""
        line = self.table.iloc[row]
        made: dict[str, Any] = {
            "image_id": request.name,
            "patient_id": request.name,
            "split": "train",
            "report": request.prompt,
            "sha256": pixels_sha256(image),
            "synthetic": True,
        }
        made |= {label: line[label] for label in self.cohort.labels if label in self.table.columns}
        if self.cohort.has_masks:
            made["mask_sha256"] = None if request.bits is None else pixels_sha256(request.bits)
        return made | {name: line[name].item() if hasattr(line[name], "item") else line[name] for name in COPIED}


class Parts:
    """Images already made, kept beside the outputs so that a killed shard goes on: one file a batch of rows.

    The folder carries the hash of everything that decides the pixels; files of any other hash are removed.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.root, self.folder = Path(folder), Path(folder) / fingerprint
        if self.root.is_dir():
            for other in self.root.iterdir():
                if other != self.folder:
                    shutil.rmtree(other, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        for stale in self.folder.glob(".*.part"):
            stale.unlink(missing_ok=True)

    def load(self, number: int, count: int) -> np.ndarray | None:
        """Return the images of a part, uint8 (count, H, W), or None when it is not there in full; it is then made anew."""
        path = self.folder / f"{number:06d}.npy"
        if not path.is_file():
            return None
        try:
            images = np.load(path, allow_pickle=False)
        except (OSError, EOFError, ValueError) as error:
            log(f"{path}: not readable ({error}); these images are made anew")
            return None
        if images.dtype != np.uint8 or images.ndim != 3 or len(images) != count:
            log(f"{path}: {images.dtype} {images.shape}, expected {count} images; they are made anew")
            return None
        return images

    def save(self, number: int, images: np.ndarray) -> None:
        """Keep the images of a part."""
        with atomic_file(self.folder / f"{number:06d}.npy") as path, path.open("wb") as stream:
            np.save(stream, images)

    def clear(self) -> None:
        """Forget everything: the shard is published."""
        shutil.rmtree(self.root, ignore_errors=True)


def make_batch(sampler: Sampler, requests: Sequence[ImageRequest]) -> np.ndarray:
    """Return the images of these requests in their order, made kind by kind, uint8 (n, H, W)."""
    side = sampler.model.resolution
    images = np.empty((len(requests), side, side), np.uint8)
    for kind in KINDS:
        rows = [row for row, request in enumerate(requests) if request.kind == kind]
        for start in range(0, len(rows), sampler.micro_batch):
            part = rows[start : start + sampler.micro_batch]
            images[part] = sampler.images([requests[row] for row in part])
    return images


def make_parts(
    sampler: Sampler, conditions: Conditions, rows: np.ndarray, batch: int, parts: Parts
) -> Iterator[tuple[np.ndarray, list[ImageRequest], np.ndarray, bool]]:
    """Yield (rows, requests, images uint8 (b, R, R), whether they were made just now) of `batch` rows after another."""
    resolution = conditions.cohort.resolution
    for number, start in enumerate(range(0, len(rows), batch)):
        chosen = rows[start : start + batch]
        requests = [conditions.request(int(row)) for row in chosen]
        images = parts.load(number, len(chosen))
        made = images is None
        if images is None:
            images = fit_images(make_batch(sampler, requests), resolution)
        yield chosen, requests, images, made


def make_images(
    sampler: Sampler, conditions: Conditions, rows: np.ndarray, batch: int, parts: Parts
) -> Iterator[tuple[int, ImageRequest, np.ndarray]]:
    """Yield (row, request, image uint8 (R, R)) in the rows' order at the cohort's resolution; `batch` rows a part.

    No thread makes the next part meanwhile: on an H200 storing and writing took 1 % of the time, and a thread cost 4 %.
    """
    ready = make_parts(sampler, conditions, rows, batch, parts)
    total = -(-len(rows) // batch)
    for number, (chosen, requests, images, made) in enumerate(progress(ready, total=total, desc=f"batches of {batch}")):
        if made:
            parts.save(number, images)
        for row, request, image in zip(chosen, requests, images):
            yield int(row), request, image


def write_shard(
    out: Path,
    sampler: Sampler,
    conditions: Conditions,
    rows: np.ndarray,
    batch: int,
    parts: Parts,
    notes: Mapping[str, Any],
) -> int:
    """Make and write one shard; return how many images it has. Memory does not grow with the pool."""
    cohort = conditions.cohort
    for stale in Path(out).glob(".*.part"):  # of a run that was killed, as large as the shard
        stale.unlink(missing_ok=True)
    with CohortWriter(out, cohort.resolution, cohort.structures, cohort.labels, notes, cohort.has_masks) as writer:
        for row, request, image in make_images(sampler, conditions, rows, batch, parts):
            writer.add(image, request.bits if cohort.has_masks else None, conditions.index_row(row, request, image))
        return len(writer)
