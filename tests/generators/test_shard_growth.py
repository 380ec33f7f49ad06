"""Growth that would stop a large study: rows that a shard keeps, what one write adds. Counted, never timed."""

from __future__ import annotations

import gc
import shutil
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from benchmarks import scale_steps
from benchmarks.scale import ROOT, study_of
from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.order import trial_rows
from scripts.lib.downstream.data import films_of, open_pool
from scripts.lib.downstream.scoring import numbered
from scripts.lib.filters.proxy.scores import KEPT, READ
from scripts.lib.generators.shards import Conditions, open_conditions, shard_rows
from scripts.lib.plotting.sheet import group_names, leading_films, pick_films
from tests.helpers.forked_snakemake import snakemake


@pytest.mark.parametrize("shards", [1, 3, 50])
def test_a_shard_keeps_its_own_rows_alone(tmp_path, shards, monkeypatch):
    monkeypatch.setattr("scripts.lib.generators.shards.READ_ROWS", 7)
    cohort = Cohort.open(scale_steps.write_cohort(tmp_path / "cohort"))
    table = scale_steps.conditions(40)
    table.to_parquet(tmp_path / "conditions.parquet", index=False)
    whole, names = Conditions(table, cohort), []
    for shard in range(shards):
        part, rows = open_conditions(tmp_path / "conditions.parquet", cohort, shard, shards)
        assert len(part) == len(rows) == len(shard_rows(40, shard, shards))
        assert list(part.table.columns) == list(table.columns)
        names += [part.request(int(row)).name for row in rows]
    assert names == [whole.request(row).name for row in range(40)]


def test_the_columns_of_a_shard_have_the_types_of_the_table(tmp_path):
    cohort = Cohort.open(scale_steps.write_cohort(tmp_path / "cohort"))
    scale_steps.conditions(9).to_parquet(tmp_path / "conditions.parquet", index=False)
    part, _ = open_conditions(tmp_path / "conditions.parquet", cohort, 1, 2)
    expected = pd.read_parquet(tmp_path / "conditions.parquet").iloc[5:].reset_index(drop=True)
    pd.testing.assert_frame_equal(part.table, expected)


def test_a_generated_study_has_as_many_jobs_as_asked_for():
    study = study_of(10000, 1)
    jobs = len(study["study"]["datasets"]) * (2 * 60 + 1) * 3
    assert 9000 <= jobs <= 10000 and study["study"]["trials"] == 60


def held_by(work, folder) -> int:
    """Return the bytes that the result of `work` holds, those of Arrow among them; a first call's caches are not counted."""
    work(folder)
    gc.collect()
    before = pa.default_memory_pool().bytes_allocated()
    tracemalloc.start()
    result = work(folder)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] + pa.default_memory_pool().bytes_allocated() - before
    tracemalloc.stop()
    assert len(result)
    return held


