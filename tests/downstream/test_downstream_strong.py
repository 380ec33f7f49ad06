"""Films that are strongly changed once: the same at every look, masks moved with them, left and right exchanged."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.downstream.data import Films, films_of
from scripts.lib.downstream.settings import check_strong
from scripts.lib.downstream.strong import mirror_order, mirrored_name, strong_films
from tests.helpers.downstream_films import STILL, settings_for

STRONG = STILL | {"shift": 0.1, "rotation": 15.0, "contrast": 0.3, "noise": 0.05, "hflip": 0.5}
SIDE, LABELS, PARTS = 16, ["left_effusion", "right_effusion", "edema"], ["left_lung", "right_lung", "heart"]
COUNT = 12


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("sides") / "cohort"
    with CohortWriter(folder, SIDE, PARTS, LABELS, {"dataset": "toy"}) as writer:
        for number in range(COUNT):
            image = np.full((SIDE, SIDE), 40, np.uint8)
            image[:, :4] = 200 + number  # the left of the picture is bright
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[3:13, 2:7] |= 1 << 1  # the right lung lies on the left of the picture
            mask[3:13, 9:14] |= 1 << 0
            mask[8:12, 7:10] |= 1 << 2
            row = {"image_id": f"f{number}", "patient_id": f"p{number}", "split": "train", "sha256": f"{number:064x}"}
            writer.add(image, mask, row | {"left_effusion": 0, "right_effusion": 1, "edema": number % 2})
    return Cohort.open(folder)


def strong(cohort: Cohort, target: str | list[str], task: str = "multilabel", **changes: float) -> Films:
    films = films_of(cohort, np.arange(COUNT), task, target)
    settings = {**settings_for(task), "target": target, "strong_augment": STRONG | changes}
    return strong_films(films, np.arange(3 * COUNT) % COUNT, settings, 5)


def test_a_copy_is_the_same_at_every_look_and_no_two_are_alike(cohort: Cohort) -> None:
    films = strong(cohort, LABELS)
    every = np.arange(len(films))
    images = films.images(every)
    np.testing.assert_array_equal(images[::-1], films.images(every[::-1]))
    np.testing.assert_array_equal(images[7:9], films.take(every[5:]).images(np.array([2, 3])))
    assert len({image.tobytes() for image in images}) == len(films)
    original = cohort.images(np.arange(COUNT))
    assert all((image != original[place % COUNT]).mean() > 0.2 for place, image in enumerate(images))
    assert films.digest() != strong(cohort, LABELS, noise=0.1).digest()


def test_a_shorter_list_begins_a_longer_one(cohort: Cohort) -> None:
    films = films_of(cohort, np.arange(COUNT), "multilabel", LABELS)
    settings = {**settings_for("multilabel"), "target": LABELS, "strong_augment": STRONG}
    short, long = (strong_films(films, np.arange(n) % COUNT, settings, 5) for n in (6, 20))
    np.testing.assert_array_equal(short.images(np.arange(6)), long.images(np.arange(6)))
    np.testing.assert_array_equal(short.labels, long.labels[:6])


def test_a_mirrored_film_has_the_labels_of_the_other_side(cohort: Cohort) -> None:
    films = strong(cohort, LABELS, **STILL | {"hflip": 0.5})
    assert 8 < films.flipped.sum() < 28  # half of 36, give or take 3.3 standard deviations of 3
    images = films.images(np.arange(len(films)))
    for flipped, image, labels in zip(films.flipped, images, films.labels):
        # The bright side is on the left of the picture, or on the right of a mirrored one.
        assert (image[:, 0].mean() < image[:, -1].mean()) == flipped
        assert labels[:2].tolist() == ([1, 0] if flipped else [0, 1])
    np.testing.assert_array_equal(films.labels[:, 2], np.arange(len(films)) % COUNT % 2)


def test_without_the_other_side_no_film_is_mirrored(cohort: Cohort) -> None:
    assert not strong(cohort, ["left_effusion", "edema"], hflip=1.0).flipped.any()
    assert strong(cohort, ["edema"], hflip=1.0).flipped.all()


def test_the_mask_moves_with_the_film_and_is_that_of_the_other_side(cohort: Cohort) -> None:
    films = strong(cohort, "left_lung", "segmentation", **STILL | {"hflip": 1.0})
    every = np.arange(len(films))
    # The left lung of a mirrored film is the right one of the film, whose box of columns 2 to 6 is then 9 to 13.
    expected = np.zeros((SIDE, SIDE), np.uint8)
    expected[3:13, 9:14] = 1
    np.testing.assert_array_equal(films.targets(every)[:, 0], np.broadcast_to(expected, (len(films), SIDE, SIDE)))
    np.testing.assert_array_equal(films.images(every[:1])[0], cohort.images([0])[0][:, ::-1])
    moved = strong(cohort, "heart", "segmentation", **STILL | {"shift": 0.3})
    masks, still = moved.targets(every)[:, 0], cohort.mask(np.arange(COUNT), "heart")
    assert any((mask != still[place % COUNT]).any() for place, mask in enumerate(masks))
    # 4 x 3 pixels, shifted by parts of a pixel: no film has lost or won more than its edge.
    assert all(0 <= mask.sum() <= 20 for mask in masks) and masks.dtype == np.uint8


def test_names_of_sides() -> None:
    assert mirrored_name("left_lung") == "right_lung" and mirrored_name("effusion right") == "effusion left"
    assert mirrored_name("heart") == "heart" and mirrored_name("cleft") == "cleft"
    assert mirror_order(["left_a", "b", "right_a"]) == [2, 1, 0] and mirror_order(["left_a", "b"]) is None


def test_changes_weaker_than_the_trials_own_are_refused() -> None:
    own = settings_for("classification")["augment"]
    check_strong({"augment": own, "strong_augment": dict(own)})
    with pytest.raises(InputError, match=r"strong_augment.shift = 0.01; expected at least augment.shift = 0.05"):
        check_strong({"augment": own, "strong_augment": {**own, "shift": 0.01}})
    with pytest.raises(InputError, match="strong_augment.shift = None"):
        check_strong({"augment": own})
