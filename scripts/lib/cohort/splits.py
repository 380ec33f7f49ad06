"""Which patient is on which side: exact image counts, the same share of each label, no patient on two sides, and the same
sides for any row order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash

SIDES = ("generator", "test", "validate")  # in this order: a later one has no part in what an earlier one takes


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


Labels = Sequence[Mapping[str, int | None]]  # what is known of each image: {label: 1, 0 or None}
STRATIFY = ("labels", "none")


def draw_splits(
    groups: Sequence[str], wanted: Mapping[str, Any], seed: int, dataset: str, labels: Labels | None = None
) -> tuple[list[str], list[str]]:
    """Return a split an image ("generator", "test", "validate" or "train"), and warnings.

    `wanted` has a count of images or a share for `generator` (share of all), `test` (share of what the generator leaves) and
    `validate` (share of what both leave), and `stratify`: with `labels` (the default) each side gets its share of every combination of labels, so that
    the rarest label is met to within a film. Groups are taken in the order of a hash of (seed, dataset, group), so neither
    the order of rows nor a group that comes or goes moves the others about; counts are met exactly whenever the group sizes
    allow it.
    """
    sizes = Counter(groups)
    order = sorted(sizes, key=lambda group: content_hash(seed, "split", dataset, group))
    strata = dict.fromkeys(sizes, ()) if _plain(wanted) or labels is None else strata_of(groups, labels)
    side = dict.fromkeys(sizes, "train")
    left, warnings = len(groups), []
    for name in SIDES:
        target = _target(wanted.get(name, 0), name, left)
        taken = _take([group for group in order if side[group] == "train"], sizes, strata, target)
        count = sum(sizes[group] for group in taken)
        if count != target:
            warnings.append(f"split {name} has {count} images, not {target}: no patient may be on two sides")
        side.update(dict.fromkeys(taken, name))
        left -= count
    if left <= 0:
        raise InputError(
            f"split: generator, test and validate take all {len(groups)} images of {dataset}; lower one of them"
        )
    return [side[group] for group in groups], warnings


def _plain(wanted: Mapping[str, Any]) -> bool:
    chosen = wanted.get("stratify", STRATIFY[0])
    if chosen not in STRATIFY:
        raise InputError(f"split.stratify is {chosen!r}, expected one of {', '.join(STRATIFY)}")
    return chosen == "none"


def strata_of(groups: Sequence[str], labels: Labels) -> dict[str, tuple[int, ...]]:
    """Return the stratum of each group: for each label, the rarest first, 0 where an image has it, 1 where none has, 2 unknown.

    So in the order of the strata those with the rarest label come first, and all with equal labels stand together.
    """
    known: dict[str, dict[str, int]] = {group: {} for group in groups}
    for group, values in zip(groups, labels, strict=True):
        states = known[group]
        for label, value in values.items():
            states[label] = min(states.get(label, 2), 2 if value is None else 1 - value)
    counts = Counter(label for states in known.values() for label, state in states.items() if state == 0)
    names = sorted({label for states in known.values() for label in states}, key=lambda label: (counts[label], label))
    return {group: tuple(states.get(label, 2) for label in names) for group, states in known.items()}


def _take(
    groups: Sequence[str], sizes: Mapping[str, int], strata: Mapping[str, tuple[int, ...]], target: int
) -> list[str]:
    """Return the groups of a side: `target` images, of each stratum its share, rounded so that the sums of strata are right.

    What group sizes keep one from, the next one makes up for. The last strata take all that is left; if needed, all do.
    """
    members: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for group in groups:
        members[strata[group]].append(group)
    names = sorted(members)
    quotas = _quotas([sum(sizes[group] for group in members[name]) for name in names], target)
    best: tuple[int, list[str]] = (-1, [])
    for kept in range(len(names) - 1, -1, -1):
        chosen: list[str] = []
        carried = 0  # what a stratum lacks or has too much goes to the next one, which shares its rarest labels
        for name, quota in zip(names[:kept], quotas):
            nearest = _nearest(members[name], sizes, quota + carried)
            carried += quota - sum(sizes[group] for group in nearest)
            chosen += nearest
        inside = set(names[kept:])
        pool = [group for group in groups if strata[group] in inside]
        chosen += _exactly(pool, sizes, max(0, target - sum(sizes[group] for group in chosen)))
        count = sum(sizes[group] for group in chosen)
        if best[0] < count <= target:
            best = count, chosen
        if count == target:
            break
    return best[1]


def _quotas(films: Sequence[int], target: int) -> list[int]:
    """Return how many of `target` images come from each stratum: every sum of the first ones is right to within a half."""
    total, reached, done = sum(films), 0, 0
    quotas = []
    for count in films:
        reached += count
        upto = (2 * reached * target + total) // (2 * total) if total else 0
        quotas.append(upto - done)
        done = upto
    return quotas


def _nearest(groups: Sequence[str], sizes: Mapping[str, int], target: int) -> list[str]:
    """Return groups whose images are as near to `target` as they can be, rather more than fewer."""
    below = _exactly(groups, sizes, max(0, target))
    lacking = target - sum(sizes[group] for group in below)
    for more in range(1, lacking + 1):
        above = _exactly(groups, sizes, target + more)
        if sum(sizes[group] for group in above) == target + more:
            return above
    return below


def _exactly(groups: Sequence[str], sizes: Mapping[str, int], target: int) -> list[str]:
    taken = take_exactly([sizes[group] for group in groups], target)
    return [group for group, used in zip(groups, taken, strict=True) if used]


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
    if set(sizes) <= {1}:  # one image a patient: any number is reached, and nothing has to be looked ahead
        return [place < target for place in range(len(sizes))]
    # A group of one image fills any gap of one: where so many of them are left that they fill the largest group's, every sum
    # up to all that is left is reached, and only the last groups have to be looked at one by one.
    left, ones = [0], [0]
    for size in reversed(sizes):
        left.append(left[-1] + size)
        ones.append(ones[-1] + (size == 1))
    left.reverse()
    ones.reverse()
    enough = max(sizes) - 1
    first = next(k for k in range(len(sizes) + 1) if ones[k] < enough or k == len(sizes))
    # reach[k - first] has bit s set when some of the groups from k on add up to s.
    limit = (1 << (target + 1)) - 1
    reach = [1]
    for size in reversed(sizes[first:]):
        reach.append((reach[-1] | (reach[-1] << size)) & limit)
    reach.reverse()
    rest = min(target, left[0]) if first else reach[0].bit_length() - 1
    taken = []
    for k, size in enumerate(sizes):
        after = rest - size
        use = after >= 0 and (after <= left[k + 1] if k + 1 < first else bool(reach[k + 1 - first] >> after & 1))
        rest -= size if use else 0
        taken.append(use)
    return taken


def take_generator(
    groups: Sequence[str],
    splits: Sequence[str],
    wanted: Mapping[str, Any],
    seed: int,
    dataset: str,
    labels: Labels | None = None,
) -> tuple[list[str], list[str]]:
    """Return the dataset's own splits with a part of the training films given to the generator, and warnings.

    `wanted` has `generator`, a count of images or a share of the training films, and `stratify` as in draw_splits; a group of which a film is in another split stays.
    """
    elsewhere = {group for group, split in zip(groups, splits, strict=True) if split != "train"}
    free = [k for k, group in enumerate(groups) if group not in elsewhere]
    asked = {key: wanted[key] for key in ("generator", "stratify") if key in wanted}
    known = None if labels is None else [labels[k] for k in free]
    drawn, warnings = draw_splits([groups[k] for k in free], asked, seed, dataset, known)
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
