"""Ways to edit latents, on answers that can be computed by hand and on answers of no meaning."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from scripts.lib.core.errors import InputError
from scripts.lib.editing.inversion import INVERSIONS, Edited, Task, inversion_of
from scripts.lib.editing.steps import Steps, edit_steps

SCHEDULE = {
    "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
}  # fmt: skip
SHAPE = (2, 3, 4, 4)


def levels(strength: float = 0.5, steps: int = 10, prediction: str = "epsilon") -> Steps:
    return edit_steps({**SCHEDULE, "prediction_type": prediction}, strength, steps)


def random_answer(seed: int) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """An answer that depends on latents and level in no simple way."""
    weight = torch.randn(SHAPE[1:], generator=torch.Generator().manual_seed(seed)).double()
    return lambda latents, level: torch.sin(latents * weight + level + seed)


def edited(way: str, steps: Steps, own: int, other: int) -> tuple[torch.Tensor, Edited]:
    noise = torch.Generator().manual_seed(9)
    latents = torch.randn(SHAPE, generator=noise).double()
    drawn = torch.randn((SHAPE[0], len(steps), *SHAPE[1:]), generator=noise).double()
    answer = random_answer(own)
    return latents, INVERSIONS[way](Task(latents, steps, drawn, answer, random_answer(other), answer))


def test_the_levels_end_without_noise_and_begin_at_the_share():
    """Half of 0 to 999 in 5 of 10 levels: 499.5, 399.6, 299.7, 199.8, 99.9, to whole steps."""
    steps = levels()
    assert steps.times.tolist() == [500, 400, 300, 200, 100] and steps.kept[-1] == 1.0
    assert (steps.kept.diff() > 0).all() and len(levels(1.0)) == 10 and levels(1.0).times[0] == 999
    assert len(levels(0.0)) == 0 and len(levels(0.01)) == 1


@pytest.mark.parametrize(
    ("strength", "steps", "words"), [(1.1, 10, "strength = 1.1"), (0.5, 1000, "edits.steps = 1000")]
)
def test_impossible_levels_are_refused(strength: float, steps: int, words: str):
    with pytest.raises(InputError, match=words):
        levels(strength, steps)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_clean_latents_and_noise_are_found_again(prediction: str):
    """v = sqrt(a) noise - sqrt(1 - a) clean: from the mixture and a right answer both come back."""
    steps = levels(prediction=prediction)
    clean, noise = torch.full(SHAPE, 2.0).double(), torch.full(SHAPE, -1.0).double()
    kept = float(steps.kept[1])
    answer = noise if prediction == "epsilon" else kept**0.5 * noise - (1 - kept) ** 0.5 * clean
    found = steps.split(steps.mix(clean, noise, 1), answer, 1)
    assert torch.allclose(found[0], clean) and torch.allclose(found[1], noise)


def test_the_mean_of_a_step_is_that_of_the_posterior():
    """Ho et al. 2020, equation 7: sqrt(b') beta / (1 - b) x0 + sqrt(1 - beta) (1 - b') / (1 - b) x, b the share kept."""
    steps = levels()
    now, below = float(steps.kept[2]), float(steps.kept[3])
    beta = 1 - now / below
    clean, noise = torch.tensor(0.7).double(), torch.tensor(-0.3).double()
    noisy = now**0.5 * clean + (1 - now) ** 0.5 * noise
    wanted = below**0.5 * beta / (1 - now) * clean + (1 - beta) ** 0.5 * (1 - below) / (1 - now) * noisy
    assert torch.isclose(steps.mean(clean, noise, 2), wanted)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_edit_friendly_inversion_gives_the_own_class_back_exactly(prediction: str):
    latents, found = edited("ddpm", levels(0.8, 20, prediction), own=1, other=1)
    assert (found.own == latents).all() and torch.allclose(found.other, latents, rtol=0, atol=1e-9)


def test_the_ddim_inversion_gives_the_own_class_back_where_the_answer_does_not_change():
    """The noise that is found on the way up is the one that is taken away on the way down, if it depends on the level alone."""
    steps = levels(0.6, 20)
    latents = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1)).double()
    same: Callable[[torch.Tensor, int], torch.Tensor] = lambda noisy, level: torch.full_like(noisy, 0.1 * level)  # noqa: E731
    other: Callable[[torch.Tensor, int], torch.Tensor] = lambda noisy, level: torch.full_like(noisy, 0.1 * level + 1)  # noqa: E731
    found = INVERSIONS["ddim"](Task(latents, steps, torch.zeros(2, len(steps), 3, 4, 4), same, other, same))
    assert torch.allclose(found.own, latents) and not torch.allclose(found.other, latents, atol=0.1)


@pytest.mark.parametrize("way", INVERSIONS)
def test_no_strength_changes_nothing_and_one_class_is_its_own_edit(way: str):
    latents, found = edited(way, levels(0.0), own=1, other=2)
    assert (found.own == latents).all() and (found.other == latents).all()
    _, same = edited(way, levels(0.4), own=3, other=3)
    assert torch.allclose(same.own, same.other, rtol=0, atol=1e-9)
    _, apart = edited(way, levels(0.4), own=1, other=2)
    assert not torch.allclose(apart.own, apart.other, atol=0.1)


def test_one_level_of_sdedit_by_hand():
    """One level: x = sqrt(a) z + sqrt(1 - a) n; an answer e leaves (x - sqrt(1 - a) e) / sqrt(a), so a change of
    e by 1 moves the latents by -sqrt((1 - a) / a)."""
    steps = levels(0.05, 10)
    kept = float(steps.kept[0])
    latents, noise = torch.zeros(1, 1, 2, 2).double(), torch.zeros(1, 1, 1, 2, 2).double()
    zero: Callable[[torch.Tensor, int], torch.Tensor] = lambda noisy, level: torch.zeros_like(noisy)  # noqa: E731
    one: Callable[[torch.Tensor, int], torch.Tensor] = lambda noisy, level: torch.ones_like(noisy)  # noqa: E731
    for way in ("sdedit", "ddpm"):
        found = INVERSIONS[way](Task(latents, steps, noise, zero, one, zero))
        assert torch.allclose(found.other - found.own, torch.tensor(-(((1 - kept) / kept) ** 0.5)).double())


def test_an_unknown_way_is_refused():
    with pytest.raises(InputError, match="inversion 'null-text'; expected one of ddpm, ddim, sdedit"):
        inversion_of("null-text")
