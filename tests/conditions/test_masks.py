"""Mask transforms, sides and conditioning pictures: hand-made fields, and properties over random transforms."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.lib.conditions.mask_picture import PALETTE, conditioning_image
from scripts.lib.conditions.masks import different_transforms, render, side_of, transform_text
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng

STRUCTURES = ["lungs", "heart", "pneumothorax", "rib_fracture", "chest_tube"]
LUNGS, HEART, AIR, RIB, TUBE = 1, 2, 4, 8, 16
SETTINGS = {"flip": 0.5, "translate": 0.1, "dilate": 0.1, "erode": 0.1, "margin": 0.05, "keep": 0.3}


def transforms_from_uniforms(uniforms: np.ndarray, *rest) -> list[dict]:
    """Return the transform of each row of uniform numbers (n, 4)."""
    different, which = different_transforms(uniforms, *rest)
    return [different[number] for number in which.tolist()]


def chest(size: int = 40) -> np.ndarray:
    """Two lungs, a heart, a pneumothorax at the image's right (patient's left) apex, a tube from the right edge."""
    field = np.zeros((size, size), np.uint8)
    field[8:32, 6:17] |= LUNGS
    field[8:32, 23:34] |= LUNGS
    field[22:32, 15:27] |= HEART
    field[8:14, 27:34] |= AIR
    field[20:21, 30:40] |= TUBE
    return field


def layer(field: np.ndarray, bit: int) -> np.ndarray:
    return field & bit != 0


def test_no_transform_changes_nothing_and_returns_a_copy():
    field = chest()
    same = render(field, STRUCTURES, None)
    assert (same == field).all() and not np.shares_memory(same, field)
    assert (render(field, STRUCTURES, {}) == field).all()


def test_flip_mirrors_every_structure_and_swaps_the_side():
    field = chest()
    flipped = render(field, STRUCTURES, {"flip": True})
    assert (flipped == field[:, ::-1]).all()
    assert side_of(layer(field, AIR)) == "left"  # the image's right half
    assert side_of(layer(flipped, AIR)) == "right"


def test_dilation_by_two_pixels_is_a_disk():
    field = np.zeros((20, 20), np.uint8)
    field[10, 10] = 1
    grown = render(field, ["heart"], {"dilate": 0.1, "targets": ["heart"]})  # 0.1 * 20 = 2 pixels
    # Points with dx^2 + dy^2 <= 4: 1 + 4 + 4 + 4 = 13.
    assert grown.sum() == 13
    assert grown[10, 12] == 1 and grown[11, 11] == 1 and grown[11, 12] == 0


def test_erosion_of_a_square_takes_its_rim_and_other_structures_keep_their_shape():
    field = np.zeros((20, 20), np.uint8)
    field[5:10, 5:10] = AIR
    field[2:4, 2:4] |= HEART
    shrunk = render(field, STRUCTURES, {"erode": 0.05, "targets": ["pneumothorax"], "keep": 0.3})  # 1 pixel: 5x5 -> 3x3
    assert layer(shrunk, AIR).sum() == 9 and layer(shrunk, AIR)[6:9, 6:9].all()
    assert (layer(shrunk, HEART) == layer(field, HEART)).all()


def test_erosion_gives_way_before_a_structure_vanishes():
    field = np.zeros((20, 20), np.uint8)
    field[5:7, 5:15] = AIR  # two pixels thick: any erosion would empty it
    assert (render(field, STRUCTURES, {"erode": 0.2, "targets": ["pneumothorax"]}) == field).all()
    field[5:10, 5:10] = AIR  # the 5x5 part survives one pixel with 9 of 35 pixels: 26 % < keep
    assert (render(field, STRUCTURES, {"erode": 0.05, "targets": ["pneumothorax"], "keep": 0.3}) == field).all()


def test_a_mask_that_fills_the_film_can_be_eroded_without_an_error():
    field = np.ones((8, 8), np.uint8)
    assert (render(field, ["lungs"], {"erode": 0.25, "targets": ["lungs"]}) == field).all()


def test_translation_moves_right_and_down_and_stops_at_the_margin():
    field = np.zeros((20, 20), np.uint8)
    field[5:8, 5:8] = AIR
    moved = render(field, ["a", "b", "pneumothorax"], {"dx": 0.1, "dy": 0.2, "margin": 0.05})
    assert layer(moved, AIR)[9:12, 7:10].all() and moved.sum() == field.sum()
    # 0.9 * 20 = 18 down would leave the film; rows 5..7 may move to 16..18, the margin being one pixel.
    assert layer(render(field, ["a", "b", "pneumothorax"], {"dy": 0.9, "margin": 0.05}), AIR)[16:19, 5:8].all()


def test_what_lies_outside_the_margin_goes_no_further_out():
    field = np.zeros((20, 20), np.uint8)
    field[0:8, 5:8] = 1
    assert (render(field, ["heart"], {"dy": -0.2, "margin": 0.1}) == field).all()


def test_tubes_may_be_cut_by_the_edge_but_not_vanish():
    moved = render(chest(), STRUCTURES, {"dx": 0.1, "margin": 0.0})
    assert layer(moved, TUBE).sum() == 6 and layer(moved, AIR).sum() == 42  # tube columns 30..39 -> 34..43
    only_tube = np.zeros((20, 20), np.uint8)
    only_tube[3, 18:20] = TUBE
    only_tube[10, 4] = HEART
    assert layer(render(only_tube, STRUCTURES, {"dx": 0.3}), TUBE).any()


def test_without_lungs_a_pneumothorax_stays_on_its_side():
    field = np.zeros((40, 40), np.uint8)
    field[10:20, 22:30] = 1
    moved = render(field, ["pneumothorax"], {"dx": -0.4})
    assert side_of(moved == 1) == "left" and moved.sum() == 80


def test_sides():
    mask = np.zeros((4, 10), bool)
    assert side_of(mask) is None
    mask[:, 6:8] = True
    assert side_of(mask) == "left"
    mask[:, 1:3] = True
    assert side_of(mask) is None  # as much on either side
    lungs = np.zeros((4, 10), bool)
    lungs[:, 4:10] = True  # midline between columns 6 and 7: a film taken off centre
    assert side_of(np.eye(4, 10, 4, dtype=bool), lungs) == "right"  # columns 4..7, three of four on the image's left


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_random_transforms_keep_the_rules(seed):
    generator = rng(seed, "test")
    field = chest()
    field[generator.integers(9, 30), 7:12] |= RIB
    transform = transforms_from_uniforms(generator.random((1, 4)), SETTINGS, 40, ["pneumothorax"])[0]
    assert json.loads(transform_text(transform)) == transform
    out = render(field, STRUCTURES, transform)
    air, lungs = layer(out, AIR), layer(out, LUNGS)
    assert not (air & ~lungs).any(), "the pneumothorax left the lungs"
    assert np.bitwise_or.reduce(out, axis=None) == np.bitwise_or.reduce(field, axis=None), "a structure vanished"
    assert lungs.sum() == layer(field, LUNGS).sum(), "the lungs lost pixels"
    assert side_of(air, lungs) == ("right" if transform.get("flip") else "left")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(1, 20))
def test_uniforms_are_used_row_by_row(seed, first, more):
    uniforms = rng(seed).random((first + more, 4))
    long = transforms_from_uniforms(uniforms, SETTINGS, 64, ["pneumothorax"])
    assert transforms_from_uniforms(rng(seed).random((first, 4)), SETTINGS, 64, ["pneumothorax"]) == long[:first]


def test_magnitudes_cover_their_range_and_no_more():
    drawn = transforms_from_uniforms(rng(3).random((4000, 4)), SETTINGS, 40, ["pneumothorax"])
    shifts = {round(item.get("dx", 0) * 40) for item in drawn}
    radii = {round((item.get("dilate", 0) - item.get("erode", 0)) * 40) for item in drawn}
    assert shifts == radii == set(range(-4, 5))
    assert 0.47 < np.mean([item.get("flip", False) for item in drawn]) < 0.53


def test_pictures_paint_later_structures_over_earlier_ones():
    field = np.array([[0, LUNGS, LUNGS | HEART, LUNGS | AIR]], np.uint8)
    picture = conditioning_image(field, STRUCTURES)
    assert picture.dtype == np.uint8 and picture.shape == (1, 4, 3)
    expected = [(0, 0, 0), PALETTE["lungs"], PALETTE["heart"], PALETTE["pneumothorax"]]
    assert [tuple(int(part) for part in pixel) for pixel in picture[0]] == expected
    assert len(set(PALETTE.values())) == len(PALETTE)
    batch = conditioning_image(np.stack([field, field]), STRUCTURES)
    assert batch.shape == (2, 1, 4, 3)


def test_binary_pictures_show_one_structure_in_white():
    field = np.array([[0, LUNGS, LUNGS | AIR]], np.uint8)
    assert conditioning_image(field, STRUCTURES, "binary")[0, :, 0].tolist() == [0, 0, 255]
    assert conditioning_image(field, STRUCTURES, "binary", only="lungs")[0, :, 0].tolist() == [0, 255, 255]
    assert conditioning_image(field, STRUCTURES, {**PALETTE, "lungs": [1, 2, 3]})[0, 1].tolist() == [1, 2, 3]


def test_faults_name_what_is_wrong():
    with pytest.raises(InputError, match="no colour for structure 'liver'"):
        conditioning_image(np.zeros((2, 2), np.uint8), ["liver"])
    with pytest.raises(InputError, match="not black"):
        conditioning_image(np.zeros((2, 2), np.uint8), ["lungs"], {"lungs": [0, 0, 0]})
    with pytest.raises(InputError, match="unknown keys \\['rotate'\\]"):
        render(chest(), STRUCTURES, {"rotate": 3})
    with pytest.raises(ValueError, match="float64"):
        render(chest().astype(float), STRUCTURES, {})
