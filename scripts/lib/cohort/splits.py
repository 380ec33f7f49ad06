"""Which patient is on which side: exact image counts, no patient on two sides, and the same sides for any row order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash

SIDES = ("generator", "test")


def linked_groups(patients: Sequence[str], pixels: Sequence[Hashable]) -> tuple[list[str], int]:
    """Return a group name an image, and how many links were made.

    Images of one patient are one group, and so are patients of whom the same picture is on file: two names for one
    film must not put it on two sides.
    """
    parent: dict[str, str] = {patient: patient for patient in patients}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    first: dict[Hashable, str] = {}
    links = 0
    for patient, picture in zip(patients, pixels, strict=True):
        one, two = root(patient), root(first.setdefault(picture, patient))
        if one != two:
            links += 1
            parent[max(one, two)] = min(one, two)
    return [root(patient) for patient in patients], links


def draw_splits(
    groups: Sequence[str], wanted: Mapping[str, Any], seed: int, dataset: str
) -> tuple[list[str], list[str]]:
    """Return a split an image ("generator", "train" or "test"), and warnings.

    `wanted` has a count of images or a share for `generator` (share of all) and `test` (share of what the generator
    leaves). Groups are taken in the order of a hash of (seed, dataset, group), so neither the order of rows nor a
    group that comes or goes moves the others about; counts are met exactly whenever the group sizes allow it.
    """
    sizes = Counter(groups)
    order = sorted(sizes, key=lambda group: content_hash(seed, "split", dataset, group))
    side = dict.fromkeys(sizes, "train")
    left, warnings = len(groups), []
    for name in SIDES:
        target = _target(wanted.get(name, 0), name, left)
        open_groups = [group for group in order if side[group] == "train"]
        taken = take_exactly([sizes[group] for group in open_groups], target)
        count = sum(sizes[group] for group, used in zip(open_groups, taken, strict=True) if used)
        if count != target:
            warnings.append(f"split {name} has {count} images, not {target}: no patient may be on two sides")
        side.update((group, name) for group, used in zip(open_groups, taken, strict=True) if used)
        left -= count
    if left <= 0:
        raise InputError(f"split: generator and test take all {len(groups)} images of {dataset}; lower one of the two")
    return [side[group] for group in groups], warnings


def _target(value: Any, name: str, available: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise InputError(f"split.{name} is {value!r}, expected a count of images or a share from 0 to 1")
    count = value if isinstance(value, int) else round(value * available)
    if isinstance(value, float) and value >= 1 or count > available:
        raise InputError(f"split.{name} is {value}, but only {available} images are there for it")
    return count


def take_exactly(sizes: Sequence[int], target: int) -> list[bool]:
    """Return which groups to take, early ones first, so that their sizes add up to `target`.

    A group is passed over only when taking it would make the sum unreachable. When no choice reaches the target,
    the nearest reachable sum below it is taken.
    """
    # reach[k] has bit s set when some of the groups from k on add up to s.
    limit = (1 << (target + 1)) - 1
    reach = [1]
    for size in reversed(sizes):
        reach.append((reach[-1] | (reach[-1] << size)) & limit)
    reach.reverse()
    rest = reach[0].bit_length() - 1
    taken = []
    for k, size in enumerate(sizes):
        use = size <= rest and bool(reach[k + 1] >> (rest - size) & 1)
        rest -= size if use else 0
        taken.append(use)
    return taken


def take_generator(
    groups: Sequence[str], splits: Sequence[str], wanted: Any, seed: int, dataset: str
) -> tuple[list[str], list[str]]:
    """Return the dataset's own splits with a part of the training films given to the generator, and warnings.

    `wanted` is a count of images or a share of the training films; a group of which a film is in another split stays.
    """
    elsewhere = {group for group, split in zip(groups, splits, strict=True) if split != "train"}
    free = [k for k, group in enumerate(groups) if group not in elsewhere]
    drawn, warnings = draw_splits([groups[k] for k in free], {"generator": wanted}, seed, dataset)
    result = list(splits)
    for k, split in zip(free, drawn, strict=True):
        result[k] = split
    return result, warnings


def given_splits(patients: Sequence[str], splits: Sequence[str | None], ids: Sequence[str]) -> list[str]:
    """Return the dataset's own splits; raises InputError for an image without one or a patient on two sides."""
    sides: dict[str, dict[str, str]] = defaultdict(dict)
    for patient, split, image in zip(patients, splits, ids, strict=True):
        if split is None:
            raise InputError(f"split: given, but the tables give image {image} no split; name counts or shares instead")
        sides[patient].setdefault(split, image)
        if len(sides[patient]) > 1:
            (one, first), (two, second) = list(sides[patient].items())[:2]
            raise InputError(
                f"patient {patient} is in two splits: {first} in {one}, {second} in {two}; correct the table"
            )
    return [str(split) for split in splits]
