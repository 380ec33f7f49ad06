"""The stores that a trial opens beside its own films: what its arm adds, and images that its models are tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.cohort.store import Cohort, with_films
from scripts.lib.core.errors import InputError
from scripts.lib.downstream.added import open_store
from scripts.lib.downstream.data import TESTED, label_names, open_pool, partly_annotated
from scripts.lib.study.arms import SOURCES

Settings = Mapping[str, Any]


def open_added(
    control: str, folders: Sequence[Path], kept: Path | None, trial: int, cohort: Cohort, settings: Settings
) -> Cohort:
    """Open what an arm adds: a trial's images of a generator (control ""), the store of a control, or another cohort whole."""
    if control and SOURCES[control].cohort:
        return with_films(Cohort.open(folders))
    columns = _columns(cohort, settings)
    return open_store(folders, columns) if control else open_pool(folders, kept, trial, columns)


def open_tested(
    folders: Sequence[str],
    kept: Sequence[str],
    of_trial: int | None,
    trial: int,
    cohort: Cohort,
    settings: Settings,
) -> dict[str, Cohort]:
    """Return {arm: images of another trial} of words ARM=FOLDER, the shards of an arm in order, and ARM=FILE of what filters kept.

    Raises InputError for a word without either, and for the trial's own images, which its models may have learned from.
    """
    shards, lists = _named(folders, "--images"), _named(kept, "--images-kept")
    if shards and (of_trial is None or of_trial == trial):
        raise InputError(
            f"--images-trial {of_trial}: expected another trial than {trial}, whose models may have learned from its images"
        )
    columns = [*TESTED, *_columns(cohort, settings)]
    opened = {}
    for arm, places in shards.items():
        of_arm = lists.get(arm, [None])
        opened[arm] = open_pool(places, of_arm[0], trial if of_trial is None else of_trial, columns)
    return opened


def _columns(cohort: Cohort, settings: Settings) -> list[str]:
    """Return the columns of a pool's index that a trial reads beside those that name an image."""
    return label_names(settings) + (["mask_source"] if partly_annotated(cohort, settings) else [])


def _named(words: Sequence[str], option: str) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for name, _, place in (word.partition("=") for word in words):
        if not (name and place):
            raise InputError(f"{option} {' '.join(words)}: expected ARM=FOLDER")
        found.setdefault(name, []).append(Path(place))
    return found
