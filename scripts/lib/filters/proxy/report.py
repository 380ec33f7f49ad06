"""The report of a filtered arm: which model made, scored and judged its images, and what the filter kept.

What filters must not judge: a downstream model that starts from the proxy model's own weights would reward itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from scripts.lib.conditions.prompts import TextCell
from scripts.lib.core.errors import InputError
from scripts.lib.core.markdown import markdown_row


def check_judge(proxy: str, judge: Mapping[str, Any]) -> None:
    """Raise InputError when the downstream model `judge` (section trials.*.model) starts from the proxy model's weights."""
    weights = judge["weights"]
    folder = proxy.removeprefix("local-dir:").rstrip("/")
    if weights and (str(weights) == folder or str(weights).startswith(f"{folder}/")):
        raise InputError(
            f"trials.model.weights = {weights}: the proxy model that filters ({proxy}) may not be what judges as well; "
            f"start the downstream model from other weights"
        )


def arm_report(
    about: Mapping[str, Any],
    pool: Mapping[str, Any],
    validation: pd.DataFrame,
    kept: pd.DataFrame,
) -> str:
    """Return the report as Markdown.

    `about`: dataset, arm, fraction, proxy, foundation (names), judge (section trials.*.model), proxy_trained_here,
    judge_trained_here, exposure (what of the arm is not limited to its fraction, "" = nothing); `pool`: its cohort.json; `validation`, `kept`: the tables of validate_proxy and filter_pool.
    """
    judge = about["judge"]
    starts = {None: "random weights", "imagenet": "ImageNet weights"}.get(judge["weights"], str(judge["weights"]))
    learned = ", ".join(about["foundation"])
    lines = [
        f"# {about['dataset']}, {about['arm']} at {about['fraction']}",
        "",
        "## Which model did what",
        "",
        "| step | model | learned from |",
        "|---|---|---|",
        f"| made the images | generator `{pool['generator']}` | foundation cohorts ({learned}) and the generator split |",
        f"| scored and chose them | proxy model `{about['proxy']}` | see below |",
        f"| judged the choice | {judge['encoder']} classifier from {starts} | the trial's real and kept films |",
        "",
        "The judge is tested on real films that neither the generator nor the filter has seen, with labels of their own.",
        "The score of the proxy model appears in no result.",
    ]
    if about["proxy_trained_here"]:
        lines.append(
            f"Proxy model and generator were both trained on {learned}: what one misses there, the other may miss too."
        )
    if about["judge_trained_here"]:
        lines.append(f"The judge's encoder was matched with the reports of {learned} as well, as in the paper.")
    if about["exposure"]:
        lines.append(f"The arm is {about['exposure']}.")
    lines += ["", "## What the proxy model is worth on real films", "", _table(_worth(validation))]
    lines += ["", "## What was kept", "", _table(_choice(kept)), ""]
    return "\n".join(lines)


def _worth(validation: pd.DataFrame) -> pd.DataFrame:
    shown = validation[["label", "films", "positive", "auroc", "ci_low", "ci_high", "usable", "note"]]
    return shown.rename(columns={"auroc": "AUROC", "ci_low": "95 % from", "ci_high": "to", "positive": "with it"})


def _choice(kept: pd.DataFrame) -> pd.DataFrame:
    """Return one row a label over the whole pool: counts, mean scores and diversity before and after."""
    whole = kept[(kept["prefix"] == 1.0) & (kept["subgroup"] == "all")]
    columns = [
        "trial",
        "label",
        "films",
        "kept",
        "score",
        "score_kept",
        "ms_ssim",
        "ms_ssim_kept",
        "vendi",
        "vendi_kept",
    ]
    return whole[columns]


def _table(table: pd.DataFrame) -> str:
    """Return a Markdown table; numbers with three digits, what is missing as a dash."""

    def cell(value: TextCell) -> str:
        if pd.isna(value) or value == "":
            return "-"
        return f"{value:.3f}" if isinstance(value, float) else str(value)

    rows = [[cell(value) for value in row] for row in zip(*(table[name] for name in table.columns))]
    head = [list(table.columns), ["---"] * len(table.columns)]
    return "\n".join(markdown_row(row) for row in [*head, *rows])
