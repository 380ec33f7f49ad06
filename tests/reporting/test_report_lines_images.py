"""Lines about images: leaks, copies, distances, faithfulness, proxies, shortcut, with numbers reckoned by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.lib.reporting.page import lines_images, lines_proxy
from tests.helpers.report_tables import difference, facts, write_table

HELPED = difference(2, 0.2, 0.1, 0.3, 0.01)


@pytest.mark.parametrize(
    ("verdict", "hit", "state", "word"),
    [
        ("clean", None, "green", "40 test films are neither"),
        ("stops", "stops", "red", "1 test film taught a model"),
        ("clean", "allowed", "amber", "1 hit is allowed"),
        ("not known", None, "amber", "not known in 1 check"),
    ],
)
def test_leakage(tmp_path: Path, verdict: str, hit: str | None, state: str, word: str) -> None:
    hits = [leak("a1", arm=arm, verdict=hit) for arm in ("real", "original")] if hit == "stops" else []
    hits += [leak("a1", verdict=hit)] if hit == "allowed" else []
    write_table(tmp_path, "tables/leakage.csv", [check(40, verdict=verdict), *hits])
    line = lines_images.leakage(facts(tmp_path))
    assert line.state == state and word in line.reason


@pytest.mark.parametrize(
    ("films", "state", "word"),
    [
        # 650 steps of 64 films are 41,600: each of 18 films is seen 2,311 times, each of 400 some 104 times.
        (18, "amber", "The foundation model learns from 18 films and sees each some 2,300 times, so images are likely"),
        (400, "grey", "This run has no"),
    ],
)
def test_copies_that_nobody_counted(tmp_path: Path, films: int, state: str, word: str) -> None:
    write_table(
        tmp_path, "table1.csv", [{"dataset": "mimic", "generator": "", "train": films, "validate": 9, "test": 9}]
    )
    line = lines_images.copies(facts(tmp_path))
    assert line.state == state and word in line.reason and "make evidence" in line.reason


def check(tested: int, verdict: str = "clean", **about: str) -> dict[str, Any]:
    row = {"dataset": "rsna", "arm": "real", "split": "test", "tested_dataset": "rsna", "kind": "all"}
    return {**row, "verdict": verdict, "tested": tested, "learned": 9, "hits": 0, "image_id": "n/a", **about}


def leak(film: str, **about: Any) -> dict[str, Any]:
    return {**check(0, kind="pixels"), "tested": "n/a", "learned": "n/a", "hits": "n/a", "image_id": film, **about}


def test_every_tested_film_counts_once_of_whatever_cohort(tmp_path: Path) -> None:
    rows = [check(36, split="external", tested_dataset="vindr"), check(250), check(250, arm="original")]
    rows += [check(36, split="external", tested_dataset="vindr", dataset="siim"), check(99, split="tuning")]
    write_table(tmp_path, "tables/leakage.csv", rows)
    # 250 of its own and 36 of the other hospital, which two datasets' models are tested on; those that tune test nothing.
    assert "286 test films are neither" in lines_images.leakage(facts(tmp_path)).reason


@pytest.mark.parametrize(
    ("verdict", "found", "state", "word"),
    [
        (
            "passes",
            1.0,
            "green",
            "In the one pool near-copies of training films are no more frequent than among held-out",
        ),
        ("passes", 0.58, "amber", "of planted copies that were cropped it finds only 58 %"),
        ("undecided", 1.0, "amber", "of the one pool it cannot be told whether it holds copies"),
        (
            "fails",
            1.0,
            "red",
            "1 pool of 1 holds more near-copies of training films than chance gives: 1.3 % of the images against 2 % of held-out",
        ),
    ],
)
def test_copies(tmp_path: Path, verdict: str, found: float, state: str, word: str) -> None:
    pool = {"dataset": "rsna", "arm": "original", "fraction": 0.01, "verdict": verdict}
    rows = [{**pool, "measure": "near_copies", "value": 0.0133, "floor": 0.02}]
    rows += [{**pool, "measure": "found_cropped", "value": found, "floor": "n/a"}]
    write_table(tmp_path, "tables/memorisation.csv", rows)
    line = lines_images.copies(facts(tmp_path))
    assert line.state == state and word.lower() in line.reason.lower()


def test_distances_above_the_floor_are_counted_and_never_red(tmp_path: Path) -> None:
    pool = {
        "dataset": "rsna",
        "arm": "original",
        "fraction": 0.01,
        "features": "proxy",
        "measure": "kid",
        "value": 0.01,
    }
    near, far = ({**pool, "low": low, "floor": 0.001, "floor_high": 0.002} for low in (0.001, 0.003))
    write_table(tmp_path, "tables/fidelity.csv", [near])
    assert lines_images.fidelity(facts(tmp_path)).state == "green"
    write_table(tmp_path, "tables/fidelity.csv", [near, far])
    line = lines_images.fidelity(facts(tmp_path))
    assert line.state == "amber" and line.reason.startswith(
        "1 of 2 distances (KID, seen by the network proxy) is larger than between real films"
    )


@pytest.mark.parametrize(
    ("words", "state", "said"),
    [
        ("passes", "green", "1 pool: it passes."),
        ("undecided", "amber", "1 pool: it is undecided."),
        ("undecided undecided", "amber", "2 pools: both are undecided."),
        ("passes passes passes", "green", "3 pools: all pass."),
        ("passes fails", "red", "2 pools: 1 passes and 1 fails."),
        ("passes passes undecided undecided fails fails", "red", "6 pools: 2 pass, 2 are undecided and 2 fail."),
    ],
)
def test_faithfulness_has_the_colour_of_the_worst_pool(tmp_path: Path, words: str, state: str, said: str) -> None:
    pool = {"dataset": "rsna", "arm": "original"}
    rows = [{**pool, "fraction": place, "verdict": word} for place, word in enumerate(words.split()) for _ in range(2)]
    write_table(tmp_path, "tables/faithfulness.csv", rows)
    line = lines_images.faithfulness(facts(tmp_path))
    assert line.state == state and line.reason == f"A model trained on real films looked at {said}"


@pytest.mark.parametrize(
    ("usable", "state", "said"),
    [
        (("True", "True"), "green", "On real films it tells 2 labels from chance; the least AUROC is 0.60."),
        (
            ("True", "False"),
            "amber",
            "1 of 2 labels is not told from chance on real films and refused for filtering: edema.",
        ),
        (
            ("False", "False"),
            "red",
            "Neither of 2 labels is told from chance on real films, so both are refused for filtering: lung",
        ),
    ],
)
def test_refused_proxies_are_told(tmp_path: Path, usable: tuple[str, str], state: str, said: str) -> None:
    rows = [{"label": n, "auroc": a, "usable": u} for n, a, u in zip(("lung_opacity", "edema"), (0.7, 0.6), usable)]
    write_table(tmp_path, "proxy/validation.csv", rows)
    line = lines_proxy.proxy(facts(tmp_path))
    assert line.state == state and line.reason.startswith(said)


def test_a_shortcut_that_the_table_warns_of_is_quoted(tmp_path: Path) -> None:
    row = {"dataset": "rsna", "arm": "original", "fraction": 0.01, "multiplier": 2, "value": 0.01, "note": ""}
    few = {**row, "multiplier": None, "value": None, "note": "224 images and 40 films; 40 and 80 are needed"}
    write_table(tmp_path, "tables/shortcut.csv", [row, {**row, "multiplier": 5}, few])
    line = lines_images.shortcut(facts(tmp_path))
    assert line.state == "green" and "neither of 2 training sets" in line.reason  # what lacks films warns of nothing
    write_table(tmp_path, "tables/shortcut.csv", [few])
    line = lines_images.shortcut(facts(tmp_path))
    assert line.state == "grey" and "224 images and 40 films" in line.reason
    write_table(tmp_path, "tables/shortcut.csv", [row, {**row, "multiplier": 5, "note": "source tells the label"}])
    line = lines_images.shortcut(facts(tmp_path))
    assert line.state == "amber" and line.reason.startswith("1 of 2 training sets") and "source tells" in line.reason
