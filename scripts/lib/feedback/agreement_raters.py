"""One rater at a time: self-agreement, severity, drift, and what they gave the blind controls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

KEY = ["set_id", "image", "aspect"]
COLUMNS = ["rater", "scores", "mean", "spread", "severity", "drift", "self_pairs", "self_exact", "self_difference"]
COLUMNS += ["control_scores", "control_mean", "mask_scores", "mask_unseen", "note"]
REMARKS = {
    "not_chest": "images flagged as no chest film",
    "unsure": "images flagged as unsure",
    "comment": "sets with a comment",
}


def describe_raters(scored: pd.DataFrame, remarks: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return COLUMNS, one row a rater, sorted. In points of the score:

    severity  others' mean minus own score of the same images (positive = stricter); drift: change of the own score from
    the first place to the last, within aspect; self_difference: mean distance of a repeat; self_exact: share of equals.
    mask_unseen: how many of the `mask_scores` were given before the mask's outline had been seen.
    remarks: as read_remarks returns them; the note counts what each rater flagged and said.
    """
    controls = (scored["role"] == "control") | (scored["kind"] == "control")
    rows = []
    for rater in sorted(scored["rater"].unique()):
        mine = scored["rater"] == rater
        first = scored[~controls & (scored["role"] != "repeat")]
        given, others = first[first["rater"] == rater], first[first["rater"] != rater]
        rows.append(_describe(rater, given, others, scored[mine & ~controls], scored[mine & controls]))
        remarked = _remarked(remarks, rater)
        rows[-1]["note"] = "; ".join(filter(None, [rows[-1]["note"], remarked]))
    return pd.DataFrame(rows, columns=COLUMNS)


def _remarked(remarks: pd.DataFrame | None, rater: str) -> str:
    """Return how many images a rater flagged, and on how many sets there is a comment."""
    if remarks is None or remarks.empty:
        return ""
    counts = remarks[(remarks["rater"] == rater) & remarks["value"].astype(bool)]["remark"].value_counts()
    return ", ".join(f"{counts[kind]} {words}" for kind, words in REMARKS.items() if kind in counts)


def _describe(
    rater: str, own: pd.DataFrame, others: pd.DataFrame, seen: pd.DataFrame, control: pd.DataFrame
) -> dict[str, Any]:
    notes = []
    gaps = own.merge(others.groupby(KEY)["score"].mean().rename("other"), left_on=KEY, right_index=True)
    if gaps.empty:
        notes.append("severity not measurable: no image shared with another rater")
    repeats = seen[seen["role"] == "repeat"].merge(own, on=KEY, suffixes=("", "_first"))
    distance = (repeats["score"] - repeats["score_first"]).abs()
    if repeats.empty:
        notes.append("self-agreement not measurable: nothing rated twice")
    if control.empty:
        notes.append("no control rated")
    masks = seen[seen["aspect"] == "mask"]
    unseen = sum(shown is False for shown in masks.get("outline_seen", ()))  # None is no answer
    if unseen:
        notes.append(f"{unseen} of {len(masks)} mask scores given without a look at the outline")
    if len(own) and own["score"].nunique() == 1:
        notes.append(f"rates everything {own['score'].iloc[0]}")
    return {
        "rater": rater,
        "scores": len(own),
        "mean": own["score"].mean(),
        "spread": own["score"].std(ddof=0),
        "severity": (gaps["other"] - gaps["score"]).mean(),
        "drift": drift(own),
        "self_pairs": len(repeats),
        "self_exact": (distance == 0).mean() if len(repeats) else np.nan,
        "self_difference": distance.mean(),
        "control_scores": len(control),
        "control_mean": control["score"].mean(),
        "mask_scores": len(masks),
        "mask_unseen": unseen,
        "note": "; ".join(notes),
    }


def drift(own: pd.DataFrame) -> float:
    """Return the least-squares change of the scores from the first place to the last, NaN with one place."""
    if own["place"].nunique() < 2:
        return float("nan")
    centred = own["score"] - own.groupby("aspect")["score"].transform("mean")
    slope = np.polyfit(own["place"].astype(float), centred, 1)[0]
    return float(slope * (own["place"].max() - own["place"].min())) + 0.0
