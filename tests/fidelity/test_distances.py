"""FID, KID and PRDC against values of the packages that define them, against sums by hand, and against what is true."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.lib.fidelity.distances import (
    GROUPS,
    Rows,
    between,
    jackknife,
    own_kernel,
    share,
    within,
)
from scripts.lib.fidelity.frechet import Frechet
from scripts.lib.fidelity.whole import LARGEST, Moments, Scale

NEAREST = 5


def two_sets() -> tuple[np.ndarray, np.ndarray]:
    stream = np.random.default_rng(5)
    films = stream.standard_normal((300, 16)).astype(np.float32)
    images = (stream.standard_normal((240, 16)) * 1.2 + 0.3).astype(np.float32)
    return films, images


def rows(features: np.ndarray, scale: Scale) -> Rows:
    return Rows.of(scale.whole(features)[0], np.arange(len(features)) % GROUPS)


def compared(images: np.ndarray, films: np.ndarray, nearest: int = NEAREST) -> dict[str, float]:
    scale = Scale.of(films)
    one, other = rows(images, scale), rows(films, scale)
    found = between(one, other, within(one, scale, nearest), within(other, scale, nearest), scale, nearest)
    return {name: value.value for name, value in found.items()}


# torch-fidelity 0.4.0 and prdc 0.2, from the arrays of `two_sets`:
#   fid_statistics_to_metric(*(fid_features_to_statistics(torch.from_numpy(x)) for x in (films, images)), verbose=False)
#   kid_features_to_metric(films[:240], images, kid_subset_size=240, kid_subsets=1, kid_kernel="poly",
#       kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1, verbose=False, rng_seed=1), in float32
#   compute_prdc(real_features=films, fake_features=images, nearest_k=5)
def test_fid_is_that_of_torch_fidelity() -> None:
    films, images = two_sets()
    scale = Scale.of(films)
    plain, _ = Frechet(rows(films, scale), scale).distances(rows(images, scale))
    assert plain == pytest.approx(2.7883895209885807, rel=5e-6)


def test_kid_is_that_of_torch_fidelity() -> None:
    films, images = two_sets()
    assert compared(images, films[:240])["kid"] == pytest.approx(0.39560794830322266, rel=1e-6)


def test_precision_recall_density_and_coverage_are_those_of_prdc() -> None:
    films, images = two_sets()
    found = compared(images, films)
    golden = {
        "precision": 0.5583333333333333,
        "recall": 0.9566666666666667,
        "density": 0.3691666666666667,
        "coverage": 0.71,
    }
    assert {name: found[name] for name in golden} == pytest.approx(golden, abs=1e-12)


def test_fid_of_one_feature_is_what_the_formula_says() -> None:
    # means 0 and 3, standard deviations (n - 1 below) 1 and 2: (0 - 3)^2 + (1 - 2)^2 = 10
    stream = np.random.default_rng(1)
    base = stream.standard_normal(400)
    films = ((base - base.mean()) / base.std(ddof=1))[:, None].astype(np.float32)
    scale = Scale.of(films)
    images = films * 2 + 3
    assert scale.whole(images)[1] == 0
    plain, _ = Frechet(rows(films, scale), scale).distances(rows(images, scale))
    assert plain == pytest.approx(10, rel=1e-4)


def test_kid_by_hand() -> None:
    # One feature; 20 films at 0 and 20 at 1, 20 images at 0 and 20 at 2; kernel (x y + 1)^3; 40 x 39 = 1560 ordered pairs.
    # Films: 20 x 19 = 380 pairs of ones have 2^3 = 8, the other 1180 have 1: 4220 / 1560 = 2.705128.
    # Images: 380 pairs of twos have 5^3 = 125: 48680 / 1560 = 31.205128.
    # Between: 400 pairs have 3^3 = 27, 1200 have 1: 12000 / 1600 = 7.5.
    films, images = (np.repeat(np.float32([[0], [far]]), 20, axis=0) for far in (1, 2))
    assert compared(images, films)["kid"] == pytest.approx(2.705128 + 31.205128 - 2 * 7.5, rel=1e-3)


def test_a_row_is_no_pair_with_itself() -> None:
    films = np.float32([[0.5, 0], [0, 2]])
    scale = Scale.of(films)
    # x.x / 2 + 1 = 1.125 and 3; cubed 1.423828125 and 27
    assert own_kernel(rows(films, scale), scale) == pytest.approx([1.423828125, 27], rel=1e-3)


def test_correction_removes_most_of_the_bias_of_few_images() -> None:
    # Normal in 24 features, means apart by 0.5 in one and equal spread: the true FID is 0.25.
    plain, corrected = [], []
    for seed in range(6):
        stream = np.random.default_rng(seed)
        films, images = (stream.standard_normal((300, 24)).astype(np.float32) for _ in range(2))
        images[:, 0] += 0.5
        scale = Scale.of(films)
        one, other = Frechet(rows(films, scale), scale).distances(rows(images, scale))
        plain.append(one)
        corrected.append(other.value)
        assert other.low < other.value < other.high
    assert np.mean(plain) > 0.9  # more than three times the truth
    assert abs(np.mean(corrected) - 0.25) < 0.15


def test_jackknife_of_a_mean_is_the_mean_and_its_standard_error() -> None:
    values = np.arange(20.0)
    without = (values.sum() - values) / 19
    found = jackknife(values.mean(), without)
    # sd of 0..19 is 5.9161, / sqrt(20) = 1.3229, times t(19, .975) = 2.0930: 2.7688
    assert found.value == pytest.approx(9.5) and found.high - found.value == pytest.approx(2.7688, abs=1e-3)


def test_sums_are_the_same_bits_in_any_order_and_any_parts() -> None:
    films, _ = two_sets()
    whole, clipped = Scale.of(films).whole(films)
    assert clipped == 0 and np.abs(whole).max() <= LARGEST
    all_at_once = Moments.of(whole)
    shuffled = whole[np.random.default_rng(0).permutation(len(whole))]
    for parts in (2, 7):
        added = Moments.of(shuffled[:0])
        for part in np.array_split(shuffled, parts):
            added = added + Moments.of(part)
        assert added.count == 300
        assert (added.total == all_at_once.total).all() and (added.products == all_at_once.products).all()


def test_identical_sets_are_at_no_distance() -> None:
    films, _ = two_sets()
    scale = Scale.of(films)
    plain, _ = Frechet(rows(films, scale), scale).distances(rows(films, scale))
    assert plain == pytest.approx(0, abs=1e-5)
    found = compared(films, films)
    assert found["precision"] == found["recall"] == found["coverage"] == 1


def test_sets_far_apart_share_nothing() -> None:
    films, images = two_sets()
    found = compared(images + 4, films)
    assert found["precision"] == found["recall"] == found["coverage"] == found["density"] == 0
    assert found["kid"] > compared(images, films)["kid"]


def test_a_share_of_none_and_all_has_an_interval_all_the_same() -> None:
    groups = np.arange(40) % GROUPS
    none, every = share(np.zeros(40, bool), groups), share(np.ones(40, bool), groups)
    # Wilson at 0 of 40: z^2 / (n + z^2) = 3.8415 / 43.8415 = 0.0876
    assert none.value == none.low == 0 and none.high == pytest.approx(0.0876, abs=1e-4)
    assert every.value == every.high == 1 and every.low == pytest.approx(1 - 0.0876, abs=1e-4)


def test_too_few_rows_for_neighbours_are_refused() -> None:
    films = np.zeros((5, 2), np.float32)
    with pytest.raises(ValueError, match="5 rows have no 5 neighbours"):
        within(rows(films, Scale.of(films)), Scale.of(films), 5)


def test_equal_films_have_no_scale_and_far_images_are_counted() -> None:
    assert Scale.of(np.full((10, 3), 7.5, np.float32)).factor == 0
    films, _ = two_sets()
    far = films[:3] * 100
    assert Scale.of(films).whole(far)[1] == 3
