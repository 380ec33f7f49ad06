"""Drawn films: the named finding in the named place, masks that fit the pixels, the same bytes every time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scripts.lib.phantom.film import draw_film
from scripts.lib.phantom.findings import merge_touching
from scripts.lib.phantom.shapes import bounding_box, ellipse, grid, soft, texture
from scripts.lib.phantom.spec import FINDINGS, ONE_SIDED, STRUCTURES, Film, FilmSpec, Finding
from scripts.lib.phantom.study import draw_patient

SIZE = 128
SIDES = ("left", "right")


def film(*findings: Finding, number: int = 1, view: str = "PA", size: int = SIZE) -> Film:
    patient = draw_patient(number, np.random.default_rng(number))
    spec = FilmSpec(patient, findings, view, 1, 1, "train", number)
    return draw_film(spec, size, np.random.default_rng(number))


def one(name: str, number: int, severity: float = 0.6, side: str = "left") -> Film:
    return film(Finding(name, side if name in ONE_SIDED else None, severity), number=number)


def half(side: str) -> slice:
    """The patient's left is the right half of the image."""
    return slice(SIZE // 2, SIZE) if side == "left" else slice(0, SIZE // 2)


def brightness_gain(name: str, side: str, number: int) -> tuple[float, float]:
    """Return how much brighter the lung on the finding's side, and the other lung, are than without the finding.

    Levels are relative to the midline, since the two films are exposed differently.
    """
    lungs = film(number=number).lung_sides
    with_it, without = one(name, number, 0.8, side), film(number=number)
    other = "right" if side == "left" else "left"

    def level(drawn: Film, which: str) -> float:
        return float(drawn.image[lungs[which]].mean() / drawn.image[:, SIZE // 2 - 4 : SIZE // 2 + 4].mean())

    return level(with_it, side) - level(without, side), level(with_it, other) - level(without, other)


def test_same_spec_and_stream_give_the_same_bytes() -> None:
    for view in ("PA", "AP", "LATERAL"):
        first, again = (film(Finding("pneumonia", "left", 0.5), view=view) for _ in range(2))
        assert np.array_equal(first.image, again.image)
        assert all(np.array_equal(first.masks[name], again.masks[name]) for name in STRUCTURES)
        assert first.boxes == again.boxes


@pytest.mark.parametrize("size", [64, 128, 200])
def test_a_film_has_the_asked_size_and_every_mask(size: int) -> None:
    drawn = film(Finding("pneumothorax", "right", 0.5), size=size)
    assert drawn.image.shape == (size, size)
    assert drawn.image.dtype == np.uint8
    assert set(drawn.masks) == set(STRUCTURES)
    assert all(mask.shape == (size, size) and mask.dtype == bool for mask in drawn.masks.values())
    assert drawn.image.std() > 30


def test_too_small_a_film_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        film(size=16)


@pytest.mark.parametrize("number", range(6))
def test_lungs_are_dark_hearts_bright_and_apart(number: int) -> None:
    drawn = film(number=number)
    lungs, heart = drawn.masks["lungs"], drawn.masks["heart"]
    assert not (lungs & heart).any()
    assert np.array_equal(lungs, drawn.lung_sides["left"] | drawn.lung_sides["right"])
    assert drawn.image[heart].mean() > drawn.image[lungs].mean() + 40
    assert 0.15 < lungs.mean() < 0.5
    assert 0.03 < heart.mean() < 0.15
    assert not any(drawn.masks[name].any() for name in ("pneumothorax", "rib_fracture", "chest_tube"))
    columns = np.flatnonzero(heart.any(axis=0))
    assert columns.mean() > SIZE / 2  # the heart lies to the patient's left


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("number", range(5))
def test_pneumothorax_is_dark_inside_the_lungs_and_on_its_side(side: str, number: int) -> None:
    drawn = one("pneumothorax", number, 0.5, side)
    air, lung = drawn.masks["pneumothorax"], drawn.lung_sides[side]
    assert not (air & ~lung).any()
    assert 0.02 < air.sum() / lung.sum() < 0.60
    # The median, since at the apex ribs and the clavicle cross the air.
    assert np.median(drawn.image[air]) < 0.95 * np.median(drawn.image[lung & ~air])
    assert air[:, half(side)].sum() > 0.9 * air.sum()


def test_pleural_air_lies_at_the_apex_at_the_wall_or_at_the_base() -> None:
    low = []
    for number in range(24):
        air = one("pneumothorax", number, 0.7).masks["pneumothorax"]
        low.append(air[SIZE // 2 :].sum() / air.sum())
    assert sum(share < 0.05 for share in low) >= 4  # apical: nothing below the middle
    assert sum(share > 0.8 for share in low) >= 1  # basal
    assert sum(0.2 < share < 0.7 for share in low) >= 6  # around the whole lung, or a pocket in the middle


def test_what_only_looks_like_pleural_air_leaves_no_mask() -> None:
    healthy = draw_patient(3, np.random.default_rng(3))
    drawn = {}
    for extent in (0.0, 1.0):
        spec = FilmSpec(replace(healthy, emphysema=extent), (), "PA", 1, 1, "train", 3)
        films = [draw_film(spec, SIZE, np.random.default_rng(seed)) for seed in range(6)]
        assert not any(one_film.masks["pneumothorax"].any() for one_film in films)
        # Darkest twentieth of the lungs, against the film's mean: bubbles are darker than lung.
        drawn[extent] = np.mean([np.quantile(f.image[f.masks["lungs"]], 0.05) / f.image.mean() for f in films])
    assert drawn[1.0] < 0.9 * drawn[0.0]


def test_fluid_takes_the_place_of_pleural_air() -> None:
    smaller = 0
    for number in range(8):
        both = film(Finding("pleural effusion", "left", 0.9), Finding("pneumothorax", "left", 0.5), number=number)
        alone = film(Finding("pneumothorax", "left", 0.5), number=number)
        air = both.masks["pneumothorax"]
        assert air.sum() <= alone.masks["pneumothorax"].sum()
        smaller += int(air.sum() < alone.masks["pneumothorax"].sum())
    assert smaller >= 3  # wherever the air reached down to the base


def test_cardiomegaly_widens_the_heart() -> None:
    def ratio(drawn: Film) -> float:
        widths = [np.ptp(np.flatnonzero(drawn.masks[name].any(axis=0))) for name in ("heart", "lungs")]
        return float(widths[0] / widths[1])

    normal = [ratio(film(number=number)) for number in range(8)]
    wide = [ratio(one("cardiomegaly", number, 0.15 + 0.1 * number)) for number in range(8)]
    assert max(normal) < 0.53 < min(wide)  # half the chest is the usual limit


@pytest.mark.parametrize("name", ["consolidation", "pneumonia", "pleural effusion", "atelectasis"])
@pytest.mark.parametrize("side", SIDES)
def test_opacities_brighten_their_own_side(name: str, side: str) -> None:
    gains = np.array([brightness_gain(name, side, number) for number in range(6)])
    assert gains[:, 0].mean() > 0.05
    assert gains[:, 0].mean() > gains[:, 1].mean() + 0.04


def test_edema_brightens_both_lungs() -> None:
    def centre(drawn: Film) -> list[float]:
        return [float(drawn.image[lung].mean() / drawn.image.mean()) for lung in drawn.lung_sides.values()]

    gains = np.array([np.subtract(centre(one("edema", n, 0.7)), centre(film(number=n))) for n in range(6)])
    assert (gains.mean(axis=0) > 0.08).all()


def test_effusion_lies_at_the_base() -> None:
    lung = film(number=2).lung_sides["left"]
    rows = np.flatnonzero(lung.any(axis=1))
    low = lung.copy()
    low[: rows[int(rows.size * 0.75)]] = False
    change = one("pleural effusion", 2, 0.5).image.astype(float) - film(number=2).image
    assert change[low].mean() > change[lung & ~low].mean() + 30


def test_atelectasis_raises_the_diaphragm() -> None:
    for side in SIDES:
        lowest = [
            np.flatnonzero(drawn.lung_sides[side].any(axis=1)).max()
            for drawn in (one("atelectasis", 3, 0.6, side), film(number=3))
        ]
        assert lowest[0] < lowest[1] - 5


@pytest.mark.parametrize("name", ["rib fracture", "chest tube"])
@pytest.mark.parametrize("side", SIDES)
def test_small_structures_are_bright_and_on_their_side(name: str, side: str) -> None:
    for number in range(4):
        drawn = one(name, number, 0.5, side)
        mask = drawn.masks[name.replace(" ", "_")]
        assert mask.sum() > 25
        columns = np.flatnonzero(mask.any(axis=0))
        assert (columns >= SIZE // 2).all() if side == "left" else (columns < SIZE // 2).all()
        assert drawn.image[mask].mean() > drawn.image[drawn.lung_sides[side] & ~mask].mean() + 20


def test_boxes_hold_the_opacity_and_do_not_overlap() -> None:
    for number in range(8):
        drawn = one("pneumonia", number, 0.9)
        cover = np.zeros((SIZE, SIZE), dtype=int)
        assert drawn.boxes
        for x, y, width, height in drawn.boxes:
            assert 0 <= x < x + width <= SIZE
            assert 0 <= y < y + height <= SIZE
            cover[y : y + height, x : x + width] += 1
        side = drawn.lung_sides["left"]
        inside, outside = side & (cover > 0), side & (cover == 0)
        assert drawn.image[inside].mean() > drawn.image[outside].mean()
    assert not film().boxes


def test_merge_touching() -> None:
    a, b, c = (np.zeros((4, 6), dtype=bool) for _ in range(3))
    a[0, :2] = b[0, 1:3] = c[3, 5] = True
    merged = merge_touching([a, c, b, np.zeros_like(a)])
    assert sorted(int(area.sum()) for area in merged) == [1, 3]


@pytest.mark.parametrize("name", FINDINGS)
def test_lateral_films_have_lungs_and_heart(name: str) -> None:
    drawn = film(Finding(name, "left" if name in ONE_SIDED else None, 0.5), view="LATERAL")
    assert drawn.masks["lungs"].any()
    assert drawn.masks["heart"].any()
    assert not drawn.masks["pneumothorax"].any()
    frontal = film(Finding(name, "left" if name in ONE_SIDED else None, 0.5))
    assert np.abs(drawn.image.astype(int) - frontal.image).mean() > 15


def test_a_patient_keeps_the_build_from_film_to_film() -> None:
    def rib_cage(seed: int, number: int) -> np.ndarray:
        patient = draw_patient(number, np.random.default_rng(number))
        spec = FilmSpec(patient, (), "PA", 1, 1, "train", seed)
        drawn = draw_film(spec, SIZE, np.random.default_rng(seed))
        return np.ptp(np.flatnonzero(drawn.masks["lungs"].any(axis=0)))

    widths = np.array([[rib_cage(seed, number) for seed in range(4)] for number in range(12)])
    assert widths.std(axis=1).mean() < widths.mean(axis=1).std()


def test_a_finding_needs_a_side_exactly_when_it_has_one() -> None:
    with pytest.raises(ValueError, match="one-sided"):
        Finding("pneumothorax")
    with pytest.raises(ValueError, match="one-sided"):
        Finding("edema", "left")
    with pytest.raises(ValueError, match="unknown finding"):
        Finding("cough")
    assert replace(Finding("pneumonia", "left"), side="right").sign == -1


def test_shapes_by_hand() -> None:
    x, y = grid(4)
    assert x[0].tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert y[:, 0].tolist() == [-0.75, -0.25, 0.25, 0.75]
    # (0.5 - 0.1) / 0.2 below, inside and above an edge 0.2 wide: -0.1 -> 0, 0 -> 0.5, 0.05 -> 0.75
    assert soft(np.array([-0.1, 0.0, 0.05], dtype=np.float32), 0.2) == pytest.approx([0.0, 0.5, 0.75])
    # on the long axis of a 0.4 by 0.2 ellipse at half way: (1 - 0.5) * 0.2 = 0.1
    point = np.array([[0.2]], dtype=np.float32), np.array([[0.0]], dtype=np.float32)
    assert ellipse(*point, (0.0, 0.0), (0.4, 0.2))[0, 0] == pytest.approx(0.1)
    mask = np.zeros((5, 7), dtype=bool)
    mask[1:3, 2:6] = True
    assert bounding_box(mask) == (2, 1, 4, 2)
    assert bounding_box(np.zeros((3, 3), dtype=bool)) is None
    assert texture(np.random.default_rng(0), 64, 9).shape == (64, 64)
