"""Splits give each side its share of every label, over whole patients: exact where the counts allow it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.lib.cohort.splits import draw_splits, linked_groups, strata_of, take_exactly, take_generator
from scripts.lib.core.errors import InputError

WANTED = {"generator": 0.3, "test": 0.3}


def sick(count: int, every: int) -> list[dict[str, int | None]]:
    return [{"sick": int(number % every == 0)} for number in range(count)]


def positives(splits: list[str], labels: list[dict[str, int | None]], side: str) -> int:
    return sum(own["sick"] == 1 for split, own in zip(splits, labels) if split == side)


def test_shares_of_a_label_are_exact() -> None:
    # 100 patients, 10 ill. Generator 30 with 3 ill; of the 70 left with 7 ill, 0.3 is 21 with 2.1 ill: 2.
    groups, labels = [f"p{number}" for number in range(100)], sick(100, 10)
    splits, warnings = draw_splits(groups, WANTED, 1, "demo", labels)
    assert warnings == [] and Counter(splits) == {"generator": 30, "test": 21, "train": 49}
    assert [positives(splits, labels, side) for side in ("generator", "test", "train")] == [3, 2, 5]


def test_films_to_choose_on_come_from_what_is_left_and_move_no_other() -> None:
    # Of the 49 films that generator and test leave, 0.4 is 19.6: 20; 5 of the 49 are ill, so 2.04 of the 20: 2.
    groups, labels = [f"p{number}" for number in range(100)], sick(100, 10)
    before, _ = draw_splits(groups, WANTED, 1, "demo", labels)
    splits, warnings = draw_splits(groups, {**WANTED, "validate": 0.4}, 1, "demo", labels)
    assert warnings == [] and Counter(splits) == {"generator": 30, "test": 21, "validate": 20, "train": 29}
    assert positives(splits, labels, "validate") == 2
    assert all(one == two or (one, two) == ("train", "validate") for one, two in zip(before, splits))
    with pytest.raises(InputError, match="generator, test and validate take all 100 images of demo"):
        draw_splits(groups, {**WANTED, "validate": 49}, 1, "demo", labels)


def test_a_rare_label_among_many_is_met_first() -> None:
    # 60 patients, the rare label on 6, the common one on 30. Test 20: 2 of the rare, 10 of the common.
    labels: list[dict[str, int | None]] = [
        {"common": number % 2, "rare": int(number % 10 == 0), "unknown": None} for number in range(60)
    ]
    splits, _ = draw_splits([f"p{number}" for number in range(60)], {"test": 20}, 3, "demo", labels)
    test = [own for split, own in zip(splits, labels) if split == "test"]
    assert len(test) == 20 and sum(own["rare"] or 0 for own in test) == 2
    assert sum(own["common"] or 0 for own in test) == 10


def test_none_is_the_draw_without_labels() -> None:
    groups, labels = [f"p{number}" for number in range(50)], sick(50, 5)
    plain = draw_splits(groups, WANTED, 1, "demo")
    assert draw_splits(groups, {**WANTED, "stratify": "none"}, 1, "demo", labels) == plain
    assert draw_splits(groups, WANTED, 1, "demo", labels) != plain
    with pytest.raises(InputError, match="split.stratify is 'label', expected one of labels, none"):
        draw_splits(groups, {**WANTED, "stratify": "label"}, 1, "demo", labels)


def test_strata_begin_with_the_rarest_label() -> None:
    labels: list[dict[str, int | None]] = [{"a": 1, "b": 0}, {"a": 1, "b": None}, {"a": 0, "b": 1}, {"a": 1, "b": 0}]
    # p has an image with b: b is known of one patient, a of two, so b comes first
    assert strata_of(["p", "q", "p", "r"], labels) == {"p": (0, 0), "q": (2, 0), "r": (1, 0)}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), min_size=4, max_size=60),
    st.integers(0, 5),
    st.randoms(use_true_random=False),
)
def test_counts_stay_exact_and_patients_whole_in_any_order(
    patients: list[tuple[int, bool, bool]], seed: int, random: object
) -> None:
    groups = [f"p{number}" for number, (films, _, _) in enumerate(patients) for _ in range(films)]
    labels: list[dict[str, int | None]] = [{"a": int(a), "b": int(b)} for films, a, b in patients for _ in range(films)]
    target = len(groups) // 3
    splits, warnings = draw_splits(groups, {"test": target}, seed, "demo", labels)
    sides = {group: {split for own, split in zip(groups, splits) if own == group} for group in groups}
    assert all(len(found) == 1 for found in sides.values())
    reachable = sum(
        size
        for size, used in zip(Counter(groups).values(), take_exactly(list(Counter(groups).values()), target))
        if used
    )
    assert splits.count("test") == reachable and bool(warnings) == (reachable != target)
    order = list(range(len(groups)))
    random.shuffle(order)  # type: ignore[attr-defined]
    again, _ = draw_splits([groups[k] for k in order], {"test": target}, seed, "demo", [labels[k] for k in order])
    assert again == [splits[k] for k in order]


def test_the_generator_takes_its_share_of_given_training_films() -> None:
    groups, labels = [f"p{number}" for number in range(60)], sick(60, 6)
    own = ["test" if number >= 40 else "train" for number in range(60)]
    splits, _ = take_generator(groups, own, {"given": True, "generator": 0.5}, 1, "demo", labels)
    # of 40 training films 7 are ill (0, 6, ... 36): the half is 20 with 3.5, rounded to 4
    assert splits[40:] == own[40:] and splits.count("generator") == 20
    assert positives(splits, labels, "generator") in (3, 4)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=25), st.integers(0, 60))
def test_counts_are_met_whenever_patients_allow(sizes: list[int], target: int) -> None:
    sums = {0}
    for size in sizes:
        sums |= {known + size for known in sums}
    taken = sum(size for size, used in zip(sizes, take_exactly(sizes, target)) if used)
    assert taken == max(known for known in sums if known <= target)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=8, max_size=60), st.integers(0, 9), st.randoms(use_true_random=False))
def test_splits_keep_patients_whole_and_ignore_order(patients: list[int], seed: int, random: Any) -> None:
    groups = [f"p{number}" for number in patients]
    wanted = {"generator": 0.3, "test": 0.3}
    try:
        splits, _ = draw_splits(groups, wanted, seed, "demo")
    except InputError:
        return
    sides: dict[str, set[str]] = {}
    for group, split in zip(groups, splits):
        sides.setdefault(group, set()).add(split)
    assert all(len(found) == 1 for found in sides.values())
    order = list(range(len(groups)))
    random.shuffle(order)
    assert draw_splits([groups[k] for k in order], wanted, seed, "demo")[0] == [splits[k] for k in order]


def test_a_count_that_patients_do_not_allow_is_missed_with_a_warning() -> None:
    splits, warnings = draw_splits(["a", "a", "b", "b", "c", "c"], {"test": 3}, 1, "demo")
    assert splits.count("test") == 2 and "split test has 2 images, not 3" in warnings[0]


def test_linked_groups() -> None:
    # b and d share picture 2, d and a picture 1: a, b, d are one; c is alone
    groups, links = linked_groups(["a", "b", "c", "d", "d"], [1, 2, 3, 2, 1])
    assert groups == ["a", "a", "c", "a", "a"] and links == 2
