"""Keeping the best of a scored pool: exact counts, the same films whatever the shards, and its view."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scripts.draw_kept import main as draw_main
from scripts.filter_pool import main as filter_main
from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.order import trial_rows
from scripts.lib.core.errors import InputError
from scripts.lib.downstream.data import films_of
from scripts.lib.filters.kept_view import open_kept
from scripts.lib.filters.proxy.extremes import pick_extremes
from scripts.lib.filters.proxy.keeping import keep_best, kept_count
from scripts.lib.filters.proxy.scores import KEPT, read_scores
from tests.helpers.proxy_models import PROXY, score_frame, write_pool


def test_counts() -> None:
    # The top (100 - percentile) %, rounded up: 10 % of 100 = 10, of 19 = 1.9 -> 2, of 10 = 1; of 9 less than one film.
    assert [kept_count(films, 90) for films in (100, 10, 19, 20, 9)] == [10, 1, 2, 2, 0]
    assert kept_count(1000, 99.9) == 1  # 100 - 99.9 in binary numbers is a little less than 0.1
    assert kept_count(3, 0) == 3


@pytest.mark.parametrize("films", [10, 11, 19, 20, 101, 775])
def test_counts_are_those_of_numpys_percentile(films: int) -> None:
    scores = np.random.default_rng(films).random(films)
    assert kept_count(films, 90) == np.count_nonzero(scores >= np.percentile(scores, 90))


def test_the_best_of_each_label_and_trial() -> None:
    # The pool of trial 0 shows e e n e n n e n (e = edema, n = normal); two of four are kept of each.
    sequence = ["edema", "edema", "normal", "edema", "normal", "normal", "edema", "normal"]
    trial = pd.DataFrame({"label": sequence, "position": range(8), "trial": 0, "sample": range(8)})
    trial["score"] = [0.1, 0.2, 0.9, 0.8, 0.1, 0.2, 0.7, 0.3]
    other = score_frame([0.5, 0.4, 0.3, 0.6], "edema", 1).assign(sample=range(8, 12))
    table = pd.concat([trial, other]).assign(condition_id=lambda rows: rows["label"], image_id="x")
    kept = keep_best(table.assign(score_edema=table["score"], score_normal=table["score"]), 50, "cosine")
    assert list(kept) == KEPT
    assert kept[["trial", "label", "source_position", "position"]].to_numpy().tolist() == [
        [0, "edema", 3, 0],  # labels e e n n, as the pool begins e e n (e) n; each in the pool's order
        [0, "edema", 6, 1],
        [0, "normal", 2, 2],
        [0, "normal", 7, 3],
        [1, "edema", 0, 0],
        [1, "edema", 3, 1],
    ]


def test_too_few_films_are_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="edema, trial -1: 9 films are too few.*percentile 90") as error:
        keep_best(score_frame([0.5] * 9), 90, "cosine")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="no film"):
        keep_best(score_frame([]), 90, "cosine")


scored = st.lists(
    st.tuples(st.sampled_from(["edema", "normal"]), st.sampled_from([-1, 0, 1]), st.sampled_from([0.1, 0.2, 0.3])),
    min_size=6,
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(scored, st.randoms(use_true_random=False))
def test_kept_films_depend_on_no_order(rows: list[tuple[str, int, float]], chance: object) -> None:
    table = pd.DataFrame(rows, columns=["label", "trial", "score"])
    table = table.assign(score_edema=table["score"], score_normal=table["score"], position=range(len(table)))
    table = table.assign(condition_id=table["label"], sample=range(len(table)))
    table["image_id"] = table["label"] + table["sample"].astype(str)
    table = table[table.groupby(["label", "trial"])["label"].transform("size") > 1]
    if table.empty:
        return
    kept = keep_best(table, 50, "cosine")
    order = list(range(len(table)))
    chance.shuffle(order)
    pd.testing.assert_frame_equal(keep_best(table.iloc[order], 50, "cosine"), kept)
    for (label, trial), group in table.groupby(["label", "trial"]):
        mine = kept[(kept["label"] == label) & (kept["trial"] == trial)]
        assert len(mine) == -(-len(group) // 2)  # exact, however many scores are equal
        left = group[~group["sample"].isin(mine["sample"])]
        assert left.empty or mine["score"].min() >= left["score"].max()
    for _, trial in kept.groupby("trial"):
        assert trial["position"].tolist() == list(range(len(trial)))
        begins = table[table["trial"] == trial["trial"].iloc[0]].sort_values("position")["label"].tolist()
        left = trial["label"].value_counts().to_dict()
        for label, wanted in zip(trial["label"], begins):
            if not left.get(wanted):
                break  # a label has run out
            assert label == wanted
            left[label] -= 1


def write_inputs(folder: Path, trials: tuple[int, ...] = (-1,)) -> tuple[list[str], list[str]]:
    """Write a pool in two shards with scores and a validation; return the scores' and the pool's paths."""
    scores, pool = [], []
    for name, first, count in (("a", 0, 30), ("b", 30, 30)):
        index = write_pool(folder / name, count, first, trials, side=16).index
        table = index[["image_id", "condition_id", "sample", "trial", "position"]].copy()
        table["label"] = index["condition_id"]
        for label in ("edema", "pneumonia", "normal"):
            table[f"score_{label}"] = np.sin(table["sample"] * 7.0)
        table["score"] = table["score_edema"]
        table.to_parquet(folder / f"scores-{name}.parquet", index=False)
        scores.append(str(folder / f"scores-{name}.parquet"))
        pool.append(str(folder / name))
    header = "label,dataset,split,ranked_by,films,positive,patients,auroc,ci_low,ci_high,usable,note\n"
    lines = [f"{label},toy,train,cosine,9,3,9,0.9,0.8,1.0,True,\n" for label in ("edema", "pneumonia", "normal")]
    (folder / "validation.csv").write_text(header + "".join(lines))
    return scores, pool


def run_filter(folder: Path, scores: list[str], pool: list[str], name: str, **changes: object) -> Path:
    filter_main(
        [
            *["--scores", *scores, "--validation", str(folder / "validation.csv"), "--pool", *pool, "--seed", "1"],
            *["--config", json.dumps({**PROXY, **changes}), "--out", str(folder / f"{name}.parquet")],
            *["--table", str(folder / f"{name}.csv")],
        ]
    )
    return folder / f"{name}.parquet"


def test_the_command_keeps_the_same_films_in_any_order_of_shards(tmp_path: Path) -> None:
    scores, pool = write_inputs(tmp_path)
    one = pd.read_parquet(run_filter(tmp_path, scores, pool, "one"))
    two = pd.read_parquet(run_filter(tmp_path, scores[::-1], pool[::-1], "two"))
    pd.testing.assert_frame_equal(one, two)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert len(one) == 6  # 10 % of 20 films of each of three labels
    table = pd.read_csv(tmp_path / "one.csv")
    whole = table[(table["prefix"] == 1.0) & (table["label"] == "edema")].iloc[0]
    assert (whole["films"], whole["kept"], whole["compared"]) == (20, 2, 2)
    assert whole["score_kept"] > whole["score"]
    assert 1 <= whole["vendi_kept"] <= 2
    half = table[(table["prefix"] == 0.5) & (table["label"] == "edema")].iloc[0]
    assert (half["films"], half["kept"]) == (10, 1)
    assert np.isnan(half["vendi"])


def test_a_kept_pool_is_read_as_a_pool(tmp_path: Path) -> None:
    scores, pool = write_inputs(tmp_path, trials=(0, 1))
    kept = run_filter(tmp_path, scores, pool, "kept", percentile=50)
    whole, view = Cohort.open(pool), open_kept([Path(folder) for folder in pool], kept)
    table = pd.read_parquet(kept)
    assert view.index["image_id"].tolist() == table["image_id"].tolist()
    for trial in (0, 1):
        count = int((table["trial"] == trial).sum())
        rows = trial_rows(view.index, trial, count)
        assert view.index["position"].iloc[rows].tolist() == list(range(count))
        films = films_of(view, rows, "classification", "edema")
        names = view.index["image_id"].iloc[rows].tolist()
        places = [whole.index["image_id"].tolist().index(name) for name in names]
        np.testing.assert_array_equal(films.images(np.arange(count)), whole.images(places))
        assert films.labels[:, 0].tolist() == [float(name.startswith("edema")) for name in names]
        with pytest.raises(InputError, match=f"{count} synthetic images, but"):
            trial_rows(view.index, trial, count + 1)
    table.loc[0, "sample"] = 999
    table.to_parquet(kept)
    with pytest.raises(InputError, match="is not in"):
        open_kept([Path(folder) for folder in pool], kept)


def test_a_selection_of_a_selection(tmp_path: Path) -> None:
    pool = Cohort.open([write_pool(tmp_path / name, 4, first).folders[0] for name, first in (("a", 0), ("b", 4))])
    chosen = pool.select([6, 1, 3], position=[0, 1, 2]).select([2, 0])
    assert chosen.index["sample"].tolist() == [3, 6]
    assert chosen.index["position"].tolist() == [2, 0]
    assert pool.index["position"].tolist() == list(range(8))
    np.testing.assert_array_equal(chosen.images([0, 1]), pool.images([3, 6]))
    np.testing.assert_array_equal(chosen.images(slice(1, None)), pool.images([6]))
    assert len(chosen) == 2
    assert not chosen.has_masks


def test_scores_that_do_not_fit_the_pool_are_refused(tmp_path: Path) -> None:
    scores, pool = ([Path(path) for path in paths] for paths in write_inputs(tmp_path))
    with pytest.raises(InputError, match="1 tables of scores for 2 shards"):
        read_scores(scores[:1], pool)
    with pytest.raises(InputError, match="30 scores of other films than the 30 of"):
        read_scores(scores[::-1], pool)
    with pytest.raises(InputError, match="occurs twice"):
        read_scores(scores[:1] * 2, pool[:1] * 2)
    table = pd.read_parquet(scores[0])
    table.loc[3, "score_normal"] = np.nan
    table.to_parquet(scores[0])
    with pytest.raises(InputError, match="edema-3 is missing"):
        read_scores(scores, pool)


def test_ties_at_the_border_go_by_identity() -> None:
    """Twenty films with three scores: of the 10 at 0.5 five are kept beside the 5 at 0.9, those that sort first."""
    table = score_frame([0.5] * 10 + [0.9] * 5 + [0.1] * 5).assign(
        condition_id=[f"{19 - row:02d}" for row in range(20)]
    )
    kept = keep_best(table, 50, "cosine")
    assert kept["source_position"].tolist() == [*range(5, 10), *range(10, 15)]


def test_subgroups_are_counted_where_the_pool_has_them(tmp_path: Path) -> None:
    scores, pool = write_inputs(tmp_path)
    for folder in pool:
        index = pd.read_parquet(Path(folder) / "index.parquet")
        index["sex"] = ["F", "M"] * (len(index) // 2)
        index.to_parquet(Path(folder) / "index.parquet", index=False)
    run_filter(tmp_path, scores, pool, "kept", percentile=50)
    table = pd.read_csv(tmp_path / "kept.csv")
    whole = table[(table["prefix"] == 1.0) & (table["label"] == "edema")].set_index("subgroup")
    assert set(whole.index) == {"all", "sex F", "sex M"}
    assert whole.loc["sex F", "films"] + whole.loc["sex M", "films"] == whole.loc["all", "films"] == 20
    assert whole.loc["sex F", "kept"] + whole.loc["sex M", "kept"] == whole.loc["all", "kept"] == 10


def test_extremes_show_no_film_twice() -> None:
    rows, groups = pick_extremes(score_frame([0.1, 0.3, 0.2]), {("edema", 1)}, 2)
    assert rows.tolist() == [1, 2, 0]
    assert groups == [("edema: highest scores", ["+0.300 · kept", "+0.200"]), ("edema: lowest scores", ["+0.100"])]


def test_the_sheet(tmp_path: Path) -> None:
    scores, pool = write_inputs(tmp_path)
    kept = run_filter(tmp_path, scores, pool, "kept")
    sheets = [tmp_path / "a.png", tmp_path / "b.png"]
    for sheet in sheets:
        draw_main(["--scores", *scores, "--pool", *pool, "--kept", str(kept), "--out", str(sheet)])
    assert sheets[0].read_bytes() == sheets[1].read_bytes()
    with Image.open(sheets[0]) as picture:
        assert picture.width > 1000
