"""Do images show what they were asked to show: estimates by hand, verdicts, planted wrong labels, and masks that are ignored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts import keep_faithful, measure_faithfulness, refuse_unfaithful
from scripts.lib.core.auroc import auroc
from scripts.lib.core.errors import InputError
from scripts.lib.fidelity.agreement import Estimate, agreement, auroc_of, mean_of, share_of, shuffled_auroc
from scripts.lib.fidelity.faithfulness import COLUMNS, FAILS, PASSES, UNDECIDED, table
from tests.helpers.fidelity_films import as_table, films, write_store

CELL = {"dataset": "toy", "arm": "mine", "fraction": "1", "judge": "toy-train-labels"}
SETTINGS: dict[str, Any] = {"least": 0.5, "percentile": 5}


def labelled(asked: Any, found: Any, prefix: str = "i") -> pd.DataFrame:
    names = [f"{prefix}{number}" for number in range(len(asked))]
    return pd.DataFrame({"image_id": names, "group": names, "asked_pneumonia": asked, "found_pneumonia": found})


def drawn(count: int, skill: float, *seed: int) -> pd.DataFrame:
    """Return films of which every other one has the label, and a judge that tells them apart by `skill` standard deviations."""
    stream = np.random.default_rng([7, *seed])
    asked = np.arange(count) % 2
    return labelled(asked.astype(float), 1 / (1 + np.exp(-(stream.normal(size=count) + skill * asked))))


def masked(dice: Any, by_chance: float = 0.2, side: str = "left", prefix: str = "i") -> pd.DataFrame:
    """Return images with a mask of 100 pixels; those of Dice NaN have none."""
    dice = np.asarray(dice, float)
    names = [f"{prefix}{number}" for number in range(len(dice))]
    empty = np.isnan(dice)
    return pd.DataFrame(
        {
            "image_id": names,
            "group": names,
            "asked": np.where(empty, 0, 100),
            "found": np.where(empty, 3, 100),
            "dice": dice,
            "by_chance": np.where(empty, np.nan, by_chance),
            "side_asked": pd.array([None if one else "left" for one in empty], "string"),
            "side_found": pd.array([side] * len(dice), "string"),
        }
    )


def test_estimates_by_hand() -> None:
    # Mean 0.5; influences (-0.5, 0.5) / 2, as two groups: sqrt((1/16 + 1/16) * 2 / 1) = 0.5, the standard error of two values.
    two = mean_of(np.array([0.0, 1.0, np.nan]), np.array(["a", "b", "c"]))
    assert (two.value, two.n) == (0.5, 2) and two.error == pytest.approx(0.5)
    assert two.low == 0.0 and two.high == 1.0  # cut to [0, 1]
    # Ten of ten agree: at most 3 of 10 do not (rule of three).
    assert mean_of(np.ones(10), np.arange(10)).low == pytest.approx(0.7)
    # 0.9 beats 0.1 and 0.7; 0.4 beats 0.1 alone: 3 of 4 pairs.
    asked, found = np.array([[1.0], [1], [0], [0], [np.nan]]), np.array([[0.9], [0.4], [0.1], [0.7], [0.5]])
    one = auroc_of(asked, found, np.arange(5))
    assert one.value == 0.75 == auroc(asked[:4, 0] == 1, found[:4, 0]) and one.n == 4
    # Parts of positives 1 and 1/2, of negatives 1 and 1/2: each (+-1/4) / 2, so sqrt(4 * (1/8)^2 * 4/3) with 5 groups 5/4.
    assert one.error == pytest.approx(np.sqrt(4 / 64 * 5 / 4))
    share = share_of(Estimate(0.7, 0.03), Estimate(0.9, 0.04), 0.5)
    # (0.7 - 0.5) / (0.9 - 0.5) = 1/2; error hypot(0.03, 0.5 * 0.04) / 0.4.
    assert share.value == pytest.approx(0.5) and share.error == pytest.approx(np.hypot(0.03, 0.02) / 0.4)
    assert np.isnan(share_of(Estimate(0.7, 0.1), Estimate(0.4, 0.1), 0.5).value)


def test_the_error_of_an_auroc_is_that_of_repeated_draws() -> None:
    values = [auroc_of(*_pair(drawn(120, 1.0, seed)), np.arange(120)) for seed in range(200)]
    assert np.mean([one.error for one in values]) == pytest.approx(np.std([one.value for one in values]), rel=0.15)


def _pair(part: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return part[["asked_pneumonia"]].to_numpy(float), part[["found_pneumonia"]].to_numpy(float)


def test_films_of_one_patient_are_no_independent_draws() -> None:
    values = np.random.default_rng(1).random(50)
    once = mean_of(values, np.arange(50)).error
    assert mean_of(np.tile(values, 4), np.tile(np.arange(50), 4)).error == pytest.approx(once)
    assert mean_of(np.tile(values, 4), np.arange(200)).error == pytest.approx(once / 2, rel=0.02)


def test_dealt_out_labels_are_chance() -> None:
    chance = shuffled_auroc(*_pair(drawn(200, 3.0)))
    assert abs(chance.value - 0.5) < 0.02 and 0.02 < chance.error < 0.07


def verdict(images: pd.DataFrame, real: pd.DataFrame, masks: bool = False) -> pd.DataFrame:
    shows = ["pneumothorax" if masks else "pneumonia"]
    found = table(images, real, shows, masks, SETTINGS, CELL)
    assert list(found.columns) == COLUMNS and found["verdict"].nunique() == 1
    return found.set_index("measure")


def test_verdicts_on_labels() -> None:
    real = drawn(300, 2.0, 1)
    good, wrong, little = (verdict(drawn(300, skill, 2), real) for skill in (2.0, 0.0, 0.9))
    assert good["verdict"]["auroc"] == PASSES and good["value"]["share"] > 0.8
    assert wrong["verdict"]["auroc"] == FAILS and wrong["high"]["share"] < 0.2
    assert "of what real films show, less than 50%" in wrong["note"]["auroc"]
    assert little["verdict"]["auroc"] == UNDECIDED and little["low"]["share"] < 0.5 < little["high"]["share"]
    assert abs(good["floor"]["auroc"] - 0.92) < 0.04  # normal distributions 2 apart: Phi(2 / sqrt 2)


def test_planted_wrong_labels_are_found() -> None:
    images, real = drawn(400, 4.0, 3), drawn(400, 4.0, 4)
    wrong = images.index[:40]
    images.loc[wrong, "asked_pneumonia"] = 1 - images.loc[wrong, "asked_pneumonia"]
    denied = agreement(images, real, ["pneumonia"]) < 0.05
    assert denied[:40].mean() > 0.9 and denied[40:].mean() < 0.12
    both = [verdict(part, real)["value"]["agree"] for part in (images, drawn(400, 4.0, 3))]
    assert both[1] - both[0] > 0.05


def test_no_verdict_where_the_judge_is_blind_or_images_are_few_or_of_one_class() -> None:
    blind = verdict(drawn(300, 2.0), drawn(300, 0.0, 1))
    assert blind["verdict"]["auroc"] == UNDECIDED and "hardly tells real films" in blind["note"]["auroc"]
    few = verdict(drawn(30, 2.0), drawn(300, 2.0, 1))
    assert few["note"]["auroc"] == "15 images of the rarer class of pneumonia, fewer than 20"
    diseased = labelled(np.ones(100), np.full(100, 0.9))
    one_class = verdict(diseased, drawn(300, 2.0, 1))
    assert one_class["verdict"]["auroc"] == UNDECIDED and one_class["note"]["auroc"].startswith("0 images of the rarer class")  # fmt: skip
    assert np.isnan(one_class["value"]["auroc"]) and one_class["value"]["agree"] > 0.5


def test_verdicts_on_masks() -> None:
    stream = np.random.default_rng(5)
    real = masked(np.r_[stream.normal(0.8, 0.05, 100), np.full(50, np.nan)])
    good = verdict(masked(np.r_[stream.normal(0.75, 0.05, 100), np.full(30, np.nan)]), real, True)
    assert good["verdict"]["dice"] == PASSES and good["value"]["side"] == 1.0 and good["value"]["clear"] == 0.0
    ignored = verdict(masked(stream.normal(0.22, 0.05, 100), side="right"), real, True)
    assert ignored["verdict"]["dice"] == FAILS and ignored["value"]["side"] == 0.0 and ignored["value"]["agree"] == 0.0
    assert ignored["chance"]["dice"] == pytest.approx(0.2) and np.isnan(ignored["value"]["clear"])


def test_agreement_by_hand() -> None:
    real = masked([0.2, 0.4, 0.6, 0.8])
    # Of the four real films, one lies at or below 0.3, all at or below 0.9, none at or below 0.1.
    assert agreement(masked([0.3, 0.9, 0.1]), real, []).tolist() == [0.25, 1.0, 0.0]
    # Nothing is known of films without a mask, so an empty mask is not denied.
    assert agreement(masked([np.nan]), real, []).tolist() == [1.0]
    two = labelled([1, 1, 0, 0], [0.9, 0.5, 0.5, 0.1])
    assert agreement(labelled([1, 0, np.nan], [0.6, 0.6, 0.6]), two, ["pneumonia"]).tolist() == [0.5, 0.0, 1.0]


def run_all(folder: Path, images: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run the three commands on a pool whose images the judge found so; return the table and what is kept."""
    folder.mkdir(exist_ok=True)
    pool = write_store(folder / "pool", films(len(images), "pool"), ["train"] * len(images), "i", True)
    images.to_parquet(folder / "judged.parquet", index=False)
    drawn(200, 4.0, 9).to_parquet(folder / "held.parquet", index=False)
    common = ["--judged", str(folder / "judged.parquet"), "--judge", str(folder), "--shows", "pneumonia"]
    common += ["--config", '{"least": 0.5, "percentile": 5}']
    where = ["--dataset", "toy", "--arm", "mine", "--fraction", "1", "--out", str(folder / "f.csv")]
    measure_faithfulness.main([*common, *where])
    keep_faithful.main([*common, "--pool", str(pool), "--out", str(folder / "kept.parquet")])
    return as_table(folder / "f.csv"), pd.read_parquet(folder / "kept.parquet")