@pytest.fixture(scope="module")
def pools(tmp_path_factory):
    """Pools of 500 and of 4,000 images in two shards, each with a table of what a filter kept: the same 50 films."""
    roots = {}
    for count in (500, 4000):
        root = roots[count] = tmp_path_factory.mktemp(f"pool-{count}")
        scale_steps.write_pool(root, count, shard=count // 2)
        index = Cohort.open(scale_steps.shards_of(root)[:1]).index.iloc[:50]
        kept = index[["image_id", "condition_id", "sample", "trial", "position"]].assign(label="edema", score=0.5)
        kept.assign(source_position=kept["position"])[KEPT].to_parquet(root / "kept.parquet", index=False)
    return roots


def test_what_a_trial_holds_of_a_filtered_pool_grows_with_what_was_kept(pools):
    def kept_films(root):
        return open_pool(scale_steps.shards_of(root), root / "kept.parquet", 0, ["edema"])

    assert all(len(kept_films(root).index) == 50 for root in pools.values())
    small, large = (held_by(kept_films, root) for root in pools.values())
    assert large - small < 3500  # less than a byte a film
    whole = [held_by(lambda root: open_pool(scale_steps.shards_of(root), None, 0, []), root) for root in pools.values()]
    # Two short hashes, the trial, the position and the place of each film are 8 bytes each.
    assert 30 * 3500 < whole[1] - whole[0] < 50 * 3500


def test_a_trial_reads_no_row_of_another_trial(pools, tmp_path):
    shards = [tmp_path / f"shard-{number}" for number in range(2)]
    for number, shard in enumerate(shards):
        shutil.copytree(pools[500] / f"shard-{number}", shard)
        index = pd.read_parquet(shard / "index.parquet")
        index["trial"] = np.resize([0, 1, 1, 2, -1], len(index))
        index.to_parquet(shard / "index.parquet", index=False)
        images = np.lib.format.open_memmap(shard / "images.npy", mode="r+")
        images[:, 0, 0] = np.arange(len(images)) + number
    whole, own = Cohort.open(shards), open_pool(shards, None, 1, ["edema"])
    assert set(own.index["trial"]) == {1} and len(own) == 200
    assert list(own.index.columns) == ["trial", "position", "sha256", "mask_sha256", "edema"]
    there, here = trial_rows(whole.index, 1, 150), trial_rows(own.index, 1, 150)
    assert (own.images(here) == whole.images(there)).all() and len(np.unique(own.images(here)[:, 0, 0])) > 50
    for task, target in (("segmentation", "heart"), ("multilabel", ["edema"])):
        digests = [films_of(pool, rows, task, target).digest() for pool, rows in ((whole, there), (own, here))]
        assert digests[0] == digests[1]


def test_a_filter_holds_a_few_columns(pools):
    shards = scale_steps.shards_of(pools[4000])
    whole, part = Cohort.open(shards).index, Cohort.open(shards, READ).index
    assert part.memory_usage(deep=True).sum() < 0.4 * whole.memory_usage(deep=True).sum()
    assert "sha256" not in part and "mask_sha256" not in part


@pytest.mark.parametrize("most", [1, 5, 64])
def test_a_sheet_chooses_from_few_films_what_it_would_choose_from_all(pools, tmp_path, most):
    """Of 500 films in two shards, 82 or 84 of each of six groups, mixed in the order of trials and positions."""
    shards = [tmp_path / f"shard-{number}" for number in range(2)]
    for number, shard in enumerate(shards):
        shutil.copytree(pools[500] / f"shard-{number}", shard)
        index = pd.read_parquet(shard / "index.parquet")
        index["report"] = pd.array(np.resize([f"word {group}" for group in range(6)], len(index)), dtype="string")
        index["trial"] = np.resize([1, 0, 2, 0], len(index))
        index["position"] = index["position"].to_numpy()[::-1]
        index.to_parquet(shard / "index.parquet", index=False)
    whole = Cohort.open(shards)
    leading = leading_films(shards, whole.labels, most)
    few = Cohort.open(shards, choose=dict(zip(shards, leading)).__getitem__)
    assert few.stored == len(whole) == 500 and len(few) == 6 * most
    chosen = [
        [
            (heading, pool.index["image_id"].iloc[rows].tolist())
            for heading, rows in pick_films(pool.index, 6 * most, most)
        ]
        for pool in (whole, few)
    ]
    assert chosen[0] == chosen[1] and len(chosen[0]) == 6


def test_films_of_a_group_share_its_name(pools):
    names = group_names(Cohort.open(scale_steps.shards_of(pools[500])).index)
    assert len({id(name) for name in names}) == len(set(names)) == 1


def test_a_command_that_scores_is_as_long_for_many_trials_as_for_few(tmp_path):
    patterns = [tmp_path / "real" / "trial-{}.parquet", tmp_path / "{}" / "b.csv"]
    assert numbered(patterns, 2) == [
        *(tmp_path / "real" / "trial-0.parquet", tmp_path / "real" / "trial-1.parquet"),
        *(tmp_path / "0" / "b.csv", tmp_path / "1" / "b.csv"),
    ]
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump(study_of(12, 1)))
    words = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path), "--configfile", str(study)]
    words += ["--dry-run", "--printshellcmds", "--cores", "1", "results/d0/trials.csv"]
    shown = snakemake(words, ROOT)
    assert shown.returncode == 0, shown.stderr
    line = next(line for line in (shown.stdout + shown.stderr).splitlines() if "scripts.score_trials" in line)
    assert "'results/d0/trials/real/fraction-0.1/trial-{}.parquet'" in line and "trial-0.parquet" not in line
