"""The benchmark of slow kernels times every part in every way to compute."""

from __future__ import annotations

import pytest

from benchmarks.kernels import IMAGES, PARTS, contexts, milliseconds


@pytest.mark.parametrize("part", ["attention", "norm"])
def test_each_way_to_compute_is_timed(part: str) -> None:
    told = milliseconds(part, turns=1)
    assert list(told) == list(contexts()) == ["fp32", "bf16", "bf16, ways round"]
    assert all(0 < value < 10_000 for value in told.values())


def test_every_part_says_how_many_images_a_step_has() -> None:
    assert list(PARTS) == list(IMAGES)
