"""Which of several draws of a mask counts."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from scripts.lib.conditions.mask_shape import NO_LUNGS
from scripts.lib.generators.masks.sampling import MaskRequest, MaskSampler
from scripts.lib.training.settings import Section
from tests.conditions.test_mask_words import STRUCTURES, chest


def test_a_mask_is_drawn_again_until_it_shows_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = MaskSampler.__new__(MaskSampler)  # no network: what it would draw is given
    sampler.made = SimpleNamespace(code=SimpleNamespace(structures=STRUCTURES))  # type: ignore[assignment]
    sampler.notes = {"limits": {}, "least": {"pleural_effusion": 0.0}}
    sampler.settings = Section({"tries": 3}, "masks.sampling")
    empty = np.zeros_like(chest(left=True))
    draws = {
        "at once": [chest(left=True)],
        "second": [chest(right=True), chest(left=True)],  # on the wrong side first
        "never": [chest(right=True), chest(), chest(right=True)],  # all miss it: the first counts
        "no lungs": [empty, chest(right=True), empty],  # valid before invalid, whatever it misses
    }
    asked: dict[str, int] = dict.fromkeys(draws, 0)

    def fields(requests: list[MaskRequest]) -> np.ndarray:
        drawn = [draws[one.condition_id][asked[one.condition_id]] for one in requests]
        for one in requests:
            asked[one.condition_id] += 1
        return np.stack(drawn)

    monkeypatch.setattr(sampler, "_fields", fields)
    made = dict(zip(draws, sampler.masks([MaskRequest(name, 0, {"pleural_effusion": "left"}) for name in draws])))
    words = ("left pleural effusion",)
    assert {name: (mask.tries, mask.missed, mask.first_missed) for name, mask in made.items()} == {
        "at once": (1, (), ()),
        "second": (2, (), words),
        "never": (3, words, words),
        "no lungs": (3, words, words),
    }
    assert np.array_equal(made["never"].field, chest(right=True)) and made["no lungs"].faults == ()
    assert made["no lungs"].first_faults == (NO_LUNGS,)
