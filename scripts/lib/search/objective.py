"""What a proposal is worth: the KID of its images to held-out films, lower is better."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.fidelity.chosen import choose, rows_of_splits
from scripts.lib.fidelity.distances import LEAST, IntervalValue, Rows, between, within
from scripts.lib.fidelity.features import extract
from scripts.lib.fidelity.networks import open_extractor
from scripts.lib.fidelity.sweep import requests_like
from scripts.lib.fidelity.whole import Scale
from scripts.lib.generators.conditional.folder import write_model
from scripts.lib.generators.conditional.sampling import ClassModel
from scripts.lib.generators.conditional.training import ClassModelParts
from scripts.lib.generators.shards import make_batch
from scripts.lib.generators.solving import Sampler
from scripts.lib.study.search_space import SCORED
from scripts.lib.training.devices import Placement
from scripts.lib.training.settings import Section

DIGITS = 8


def kid_of(
    parts: ClassModelParts, names: list[str], cohort: Path, sampling: Section, search: Mapping[str, Any], seed: int,
    placement: Placement,
) -> float:  # fmt: skip
    """Return the KID of a proposal's images to films of split validate, to DIGITS digits; arguments as of `compare_images`."""
    found = compare_images(parts, names, cohort, [SCORED], sampling, search, seed, placement)
    return float(f"{found.value:.{DIGITS}g}")


def compare_images(
    parts: ClassModelParts, names: list[str], cohort: Path, splits: Sequence[str], sampling: Section,
    search: Mapping[str, Any], seed: int, placement: Placement,
) -> IntervalValue:  # fmt: skip
    """Return the KID, in features of the random network, of an image for each film of these splits, of that film's class.

    search  images (most films), batch_size and nearest of section fidelity

    Raises InputError for fewer than LEAST films, and for images that are not finite.
    """
    opened = Cohort.open(cohort)
    rows = rows_of_splits(cohort, splits)
    if len(rows) < LEAST:
        raise InputError(
            f"{cohort}: {len(rows)} films of split {' or '.join(splits)}, expected at least {LEAST} to score a proposal; enlarge the dataset's split.{splits[0]}"
        )
    extractor = open_extractor("random", "", placement, search["batch_size"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder, parts, names, opened.resolution)
        file = folder / "films.npy"
        np.save(file, extract(opened, extractor))
        films = choose([cohort], [file], opened.labels, [rows], search["images"])
        model = ClassModel(folder, sampling)
        images = make_batch(Sampler(model, sampling, seed), requests_like(films, names))
        real = films.features([file])
    size = extractor.batch_size
    made = np.concatenate([extractor(images[start : start + size]) for start in range(0, len(images), size)])
    scale = Scale.of(real)
    both = [Rows.of(scale.whole(found)[0], films.groups) for found in (made, real)]
    own = [within(one, scale, search["nearest"]) for one in both]
    return between(both[0], both[1], own[0], own[1], scale, search["nearest"])["kid"]
