"""The coding of masks: distances, parts and their frames, and that masks come back from it."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.generators.masks.basis import check_round_trip, fit_basis, round_trip
from scripts.lib.generators.masks.coding import Part, make_code, signed_distance
from tests.conditions.test_mask_words import STRUCTURES, chest, moved


def test_the_distance_by_hand() -> None:
    # one row 0 1 1 0 0 0: the edge lies between pixels, half a pixel from their middles; reach 2 halves and cuts at 1
    line = signed_distance(np.array([[0, 1, 1, 0, 0, 0]], dtype=bool), 2.0)[0]
    assert line.tolist() == [-0.25, 0.25, 0.25, -0.25, -0.75, -1.0]
    assert (signed_distance(np.zeros((3, 3), bool), 2.0) == -1).all()
    assert (signed_distance(np.ones((3, 3), bool), 2.0) == 1).all()


def test_a_finding_of_both_sides_has_two_parts_seen_in_the_boxes_of_the_lungs() -> None:
    code = make_code(STRUCTURES, 32, 16, 4.0)
    assert code.parts[2:] == [
        Part("pleural_effusion", "right"),
        Part("pleural_effusion", "left"),
        Part("cardiomegaly", ""),
    ]
    both = np.stack([chest(right=True, left=True)])
    lungs, effusion = (code.layer(both, name)[0] for name in ("lungs", "pleural_effusion"))
    right, left = (code.cut(both, part)[0] for part in code.parts[2:4])
    # the patient's right is the image's left half
    assert right[:, :16].any() and not right[:, 16:].any() and left[:, 16:].any() and not left[:, :16].any()
    assert np.array_equal(right | left, effusion)
    across, down = np.flatnonzero(lungs.any(0)), np.flatnonzero(lungs.any(1))
    x0, x1, y0, y1 = across[0], across[-1] + 1, down[0], down[-1] + 1
    middle = (x0 + x1) / 2
    dx, dy = (middle - x0) / 4, (y1 - y0) / 4  # a quarter of the box beyond it
    assert code.frames(both, code.parts[2])[0].tolist() == pytest.approx([x0 - dx, y0 - dy, middle + dx, y1 + dy])
    assert code.frames(both, code.parts[0])[0].tolist() == [0, 0, 32, 32]
    assert code.asked(
        [{"pleural_effusion": "left"}, {"pleural_effusion": "both", "cardiomegaly": ""}, {}]
    ).tolist() == [
        [0, 0, 0, 1, 0],
        [0, 0, 1, 1, 1],
        [0, 0, 0, 0, 0],
    ]


def test_masks_come_back_from_the_coding_and_those_that_do_not_are_refused() -> None:
    fields = moved()
    code = make_code(STRUCTURES, 32, 32, 4.0)
    every = np.ones((len(fields), len(code.parts)), bool)
    basis = fit_basis(code, fields, every, 8)
    assert min(round_trip(basis, fields).values()) > 0.9
    numbers = basis.encode(fields)
    # what is there says 1, what is absent -1 with nothing else
    assert set(numbers[:, :, 0].unique().tolist()) == {-1.0, 1.0}
    assert numbers[numbers[:, :, 0] < 0][:, 1:].abs().max() == 0
    # each direction has a spread of 1 among the masks that show a part: by hand for the lungs, which all of them show
    used = basis.spreads[0] > 0
    assert numbers[:, 0, 1:][:, used].pow(2).mean(0).tolist() == pytest.approx([1.0] * int(used.sum()), abs=1e-3)
    # dots here and there are lost: no few directions describe them
    stream = np.random.default_rng(1)
    fields &= 0xFB
    fields |= ((stream.random(fields.shape) < 0.02) & (fields & 1 == 1)).astype(np.uint8) << np.uint8(2)
    with pytest.raises(InputError, match="pleural_effusion comes back from the coding with a Dice of 0.[0-7]"):
        check_round_trip(fit_basis(code, fields, every, 8), fields)
    with pytest.raises(InputError, match="9 structures"):
        make_code([str(k) for k in range(9)], 32, 16, 4.0)
    with pytest.raises(InputError, match="expected at most the 32 pixels"):
        make_code(STRUCTURES, 32, 64, 4.0)
