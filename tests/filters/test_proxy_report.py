"""The report of a filtered arm says which model did what, and a filter that would judge itself is refused."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from scripts import describe_arm
from scripts.lib.core.errors import InputError
from scripts.lib.filters.proxy.kept_table import COLUMNS as KEPT
from scripts.lib.filters.proxy.report import arm_report, check_judge
from scripts.lib.filters.proxy.usable import COLUMNS as VALIDATION

JUDGE = {"encoder": "small", "weights": "results/mgca", "frozen": True}
ABOUT = {
    "dataset": "chexpert",
    "arm": "proxy-filtered",
    "fraction": "0.01",
    "proxy": "results/proxy/model",
    "proxy_trained_here": True,
    "judge_trained_here": True,
    "foundation": ["mimic"],
    "exposure": "",
    "judge": JUDGE,
}


def validation():
    row = {"label": "edema", "films": 40, "positive": 9, "auroc": 0.91234, "ci_low": 0.8, "ci_high": 1.0}
    return pd.DataFrame([row | {"usable": True, "note": None}])


def kept():
    row = {"trial": -1, "label": "edema", "films": 20, "kept": 2, "score": 0.5, "score_kept": 0.8}
    row |= {"ms_ssim": 0.7, "ms_ssim_kept": None, "vendi": 4.0, "vendi_kept": 1.5, "subgroup": "all"}
    return pd.DataFrame([row | {"prefix": 0.2, "kept": 1}, row | {"prefix": 1.0}])


def test_the_report_names_every_model_and_what_was_kept_of_the_whole_pool():
    text = arm_report(ABOUT, {"generator": "abc123"}, validation(), kept())
    assert "generator `abc123`" in text and "proxy model `results/proxy/model`" in text
    assert "small classifier from results/mgca" in text
    assert "both trained on mimic" in text and "matched with the reports of mimic" in text
    assert "| edema | 40 | 9 | 0.912 | 0.800 | 1.000 | True | - |" in text
    assert (
        text.count("| -1 | edema |") == 1
        and "| -1 | edema | 20 | 2 | 0.500 | 0.800 | 0.700 | - | 4.000 | 1.500 |" in text
    )


def test_what_is_not_limited_to_the_fraction_is_said():
    text = arm_report(
        {**ABOUT, "exposure": "not limited to 1 % of the training films: x"}, {"generator": "a"}, validation(), kept()
    )
    assert "The arm is not limited to 1 % of the training films: x." in text.splitlines()
    assert "not limited" not in arm_report(ABOUT, {"generator": "a"}, validation(), kept())


def test_models_from_elsewhere_are_not_said_to_be_trained_here():
    about = {**ABOUT, "proxy": "hf-hub:x/y", "proxy_trained_here": False, "judge_trained_here": False}
    text = arm_report(about, {"generator": "abc123"}, validation(), kept())
    assert "both trained on" not in text and "matched with the reports" not in text


@pytest.mark.parametrize("weights", ["models/clip", "models/clip/open_clip_model.safetensors"])
def test_what_filters_must_not_judge(weights):
    with pytest.raises(InputError, match="may not be what judges as well"):
        check_judge("local-dir:models/clip/", {**JUDGE, "weights": weights})
    check_judge("local-dir:models/clip", {**JUDGE, "weights": "models/clip2"})
    check_judge("results/proxy/model", {**JUDGE, "weights": None})


def test_the_command_writes_it(tmp_path):
    (tmp_path / "cohort.json").write_text(json.dumps({"generator": "abc123"}))
    about = {"dataset": "mimic", "split": "validate", "ranked_by": "cosine", "patients": 40}
    validation().assign(**about)[VALIDATION].to_csv(tmp_path / "validation.csv", index=False)
    kept().reindex(columns=KEPT).to_csv(tmp_path / "kept.csv", index=False)
    files = ["--validation", str(tmp_path / "validation.csv"), "--kept", str(tmp_path / "kept.csv")]
    out = tmp_path / "report.md"
    describe_arm.main(["--pool", str(tmp_path), *files, "--config", json.dumps(ABOUT), "--out", str(out)])
    assert out.read_text() == arm_report(ABOUT, {"generator": "abc123"}, validation(), kept())
