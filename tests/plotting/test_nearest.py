"""The pictures of nearest pairs and of judged images: no caption reaches into the next one, headings fit, bad ones are framed."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.lib.plotting.judged import draw_judged
from scripts.lib.plotting.nearest import COPY, LINE, draw_nearest
from scripts.lib.plotting.sheet import EDGE, GAP, HEADING, PAPER


def test_captions_stay_below_their_pair_and_copies_are_framed() -> None:
    films = np.zeros((4, 64, 64), np.uint8)
    captions = [
        ("0.990, near-copy", "a name that is much longer than the pair is wide " * 2, place == 0) for place in range(4)
    ]
    picture = np.asarray(draw_nearest(films, films, captions, "rsna", "what is shown"))
    red = (picture == COPY).all(axis=2)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    assert (
        columns.min() == EDGE - 2 and rows.min() == EDGE + 2 * HEADING - 2
    )  # the frame of the first pair, none further right
    pair = columns.max() - EDGE + 1
    assert columns.max() < EDGE + pair + EDGE
    # Between the first two pairs nothing but paper lies at the height of the captions.
    gap = picture[rows.max() + 2 : rows.max() + 2 + GAP, EDGE + pair + 2 : EDGE + pair + EDGE - 2]
    assert (gap == PAPER).all() and gap.size


def test_the_first_row_says_what_its_tiles_show() -> None:
    films = np.zeros((4, 64, 64), np.uint8)
    captions = [("likeness 0.9", "name", False)] * 4
    picture = np.asarray(draw_nearest(films, films, captions, "rsna", "what is shown"))
    top = EDGE + 2 * HEADING
    heads = (picture[top - LINE : top - 2] != PAPER).any(axis=(0, 2))
    for first in (EDGE, EDGE + 130):  # image and film of the first pair, 128 pixels each
        assert heads[first : first + 128].any() and not heads[first - 2 : first].any()
    masks = np.asarray(
        draw_judged(np.zeros((2, 3, 64, 64), np.uint8), captions[:2], "siim", ("masks", "what is shown"))
    )
    assert all((masks[top - LINE : top - 2, EDGE + 130 * k : EDGE + 130 * k + 60] != PAPER).any() for k in range(3))
    alone = np.asarray(
        draw_judged(np.zeros((2, 1, 64, 64), np.uint8), captions[:2], "rsna", ("labels", "what is shown"))
    )
    assert (alone[top - LINE : top - 3] == PAPER).all()


def test_what_a_judge_says_of_an_image_does_not_reach_into_the_next() -> None:
    said = "asked: enlarged cardiomediastinum; judge 0.00"
    picture = np.asarray(
        draw_judged(np.zeros((6, 1, 64, 64), np.uint8), [(said, "name", True)] * 6, "chexpert", ("labels", "shown"))
    )
    top = EDGE + 2 * HEADING + 128 + 3
    ink = (picture[top : top + LINE - 2] != PAPER).any(axis=(0, 2))
    gaps = np.flatnonzero(np.diff(np.flatnonzero(ink)) > EDGE - 4)
    assert len(gaps) == 5 and not ink[-EDGE:].any()


@pytest.mark.parametrize("count", [1, 4])
def test_a_long_heading_fits(count: int) -> None:
    films = np.zeros((count, 64, 64), np.uint8)
    captions = [("likeness 0.9", "name", False)] * count
    name = "a-dataset-of-a-long-name, arm proxy-filtered, fraction 0.01"
    about = "near-copies (red): likeness above 0.980; so are 0.0% of 1,525 images (0) and 2.0% of 495 held-out real films (10)"
    for picture in (
        draw_nearest(films, films, captions, name, about),
        draw_judged(films[:, None], captions, name, ("images that agree least with their label, worst first", about)),
    ):
        ink = (np.asarray(picture)[: EDGE + HEADING + 8] != PAPER).any(axis=(0, 2))
        assert ink.any() and not ink[-EDGE + 2 :].any()
