"""Growth that would stop a large study: rows that a shard keeps, what one write adds. Counted, never timed."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks import scale_steps
from benchmarks.scale import study_of
from scripts.lib.cohort.store import Cohort
from scripts.lib.diffusion.pool import Conditions, open_conditions, shard_rows


@pytest.mark.parametrize("shards", [1, 3, 50])
def test_a_shard_keeps_its_own_rows_alone(tmp_path, shards, monkeypatch):
    monkeypatch.setattr("scripts.lib.diffusion.pool.READ_ROWS", 7)
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
