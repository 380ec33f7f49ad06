"""Columns and metrics of the long tables that trials and baselines write and evidence reads: one definition for both."""

from __future__ import annotations

TRIALS = [
    *["dataset", "task", "metric", "fraction", "arm", "multiplier"],
    *["trial", "seed", "n_real", "n_synthetic", "value"],
]
BASELINES = ["dataset", "task", "metric", "baseline", "value"]
LABELS = ["n_labels", "note"]  # over how many labels a value is the mean, and which ones are not in it
# How a film without a true mask counts, and the metrics that predictions give.
EMPTY_POLICIES = ("exclude", "kaggle", "zero")
LABEL_METRICS = ("f1", "f1_tuned", "auroc", "auprc")
MASK_METRICS = tuple(
    [*(f"{name}{end}" for name in ("dice", "iou") for end in ("", *(f"_{one}" for one in EMPTY_POLICIES)))]
    + ["false_positive_share"]
)
BOX_METRICS = ("map", "ap50", "froc")
