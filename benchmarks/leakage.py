"""Time and memory of the leakage firewall: reducing films, and searching copies among as many as the largest datasets have.

    python -m benchmarks.leakage --films 500000 --tested 100000

The films are drawn: shapes that all share, ten ways in which films differ together, and detail of their own. A hundred of the
tested films are mirrored copies of learned ones; the program says how many of them were found, and what else.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from scripts.lib.cohort.reduced import SIDE, reduce_images
from scripts.lib.core.seeds import rng
from scripts.lib.engine.commands import set_threads
from scripts.lib.evidence import copies
from scripts.lib.evidence.copies import Gallery, find_copies

BLOCK = 4096
COPIES = 100
WAVES = 12  # cosine waves along a side that films are drawn with


def draw_films(path: Path, count: int) -> np.ndarray:
    """Write `count` pictures uint8 (count, SIDE, SIDE) and return them as a memory map."""
    steps = np.arange(SIDE) + 0.5
    waves = np.cos(np.pi * np.outer(np.arange(WAVES), steps) / SIDE)
    basis = np.einsum("ai,bj->abij", waves, waves).reshape(WAVES * WAVES, -1).astype(np.float32)
    falling = 1 / (1 + np.add.outer(np.arange(WAVES), np.arange(WAVES)).ravel()) ** 1.5
    shared = rng(1, "leakage", "shared").normal(size=(11, WAVES * WAVES)) * falling
    pictures = np.lib.format.open_memmap(path, "w+", np.uint8, (count, SIDE, SIDE))
    for first in range(0, count, BLOCK):
        stream = rng(1, "leakage", first)
        rows = min(BLOCK, count - first)
        own = stream.normal(size=(rows, WAVES * WAVES)) * falling
        together = shared[0] * 2 + stream.normal(size=(rows, 10)) @ shared[1:] * 0.3
        films = ((own + together).astype(np.float32) @ basis) * 25 + 128
        films += stream.normal(size=films.shape).astype(np.float32) * 4
        pictures[first : first + rows] = np.clip(films, 0, 255).astype(np.uint8).reshape(-1, SIDE, SIDE)
    return pictures


def memory() -> int:
    """Return the most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=500_000, help="tested and learned films together")
    parser.add_argument("--tested", type=int, default=100_000, help="tested films among them")
    parser.add_argument("--side", type=int, default=512, help="side of the films that are reduced, in pixels")
    parser.add_argument("--threads", type=int, default=2, help="threads")
    args = parser.parse_args()
    set_threads(args.threads)
    sizes = rng(1, "leakage", "large").integers(0, 256, (256, args.side, args.side), np.uint8)
    start = time.perf_counter()
    for _ in range(4):
        reduce_images(sizes)
    per_film = (time.perf_counter() - start) / 4 / len(sizes)
    print(
        f"reducing: {1 / per_film:,.0f} films of {args.side} pixels a second, {args.films:,} in {args.films * per_film:.0f} s"
    )
    with tempfile.TemporaryDirectory() as folder:
        search(draw_films(Path(folder) / "films.npy", args.films), args.tested)


def search(pictures: np.ndarray, tested: int) -> None:
    """Search the last `tested` pictures among the others and print what was found, and what it took."""
    learned = len(pictures) - tested
    pictures[learned : learned + COPIES] = pictures[:COPIES, :, ::-1]
    galleries = [
        Gallery([pictures], np.zeros(len(rows), np.int8), rows.astype(np.int32))
        for rows in (np.arange(learned, len(pictures)), np.arange(learned))
    ]
    before, start = memory(), time.perf_counter()
    table = find_copies(*galleries, 0.95)
    took = time.perf_counter() - start
    right = int((table["tested"] == table["learned"]).sum())
    print(
        f"searching {tested:,} among {learned:,}: {took:.0f} s, memory {before} MB before, {memory()} MB at most (with the mapped "
        f"file); {right} of {COPIES} copies found, {len(table) - right} others; {copies.BLOCK} films at once"
    )


if __name__ == "__main__":
    main()