def test_the_commands_from_findings_to_what_is_kept_and_what_is_refused(tmp_path: Path) -> None:
    images = drawn(100, 4.0, 3)
    images.loc[:9, "asked_pneumonia"] = 1 - images.loc[:9, "asked_pneumonia"]
    found, kept = run_all(tmp_path / "good", images)
    assert set(found["verdict"]) == {PASSES}
    gone = set(images["image_id"]) - set(kept["image_id"])
    assert len(gone & {f"i{number}" for number in range(10)}) >= 8 and len(gone) <= 20
    assert list(kept["position"]) == list(range(len(kept)))
    refuse_unfaithful.main(["--table", str(tmp_path / "good" / "f.csv"), "--out", str(tmp_path / "ok.txt")])
    assert (tmp_path / "ok.txt").read_text().startswith("passes: auroc")
    found, _ = run_all(tmp_path / "bad", drawn(100, 0.0, 3))
    with pytest.raises(InputError, match="f.csv: images show .* of what real films show, less than 50%.*judged.png"):
        refuse_unfaithful.main(["--table", str(tmp_path / "bad" / "f.csv"), "--out", str(tmp_path / "no.txt")])
    assert not (tmp_path / "no.txt").exists()


def test_what_does_not_fit_is_one_line(tmp_path: Path) -> None:
    run_all(tmp_path, drawn(60, 4.0))
    drawn(20, 4.0).to_parquet(tmp_path / "judged.parquet", index=False)
    common = ["--judged", str(tmp_path / "judged.parquet"), "--judge", str(tmp_path), "--config", '{"percentile": 5}']
    keep = ["--pool", str(tmp_path / "pool"), "--out", str(tmp_path / "no.parquet")]
    with pytest.raises(InputError, match="image i20 was not judged; judge all images"):
        keep_faithful.main([*common, *keep, "--shows", "pneumonia"])
    with pytest.raises(InputError, match="no column asked_edema"):
        keep_faithful.main([*common, *keep, "--shows", "edema"])
    for wrong, line in (
        (drawn(60, 4.0).assign(found_pneumonia=np.nan), "image i0 has no finding; judge anew"),
        (pd.concat([drawn(60, 4.0)] * 2), "image i0 occurs twice; judge anew"),
    ):
        wrong.to_parquet(tmp_path / "judged.parquet", index=False)
        with pytest.raises(InputError, match=line):
            keep_faithful.main([*common, *keep, "--shows", "pneumonia"])
    masked(np.full(60, 0.5)).to_parquet(tmp_path / "judged.parquet", index=False)
    with pytest.raises(InputError, match="a judge of labels, but images were judged by the other"):
        keep_faithful.main([*common, *keep, "--shows", "pneumonia"])
