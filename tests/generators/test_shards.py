"""Shards of a pool: which rows each has, and the parts that a killed one goes on from."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.generators.shards import Parts, shard_rows


def test_parts_of_other_settings_are_not_used(tmp_path):
    Parts(tmp_path, "old").save(0, np.zeros((2, 4, 4), np.uint8))
    parts = Parts(tmp_path, "new")
    assert parts.load(0, 2) is None and not (tmp_path / "old").exists()
    parts.save(0, np.ones((2, 4, 4), np.uint8))
    assert parts.load(0, 3) is None and parts.load(0, 2).all()


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"no array", b"cut"])
def test_a_damaged_part_is_named_and_made_anew(tmp_path, capsys, content):
    parts = Parts(tmp_path, "same")
    parts.save(0, np.ones((2, 4, 4), np.uint8))
    (path,) = parts.folder.glob("*.npy")
    path.write_bytes(path.read_bytes()[:-5] if content == b"cut" else content)
    assert parts.load(0, 2) is None
    assert f"{path}: not readable" in capsys.readouterr().err


def test_shards_are_contiguous_and_even():
    assert [len(shard_rows(10, number, 3)) for number in range(3)] == [4, 3, 3]
    assert np.concatenate([shard_rows(10, number, 3) for number in range(3)]).tolist() == list(range(10))
    with pytest.raises(InputError, match="--shard 3 of --shards 3"):
        shard_rows(10, 3, 3)
