"""Time and memory of the leakage firewall: reducing films, and searching copies among as many as the largest datasets have.

    python -m benchmarks.leakage --films 60000 180000 500000

The films are drawn: shapes that all share, ten ways in which films differ together, and detail of their own. A hundred of the
tested films are mirrored copies of learned ones; the program says how many of them were found, and what else.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from scripts.lib.cohort.reduced import SIDE, reduce_images
from scripts.lib.core.seeds import rng
from scripts.lib.engine.commands import set_threads
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


class Watched:
    """The most memory of its own that this process has had inside of the block, in MB: without files that it maps."""

    def __enter__(self) -> Watched:
        self.most, self._done = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.2):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("RssAnon"):
                    self.most = max(self.most, int(line.split()[1]) // 1024)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, nargs="+", default=[500_000], help="tested and learned films together")
    parser.add_argument("--tested", type=float, default=0.2, help="share of tested films among them")
    parser.add_argument("--side", type=int, default=512, help="side of the films that are reduced, in pixels")
    parser.add_argument("--threads", type=int, default=2, help="threads")
    args = parser.parse_args()
    set_threads(args.threads)
    sizes = rng(1, "leakage", "large").integers(0, 256, (256, args.side, args.side), np.uint8)
    start = time.process_time()
    for _ in range(4):
        reduce_images(sizes)
    per_film = (time.process_time() - start) / 4 / len(sizes)
    print(f"reducing: {1 / per_film:,.0f} films of {args.side} pixels a processor second", flush=True)
    del sizes
    for films in args.films:
        with tempfile.TemporaryDirectory() as folder:
            search(draw_films(Path(folder) / "films.npy", films), round(films * args.tested))


def search(pictures: np.ndarray, tested: int) -> None:
    """Search the last `tested` pictures among the others and print what was found, and what it took."""
    learned = len(pictures) - tested
    pictures[learned : learned + COPIES] = pictures[:COPIES, :, ::-1]
    new, known = (
        Gallery([pictures], np.zeros(len(rows), np.int8), rows.astype(np.int32))
        for rows in (np.arange(learned, len(pictures)), np.arange(learned))
    )
    start = time.process_time()
    with Watched() as watched:
        table = find_copies(new, known, 0.95)
    took = time.process_time() - start
    right = int((table["tested"] == table["learned"]).sum())
    print(
        f"searching {tested:,} among {learned:,}: {took:.0f} processor s, {took / len(pictures) * 1000:.2f} ms a film, at most "
        f"{watched.most} MB beside the mapped pictures; {right} of {COPIES} copies found, {len(table) - right} others",
        flush=True,
    )


if __name__ == "__main__":
    main()
