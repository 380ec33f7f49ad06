"""What judges the sampler's levers: distances and shares by hand, and a cache that changes nothing while it is always due."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks import levers
from benchmarks.levers_cache import cache_deep
from benchmarks.levers_judges import Judge, kid, random_features
from scripts.lib.core.auroc import auroc
from scripts.lib.generators.controlled.sampling import ControlledModel
from scripts.lib.generators.protocol import ImageRequest
from scripts.lib.generators.solving import Sampler
from scripts.lib.training.settings import Section
from tests.helpers.diffusion_models import SAMPLING, STRUCTURES, random_generator, write_base


def test_kid_by_hand():
    """Features of one number: kernel (x y + 1)^3. Own pairs: 1 * 2 + 1 = 3, cubed 27; 0 * 3 + 1 = 1. Across: of 1 and 0 it is
    1, of 1 and 3 64, of 2 and 0 1, of 2 and 3 343; mean 409 / 4. So 27 + 1 - 2 * 409 / 4 = -176.5."""
    assert kid(np.array([[1.0], [2.0]]), np.array([[0.0], [3.0]])) == pytest.approx(27 + 1 - 2 * 409 / 4)


def test_kid_of_one_population_is_about_zero_and_of_two_is_not():
    draws = np.random.default_rng(1)
    first, second = draws.normal(size=(400, 5)), draws.normal(size=(400, 5))
    assert abs(kid(first, second)) < 0.05 and kid(first, second + 1) > 1


def test_an_image_s_features_do_not_depend_on_its_neighbours():
    images = np.random.default_rng(2).integers(0, 256, (5, 16, 16), dtype=np.uint8)
    assert np.allclose(random_features(images)[2], random_features(images[2:3])[0], atol=1e-6)


def test_the_mean_share_of_beaten_images_is_the_auroc(monkeypatch):
    logits = np.array([[0.1], [0.9], [0.4], [0.4], [0.7]])
    wanted = np.array([[0.0], [1.0], [1.0], [0.0], [0.0]])
    monkeypatch.setattr("benchmarks.levers_judges.answers", lambda *_: logits)
    scores = Judge(None, {"task": "multilabel"}, ["pneumonia"], 0.0, np.empty(0)).score(np.empty(5), wanted)
    # 0.9 beats all three; 0.4 beats 0.1, ties with 0.4 and loses to 0.7: 1.5 of 3.
    assert scores.tolist() == [1.0, 0.5]
    assert scores.mean() == pytest.approx(auroc(wanted[:, 0] == 1, logits[:, 0]))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("world") / "base")


def images_of(base, every: int | None, kind: str, calls: list[int] | None = None) -> np.ndarray:
    settings = Section({**SAMPLING, "steps": 4, "micro_batch": 2}, "sampling")
    model = ControlledModel(random_generator(base), STRUCTURES, settings)
    middle = model.generator.unet.mid_block
    if calls is not None:
        middle.register_forward_hook(lambda *_: calls.append(1))
    if every:
        cache_deep(model, every)
    bits = np.zeros((32, 32), np.uint8)
    bits[4:20, 4:14] = 1
    request = ImageRequest("c", 0, "pneumonia" if kind == "text" else None, None if kind == "text" else bits)
    with torch.inference_mode():
        return Sampler(model, settings, 1).images([request])


@pytest.mark.parametrize("kind", ["text", "mask"])
def test_a_cache_that_is_always_due_changes_no_byte_and_one_that_is_not_saves_half(base, kind):
    plain, calls = images_of(base, None, kind), []
    assert (images_of(base, 1, kind) == plain).all()
    images_of(base, 2, kind, calls)
    assert len(calls) == 2  # of four steps


def test_the_table_shows_times_as_shares_of_the_first_variant():
    rows = [{"variant": "real films", "score_mask": 0.9}]
    rows += [{"variant": "as stock", "ms_mask": 50.0, "score_mask": 0.5}, {"variant": "few", "ms_mask": 20.0}]
    lines = levers.table(rows).splitlines()
    assert lines[2].startswith("| real films |  | 0.900") and lines[4].startswith("| few | 20.0 (0.40)")


def test_settings_of_a_command_line():
    assert levers.setting("steps=6") == ("steps", 6) and levers.setting("solver=unipc") == ("solver", "unipc")
