"""Columns of the long tables that trials and baselines write and evidence reads: one definition for both."""

from __future__ import annotations

TRIALS = [
    *["dataset", "task", "metric", "fraction", "arm", "multiplier"],
    *["trial", "seed", "n_real", "n_synthetic", "value"],
]
BASELINES = ["dataset", "task", "metric", "baseline", "value"]
LABELS = ["n_labels", "note"]  # over how many labels a value is the mean, and which ones are not in it
