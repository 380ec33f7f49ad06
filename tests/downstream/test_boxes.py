"""Boxes of films: of a table, of masks, of films that nobody looked at; and what moves with the film."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.lib.cohort.boxes import part_boxes
from scripts.lib.core.errors import InputError
from scripts.lib.downstream.augment import augment, to_float, to_stored
from scripts.lib.downstream.boxes import NONE, Outlines, joined, moved_boxes, of_kind
from scripts.lib.downstream.data import annotated_alike, check_learnable, films_of, partly_annotated
from scripts.lib.downstream.strong import strong_films
from tests.helpers.box_films import SIDE, write_box_films
from tests.helpers.downstream_films import STILL

BOTH = ["spot", "hole"]


def test_each_connected_part_has_a_box_and_a_single_pixel_none() -> None:
    mask = np.zeros((8, 8), bool)
    mask[1:3, 2:6] = mask[5, 5] = mask[6:8, 0] = True
    assert part_boxes(mask).tolist() == [[2, 1, 6, 3], [0, 6, 1, 8]]
    assert part_boxes(np.zeros((4, 4), bool)).shape == (0, 4)


def test_boxes_come_from_the_table_where_it_has_some_and_else_from_masks(tmp_path: Path) -> None:
    drawn, listed = write_box_films(tmp_path / "a", 6), write_box_films(tmp_path / "b", 6, table=True)
    rows = np.array([3, 0, 2])
    of_masks, of_table = (Outlines(one, BOTH).boxes(rows, BOTH) for one in (drawn, listed))
    # Film 3 shows both, film 0 a hole, film 2 nothing; the table's boxes are a pixel wider on each side.
    assert of_masks[:, :, 0].tolist() == [[0, 1], [1, NONE], [NONE, NONE]]
    wider = of_masks[0, 0, 1:] + np.array([-1, -1, 1, 1])
    np.testing.assert_array_equal(of_table[0, 0, 1:], wider)
    np.testing.assert_array_equal(of_table[:, 1], of_masks[:, 1])  # no hole in the table
    assert Outlines(drawn, BOTH).digest() != Outlines(listed, BOTH).digest()
    with pytest.raises(InputError, match="no structure 'heart'"):
        films_of(drawn, rows, "detection", ["heart"])


def test_what_nobody_looked_for_is_not_absent(tmp_path: Path) -> None:
    cohort = write_box_films(tmp_path, 6, heart_known=False)
    assert partly_annotated(cohort, {"task": "detection", "target": BOTH})
    assert not partly_annotated(cohort, {"task": "detection", "target": "spot"})
    boxes = films_of(cohort, np.array([3, 1]), "detection", BOTH)
    film, unseen = boxes.targets(np.arange(2))
    assert len(of_kind(film, 1)) == 1 and of_kind(unseen, 1) is None and len(of_kind(unseen, 0)) == 1
    masks = films_of(cohort, np.array([3, 1]), "segmentation", BOTH).targets(np.arange(2))
    assert masks[0, 1].sum() == 144 and (masks[1, 1] == 2).all() and masks[1, 0].sum() == 144
    never = films_of(cohort, np.array([1, 2]), "segmentation", BOTH)
    with pytest.raises(InputError, match="nobody looked for hole on any of them"):
        check_learnable(never)
    with pytest.raises(InputError, match="2 films to learn from, and none has a box of spot"):
        check_learnable(films_of(cohort, np.array([0, 2]), "detection", "spot"))


def test_an_image_shows_no_more_than_was_looked_for_on_the_film_of_its_mask(tmp_path: Path) -> None:
    cohort, pool = write_box_films(tmp_path / "films", 6, heart_known=False), write_box_films(tmp_path / "pool", 3)
    pool = pool.select(np.arange(3), mask_source=np.array(["f3", "f1", "made"], dtype=object)).select(np.arange(3))
    pool.index = pool.index.drop(columns="annotated")
    assert annotated_alike(pool, cohort).index["annotated"].tolist() == [3, 1, 3]
    del pool.index["mask_source"]
    assert annotated_alike(pool, cohort) is pool


def test_boxes_move_as_the_film_does() -> None:
    boxes = torch.tensor([[[0, 8, 8, 16, 24], [1, 0, 0, 4, 4], [-1, -1, -1, -1, -1], [1] + [torch.nan] * 4]])
    # The film is read half as far from its middle, so all things are twice as large around (16, 16), and then mirrored.
    found = moved_boxes(boxes, torch.tensor([[[0.5, 0, 0], [0, 0.5, 0]]]), 32)[0]
    assert found[0].tolist() == [0, 0, 0, 16, 32]
    assert found[1, 0] == NONE and found[2, 0] == NONE  # outside of the film
    assert found[3, 0] == 1 and found[3, 1:].isnan().all()  # still nobody looked
    mirrored = moved_boxes(boxes, torch.tensor([[[-1.0, 0, 0], [0, 1.0, 0]]]), 32)[0]
    assert mirrored[0].tolist() == [0, 16, 8, 24, 24]
    # Read 8 pixels (half of the 16 to the middle) further to the right: the film moves 8 pixels to the left.
    moved = moved_boxes(boxes, torch.tensor([[[1.0, 0, 0.5], [0, 1.0, 0]]]), 32)[0]
    assert moved[0].tolist() == [0, 0, 8, 8, 24]


@pytest.mark.parametrize(
    "changes", [{"shift": 0.2}, {"scale": 0.3}, {"hflip": 1.0}, {"shift": 0.1, "scale": 0.2, "hflip": 0.5}]
)
def test_moved_boxes_are_those_of_the_moved_masks(tmp_path: Path, changes: dict[str, float]) -> None:
    cohort = write_box_films(tmp_path, 16)
    rows = np.arange(1, 16, 2)
    masks, boxes = (
        films_of(cohort, rows, task, "spot").targets(np.arange(8)) for task in ("segmentation", "detection")
    )
    images = torch.zeros(8, 1, SIDE, SIDE)
    moved = [augment(images, to_float(torch.from_numpy(part)), STILL | changes, 5)[1] for part in (masks, boxes)]
    for mask, film in zip(moved[0][:, 0].numpy(), moved[1].numpy()):
        kept = of_kind(film, 0)
        if kept is not None and len(kept) and mask.any():
            assert np.abs(part_boxes(mask)[0] - kept[0]).max() <= 1.01  # masks move in whole pixels


def test_strong_changes_move_boxes_and_masks_alike(tmp_path: Path) -> None:
    cohort = write_box_films(tmp_path, 8)
    settings = {"target": BOTH, "strong_augment": STILL | {"hflip": 0.5, "shift": 0.1}}
    found = {}
    for task in ("segmentation", "detection"):
        films = strong_films(films_of(cohort, np.arange(8), task, BOTH), np.arange(8), settings | {"task": task}, 3)
        assert films.flipped.any() and not films.flipped.all()
        found[task] = films.targets(np.arange(8))
        np.testing.assert_array_equal(
            films.take(np.array([5, 2])).targets(np.arange(2))[:, :1], found[task][[5, 2]][:, :1]
        )
    for masks, film in zip(found["segmentation"], found["detection"]):
        for kind in range(2):
            drawn, kept = part_boxes(masks[kind] == 1), of_kind(film, kind)
            assert kept is not None and len(drawn) == len(kept)
            assert not len(drawn) or np.abs(drawn[0] - kept[0]).max() <= 1.01


def test_targets_of_two_parts_become_one_batch_and_masks_keep_what_is_unknown() -> None:
    one, other = np.zeros((2, 3, 5), np.float32), np.ones((1, 1, 5), np.float32)
    batch = joined(one, other)
    assert batch.shape == (3, 3, 5) and batch[2, :, 0].tolist() == [1, NONE, NONE]
    masks = torch.tensor([[[[0, 1], [1, 0]], [[2, 2], [2, 2]]]], dtype=torch.uint8)
    known = to_float(masks)
    assert known[0, 1].isnan().all() and known[0, 0].sum() == 2
    assert torch.equal(to_stored(known), masks)
    changed = augment(torch.zeros(1, 1, 2, 2), known, STILL | {"hflip": 1.0}, 1)[1]
    assert changed is not None and changed[0, 1].isnan().all() and changed[0, 0].tolist() == [[1, 0], [0, 1]]
