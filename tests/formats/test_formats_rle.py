"""Run-length masks: hand-drawn goldens of both codings, round trips, and what broken texts get."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scripts.lib.core.errors import InputError
from scripts.lib.formats import rle
from scripts.lib.formats.record import Notes, Rejected

# One mask, two codings. 4 rows, 5 columns:
#   . X . . .      column by column: 0..3 | 4..7 | 8..11 | 12..15 | 16..19
#   . X X . .      set: column 1 rows 0, 1 -> 4, 5; column 2 rows 1, 2 -> 9, 10; column 4 row 3 -> 19
#   . . X . .      runs (4, 2), (9, 2), (19, 1); gaps 4, 9 - 6 = 3, 19 - 11 = 8
#   . . . . X      row by row from 1: 2; 7, 8; 13; 20 -> (2, 1), (7, 2), (13, 1), (20, 1)
MASK = np.array([[0, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 1]], dtype=bool)
RELATIVE = "4 2 3 2 8 1"
ABSOLUTE = "2 1 7 2 13 1 20 1"


def test_relative_golden() -> None:
    assert np.array_equal(rle.decode_relative(RELATIVE, (4, 5)), MASK)
    assert rle.encode_relative(MASK) == RELATIVE


def test_relative_from_one_golden() -> None:
    assert np.array_equal(rle.decode_relative("5 2 3 2 8 1", (4, 5), base=1), MASK)
    assert rle.encode_relative(MASK, base=1) == "5 2 3 2 8 1"


def test_absolute_golden() -> None:
    assert np.array_equal(rle.decode_absolute(ABSOLUTE, (4, 5)), MASK)
    assert rle.encode_absolute(MASK) == ABSOLUTE


def test_the_two_codings_are_not_interchangeable() -> None:
    assert not np.array_equal(rle.decode_absolute(RELATIVE, (4, 5)), MASK)
    with pytest.raises(Rejected):
        rle.decode_relative(ABSOLUTE, (4, 5))


def test_runs_may_reach_the_last_pixel_and_span_columns() -> None:
    assert rle.decode_relative("0 20", (4, 5)).all()
    assert rle.decode_absolute("1 20", (4, 5)).all()
    # 3 pixels from index 3: column 0 row 3, column 1 rows 0 and 1
    expected = np.zeros((4, 5), dtype=bool)
    expected[3, 0] = expected[0, 1] = expected[1, 1] = True
    assert np.array_equal(rle.decode_relative("3 3", (4, 5)), expected)


BROKEN = {
    "odd count": "4 2 3",
    "not a number": "4 two",
    "a fraction": "4 2.5",
    "start beyond the image": "20 1",
    "run past the end": "18 3",
    "negative length": "4 -2",
    "negative gap": "4 2 -3 2",
    "a number beyond 64 bits": "4 99999999999999999999999",
    "a run without a pixel": "4 2 3 0",
    "only a run without a pixel": "0 0",
    "a word that int() would take": "4 1_0",
    "digits of another script": "4 \u0662",
    "a sum beyond 64 bits": f"{2**62} 1 {2**62} 1 {2**62} 1",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_relative_texts_are_rejected(name: str) -> None:
    with pytest.raises(Rejected, match="run lengths"):
        rle.decode_relative(BROKEN[name], (4, 5))


# Absolute starts count from 1: pixel 20 is the last one of 4 x 5.
ABSOLUTE_BROKEN = [
    "4 0",
    "1 2 4 0 7 1",
    "1_0 2",
    "4 2 3",
    "4 two",
    "4 2.5",
    "21 1",
    "20 2",
    "0 3",
    "4 -2",
    "-4 2",
    f"{2**63} 1",
]


@pytest.mark.parametrize("text", ABSOLUTE_BROKEN)
def test_broken_absolute_texts_are_rejected(text: str) -> None:
    with pytest.raises(Rejected, match="run lengths"):
        rle.decode_absolute(text, (4, 5))


def test_runs_that_overlap_or_are_out_of_order_are_drawn_and_noted() -> None:
    notes = Notes()
    assert np.array_equal(rle.decode_absolute("13 1 2 1 7 2 20 1", (4, 5), notes), MASK) and notes == {rle.UNSORTED: 1}
    # (7, 2) covers pixels 7 and 8, (8, 1) pixel 8 again; (13, 1) touches nothing
    notes = Notes()
    rle.decode_absolute("2 1 7 2 8 1 13 1", (4, 5), notes)
    assert notes == {rle.OVERLAPPING: 1}
    notes = Notes()
    rle.decode_absolute(ABSOLUTE, (4, 5), notes)
    assert np.array_equal(rle.unite([MASK, ~MASK], notes), np.ones((4, 5), bool)) and not notes
    rle.unite([MASK, MASK], notes)
    assert notes == {rle.UNITED: 1}


def test_a_start_before_the_image_is_rejected() -> None:
    with pytest.raises(Rejected, match="before the image"):
        rle.decode_relative("0 3", (4, 5), base=1)


@pytest.mark.parametrize("text", [" -1", "-1", "-1.0", "nan", "NaN", "", "  "])
def test_every_way_to_say_no_mask(text: str) -> None:
    assert rle.is_empty(text)
    assert rle.filled_runs([text], "here") == ()


def test_several_rows_are_kept_and_repeats_dropped() -> None:
    assert rle.filled_runs(["1 2", " 1 2", "9 1"], "here") == ("1 2", "9 1")


def test_no_mask_beside_a_mask_is_an_error() -> None:
    with pytest.raises(InputError, match=r"table\.csv row 3"):
        rle.filled_runs([" -1", "1 2"], "table.csv row 3")


masks = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@settings(max_examples=150, deadline=None)
@given(mask=masks, base=st.sampled_from([0, 1]))
def test_round_trip(mask: np.ndarray, base: int) -> None:
    absolute = rle.encode_absolute(mask)
    assert np.array_equal(rle.decode_absolute(absolute, mask.shape), mask)
    text = rle.encode_relative(mask, base)
    assert rle.is_empty(text) == (not mask.any())
    if mask.any():
        assert np.array_equal(rle.decode_relative(text, mask.shape, base), mask)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="0123456789 -+.e\tx", max_size=30))
@example("0 --0")
@example("0 99999999999999999999")
def test_any_text_gives_a_mask_or_a_rejection(text: str) -> None:
    for decode in (rle.decode_relative, rle.decode_absolute):
        try:
            assert decode(text, (5, 4)).shape == (5, 4)
        except Rejected:
            continue
