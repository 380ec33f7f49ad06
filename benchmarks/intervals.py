"""Seconds and memory of the intervals of a study: made-up predictions, read, drawn anew and tabulated.

python -m benchmarks.intervals --threads 2
python -m benchmarks.intervals --cells 12 --draws 1000 --films 500
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from scripts.lib.engine.commands import make_parser, run, set_threads


def tables(cells: int, trials: int, films: int, seed: int = 1) -> Iterator[pd.DataFrame]:
    """Yield the predictions of every training: a quarter of the cells real-only, one label, 1.2 films a patient."""
    rng = np.random.default_rng(seed)
    names = np.array([f"film-{place:06d}" for place in range(films)])
    patients = np.char.add("patient-", np.minimum(np.arange(films), rng.integers(0, films, films)).astype(str))
    truth = (rng.random(films) < 0.25).astype(np.float32)
    for cell in range(cells):
        multiplier = (0, 2, 5, 10)[cell % 4]
        for trial in range(trials):
            scores = 1 / (1 + np.exp(-(2 * truth - 1 + rng.normal(size=films) + 0.05 * multiplier)))
            rows = pd.DataFrame({"image_id": names, "patient_id": patients, "truth": truth, "score": scores})
            yield rows.assign(
                dataset="made-up",
                task="classification",
                split="test",
                label="pneumonia",
                fraction=f"{(cell // 4 + 1) / 100:g}",
                arm="original" if multiplier else "real",
                multiplier=multiplier,
                trial=trial,
            )


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--cells", type=int, default=48, help="cells, a quarter of them real-only (default 48)")
    parser.add_argument("--trials", type=int, default=2, help="trials of each (default 2)")
    parser.add_argument("--films", type=int, default=5000, help="test films (default 5000)")
    parser.add_argument("--draws", type=int, default=10000, help="draws (default 10000)")
    parser.add_argument("--metrics", nargs="*", default=[], help="metrics (default: f1 f1_tuned auroc auprc)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.evidence.differences import differences, means
    from scripts.lib.evidence.predicted import gather_predictions
    from scripts.lib.evidence.resampling import resample

    begun = [time.perf_counter()]
    predicted = gather_predictions(tables(args.cells, args.trials, args.films))
    begun.append(time.perf_counter())
    drawn = resample(predicted, args.draws, np.random.default_rng(1), args.metrics, threads=args.threads)
    begun.append(time.perf_counter())
    rows = len(differences(predicted, drawn, [], 1)) + len(means(predicted, drawn, 1))
    begun.append(time.perf_counter())
    own = resource.getrusage(resource.RUSAGE_SELF)
    parts = ", ".join(
        f"{name} {end - start:.1f} s" for name, start, end in zip(("read", "drawn", "tabulated"), begun, begun[1:])
    )
    print(f"{args.cells} cells x {args.draws} draws of {args.films} films, {rows} rows: {parts}")
    print(
        f"wall {begun[-1] - begun[0]:.1f} s, processors {own.ru_utime + own.ru_stime:.1f} s, {own.ru_maxrss / 1024:.0f} MB"
    )


if __name__ == "__main__":
    run(main)
