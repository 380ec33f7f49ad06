"""Seconds and memory of fidelity, and of the search for copies, with features that are given.

Random features of 10,000 images, and of 20,000 films for fidelity, whose other half is the floor. Speed does not depend on what they
are.

    python -m benchmarks.fidelity --threads 2
    python -m benchmarks.fidelity --images 2000 --part memorisation
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.lib.engine.commands import make_parser, run, set_threads

SIDE = 32
PARTS = ("fidelity", "memorisation")


def write_store(folder: Path, count: int, split: str, synthetic: bool) -> Path:
    """Write `count` black images with one patient each: pixels play no part when features are given."""
    import numpy as np

    from scripts.lib.cohort.writer import CohortWriter

    black = np.zeros((SIDE, SIDE), np.uint8)
    with CohortWriter(folder, SIDE, [], [], {"dataset": "toy"}) as writer:
        for number in range(count):
            name = f"{'s' if synthetic else 'f'}{number}"
            row = {"image_id": name, "patient_id": name, "split": split, "sha256": "", "synthetic": synthetic}
            writer.add(black, None, row)
    return folder


def measure_fidelity(folder: Path, images: int, size: int) -> None:
    """All measures of one pool and their floors."""
    import numpy as np

    from scripts.lib.fidelity.table import measure

    stream = np.random.default_rng(0)
    files = {}
    for name, count in (("pool", images), ("cohort", 2 * images)):
        write_store(folder / name, count, "test", name == "pool")
        features = stream.standard_normal((count, size), dtype=np.float32) + (0.1 if name == "pool" else 0)
        np.save(folder / f"{name}.npy", features)
        files[name] = folder / f"{name}.npy"
    settings = {"splits": ["test"], "images": images, "nearest": 5, "barred": []}
    cell = {"dataset": "toy", "arm": "mine", "fraction": "1"}
    networks = {"given": ([files["pool"]], files["cohort"])}
    told = time.perf_counter()
    table = measure([folder / "pool"], folder / "cohort", networks, settings, cell, [])
    print(f"fidelity: {images} images, {images} films, {images} more for the floor, {size} features: {_since(told)}")
    print(table[["measure", "n", "value", "floor"]].to_string(index=False))


def measure_memorisation(folder: Path, images: int, size: int) -> None:
    """The nearest training film of every image."""
    import numpy as np

    from scripts.lib.fidelity import thumbnails
    from scripts.lib.fidelity.matching import SearchedFilms

    stream = np.random.default_rng(0)
    pixels = [stream.integers(0, 256, (images, thumbnails.SIDE, thumbnails.SIDE), dtype=np.uint8) for _ in range(2)]
    features = [stream.standard_normal((images, size), dtype=np.float32) for _ in range(2)]
    told = time.perf_counter()
    found = SearchedFilms(pixels[0], features[0]).nearest(pixels[1], features[1], 8)
    print(f"memorisation: {images} images, {images} films, {size} features: {_since(told)}")
    print(f"largest likeness {found.similarity.max():.3f}")


def _since(start: float) -> str:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return f"{time.perf_counter() - start:.1f} s, {peak:.2f} GB at most"


def main(argv: list[str] | None = None) -> None:
    """Measure each part in a process of its own, so that its memory is its own."""
    parser = make_parser(__doc__)
    parser.add_argument("--images", type=int, default=10_000, help="images, and films (default 10000)")
    parser.add_argument("--size", type=int, default=768, help="features of each (default 768)")
    parser.add_argument("--part", choices=PARTS, help="only this part, in this process")
    args = parser.parse_args(argv)
    set_threads(args.threads)
    if args.part is None:
        shared = ["--images", str(args.images), "--size", str(args.size), "--threads", str(args.threads)]
        for part in PARTS:
            subprocess.run([sys.executable, "-m", "benchmarks.fidelity", *shared, "--part", part], check=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        {"fidelity": measure_fidelity, "memorisation": measure_memorisation}[args.part](
            Path(folder), args.images, args.size
        )


if __name__ == "__main__":
    run(main)
