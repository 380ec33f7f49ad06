"""The rule by which near-copies fail a pool, pass it, or leave it undecided: by hand, and how often it is wrong."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from scripts.lib.fidelity.memorisation import FAILS, HELDOUT, PASSES, UNDECIDED, CopyGate, exact_interval, judge, table


def floor_of(likeness: np.ndarray, found: int = 20) -> pd.DataFrame:
    rows = pd.DataFrame(
        {"kind": HELDOUT, "patient_id": [f"p{n}" for n in range(len(likeness))], "similarity": likeness}
    )
    copies = np.where(np.arange(20) < found, 0.99, 0.1)
    return pd.concat([rows, pd.DataFrame({"kind": "exact", "patient_id": "c", "similarity": copies})])


def test_the_rule_of_the_verdict() -> None:
    likeness = np.random.default_rng(0).uniform(0.3, 0.8, 400)
    gate = CopyGate.of(floor_of(likeness), 99)
    assert 0.78 < gate.threshold < 0.8 and len(gate.heldout) == 200 and gate.films == 400
    fresh = np.random.default_rng(1).uniform(0.3, 0.8, 300)
    assert judge(fresh, gate, 0.01).word == PASSES
    assert judge(np.concatenate([fresh, np.full(30, 0.9)]), gate, 0.01).word == FAILS
    assert judge(fresh[:50], gate, 0.01).word == UNDECIDED
    assert (
        judge(fresh, CopyGate.of(floor_of(likeness, found=17), 99), 0.01).why
        == "planted copies are not found: exact 17 of 20"
    )
    assert judge(fresh, CopyGate.of(floor_of(likeness[:0]), 99), 0.01).word == UNDECIDED
    alone = table(
        fresh, CopyGate.of(floor_of(likeness[:0]), 99), 0.01, {"dataset": "toy", "arm": "mine", "fraction": "1"}
    )
    assert list(alone["measure"]) == ["near_copies", "same_film", "likeness"] and set(alone["verdict"]) == {UNDECIDED}
    assert alone["note"][0].startswith("no threshold; 0 held-out films") and np.isnan(alone["floor"][0])
    # Images of one grey value resemble nothing, so they prove nothing.
    grey = judge(np.zeros(300), gate, 0.01)
    assert (grey.word, grey.why) == (
        UNDECIDED, "400 held-out films and 0 images: nothing to compare; 300 of 300 images have one grey value and say nothing",
    )  # fmt: skip
    assert judge(np.concatenate([fresh[:99], np.zeros(300)]), gate, 0.01).why.startswith(
        "99 images, fewer than 100; 300 of 399"
    )
    assert judge(np.concatenate([fresh, np.zeros(1)]), gate, 0.01).word == PASSES
    missed = floor_of(likeness, found=11)
    cropped = judge(fresh, CopyGate.of(missed.assign(kind=missed["kind"].replace("exact", "cropped")), 99), 0.01)
    assert (
        cropped.word == PASSES and cropped.why == "copies that somebody changed may be missed: planted cropped 11 of 20"
    )
    # 5 of 105 against 2 of 200 above the threshold: hypergeometric P of 5 or more of 7 among 105 of 305
    near = np.concatenate([np.full(100, 0.1), np.full(5, 0.95)])
    two = CopyGate(0.9, np.concatenate([np.full(198, 0.1), np.full(2, 0.95)]), 400, {"exact": (20, 20)})
    chance = sum(math.comb(7, k) * math.comb(298, 105 - k) for k in (5, 6, 7)) / math.comb(305, 105)
    assert judge(near, two, 0.01).p_value == pytest.approx(chance, rel=1e-9)


def test_the_test_keeps_its_level() -> None:
    """Of pools without any copy about one in a hundred may fail, no more."""
    stream = np.random.default_rng(7)
    failed = 0
    for _ in range(200):
        gate = CopyGate.of(floor_of(stream.normal(0.5, 0.1, 300)), 95)
        failed += judge(np.minimum(stream.normal(0.5, 0.1, 300), 0.95), gate, 0.05).word == FAILS
    # A one-sided Fisher test is conservative; 200 x 0.05 = 10, and 18 is two and a half standard deviations more.
    assert failed <= 18


def test_exact_interval_by_hand() -> None:
    # 0 of 100: 1 - 0.025^(1/100) = 0.0362
    assert exact_interval(0, 100) == (0, pytest.approx(0.0362, abs=1e-4))
    assert all(np.isnan(exact_interval(0, 0)))
