"""Masks of a pool against real masks: a pool that is real has the floor, and each fault is found by its own measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts.lib.cohort.learned import COLUMNS as LEARNED
from scripts.lib.conditions.mask_shape import limits_of
from scripts.lib.core.errors import InputError
from scripts.lib.fidelity.mask_copies import flat_layers, highest_overlaps, overlap_diversity, overlaps
from scripts.lib.fidelity.mask_measures import COLUMNS, FIRST, MaskSet, held_out, measure_masks, phi_matrix
from scripts.lib.fidelity.mask_tests import energy_distance, two_sample
from scripts.lib.plotting.masks import draw_masks
from tests.conditions.test_mask_words import STRUCTURES, chest, cohort

COUNT = 160


def real_fields(seed: int, count: int = COUNT, together: bool = True) -> np.ndarray:
    """Chests moved by a few pixels; a large heart goes with fluid on the right, or by chance where not `together`."""
    stream = np.random.default_rng(seed)
    fields = []
    for _ in range(count):
        right, left, other = stream.random(3) < 0.5
        field = chest(bool(right), bool(left), bool(right if together else other))
        field[22 : 22 + stream.integers(0, 4), 3:13] &= 0xFB  # fluid of many heights
        fields.append(np.roll(field, stream.integers(-2, 3, 2), (0, 1)))
    return np.stack(fields)


def masks(fields: np.ndarray) -> MaskSet:
    names = np.array([f"p{k}" for k in range(len(fields))])
    made = MaskSet(fields, [], names, STRUCTURES)
    made.asks = made.shown
    return made


def table(pool: MaskSet, real: np.ndarray, learned: np.ndarray) -> pd.DataFrame:
    first = pd.DataFrame("", index=range(len(pool.fields)), columns=list(FIRST))
    first.loc[:1, "first_missed"] = "left pleural effusion"
    first.loc[:2, "first_faults"] = "no lungs"
    found = measure_masks(pool, masks(real), learned, limits_of(learned, STRUCTURES), first, 1, 6)
    assert tuple(found.columns) == COLUMNS
    return found.set_index(["measure", "of"])


def test_real_masks_have_the_floor_and_each_fault_its_measure(tmp_path: Path) -> None:
    real, learned = real_fields(1), real_fields(2)
    alike = table(masks(real_fields(3)), real, learned)
    assert alike.loc[("shown_if_asked", "all"), "value"] == 1 and alike.loc[("side_agreement", "all"), "value"] == 1
    count = len(real_fields(3))
    assert alike.loc[("all_shown", "all"), "value"] == 1
    assert alike.loc[("all_shown", "first try"), "value"] == pytest.approx(1 - 2 / count)  # as `table` writes it
    assert alike.loc[("validity", "first try"), "value"] == pytest.approx(1 - 3 / count)
    effusion = "pleural_effusion"
    for key in (("co_occurrence", "all"), ("position", effusion), ("inside", effusion), ("two_sample_auroc", "all")):
        assert abs(alike.loc[key, "value"] - alike.loc[key, "floor"]) < 0.12
    assert alike.loc[("copies", "all"), "value"] < 0.1
    apart = masks(real_fields(3, together=False))
    assert table(apart, real, learned).loc[("co_occurrence", "all"), "value"] > 0.6
    moved = masks(np.where(real_fields(3) & 4, 0, real_fields(3)) | np.roll(real_fields(3) & 4, -12, 1))
    moved_table = table(moved, real, learned)
    assert moved_table.loc[("position", "pleural_effusion"), "value"] > 0.1
    # moved upwards they still lie in their lung, moved to the side by 6 of its 10 pixels they do not
    assert moved_table.loc[("inside", effusion), "value"] < 0.1
    between = masks((real_fields(3) & 0xFB) | np.roll(real_fields(3) & 4, -6, 2))
    assert table(between, real, learned).loc[("inside", effusion), "value"] > 0.5
    assert moved_table.loc[("validity", "all"), "value"] < 0.6 < moved_table.loc[("validity", "all"), "floor"]
    assert moved_table.loc[("two_sample_auroc", "all"), "value"] > 0.9
    draw_masks(tmp_path / "sheet.png", moved, masks(real))
    assert (tmp_path / "sheet.png").read_bytes()[:4] == b"\x89PNG"


def test_wrong_answers_are_counted_one_by_one() -> None:
    pool = masks(np.stack([chest(right=True), chest(left=True), chest(), chest(large=True)] * 20))
    # asked for: right, right, left, nothing -> shown in 2 of 3, on the asked side in 1 of 2; large hearts in 1 of 4 unasked
    pool.asks = [{"pleural_effusion": "right"}, {"pleural_effusion": "right"}, {"pleural_effusion": "left"}, {}] * 20
    found = table(pool, real_fields(1), real_fields(2))
    assert found.loc[("shown_if_asked", "pleural_effusion"), "value"] == pytest.approx(2 / 3)
    assert found.loc[("side_agreement", "pleural_effusion"), "value"] == 0.5
    assert found.loc[("shown_if_not_asked", "cardiomegaly"), "value"] == 0.25
    assert found.loc[("shown_if_asked", "cardiomegaly"), "note"] == "no such mask in the pool"
    # Wilson's interval of 40 of 60 at 95 %: 0.5406 to 0.7727
    assert found.loc[("shown_if_asked", "pleural_effusion"), ["low", "high"]].tolist() == pytest.approx(
        [0.5406, 0.7727], abs=1e-3
    )


def test_a_speck_is_not_shown() -> None:
    field = chest()
    field[10, 5] |= 4
    asks = [{"pleural_effusion": "right"}]
    names = np.array(["p"])
    assert MaskSet(np.stack([field]), asks, names, STRUCTURES).shown == [{"pleural_effusion": "right"}]
    # half of what a film of real fluid shows, 60 of 1,024 pixels
    assert MaskSet(np.stack([field]), asks, names, STRUCTURES, {"pleural_effusion": 30 / 1024}).shown == [{}]


def test_copies_are_found_mirrored_too() -> None:
    one, two = chest(right=True), chest(left=True)
    assert np.array_equal(highest_overlaps(np.stack([one, two[:, ::-1]]), np.stack([one, two]), 4), [1, 1])
    # 2 of 3 pixels in common
    assert overlaps(np.array([[1, 1, 0]], np.float32), np.array([[1, 1, 1], [0, 0, 0]], np.float32)).tolist() == [
        [pytest.approx(2 / 3), 0]
    ]
    assert flat_layers(np.stack([one]), 4).sum() == sum(((one >> bit) & 1).sum() for bit in range(4))
    assert overlap_diversity(np.stack([one] * 5), 4) == pytest.approx(1)
    learned = real_fields(2)
    # Unseen masks that lie elsewhere, so that none of them is equal to a learned one by chance.
    copied = table(masks(learned), np.roll(real_fields(1), 5, 2), learned)
    assert copied.loc[("copies", "all"), "value"] > 0.8


def test_phi_and_energy_by_hand() -> None:
    # both or neither in four of four: 1; opposite: -1; a finding that is always there: 0
    present = np.array([[1, 1, 0, 1], [0, 0, 1, 1], [1, 1, 0, 1], [0, 0, 1, 1]], dtype=bool)
    assert phi_matrix(present)[0].tolist() == pytest.approx([1, 1, -1, 0])
    # points 0 and 1 against 2 and 3: 2 (2 + 3 + 1 + 2) / 4 - 1 - 1
    assert energy_distance(np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])) == pytest.approx(2.0)
    assert np.isnan(energy_distance(np.zeros((1, 2)), np.zeros((5, 2))))
    stream = np.random.default_rng(1)
    assert 0.35 < two_sample(stream.normal(size=(80, 3)), stream.normal(size=(80, 3))) < 0.65
    assert two_sample(stream.normal(3, 1, (80, 3)), stream.normal(size=(80, 3))) > 0.95


def test_held_out_patients_taught_nothing(tmp_path: Path) -> None:
    films = cohort(tmp_path / "c")
    learned = pd.DataFrame([["d", f"f{k}", f"p{k}", "", "masks"] for k in range(30)], columns=list(LEARNED))
    taught, unseen = held_out(films, learned)
    assert taught.tolist() == list(range(30)) and unseen.tolist() == list(range(30, 40))
    with pytest.raises(InputError, match="learned from all patients"):
        held_out(films, pd.concat([learned, learned.assign(patient_id=[f"p{k + 10}" for k in range(30)])]))
