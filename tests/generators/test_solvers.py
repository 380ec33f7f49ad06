"""The solvers against closed forms, and the keys of a scheduler_config.json that mean something else to another class."""

from __future__ import annotations

import inspect

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, PNDMScheduler

from scripts.lib.core.errors import InputError
from scripts.lib.generators.controlled.denoising import build_scheduler
from scripts.lib.generators.solvers import COMMON, NEEDED, OPTIONAL, SOLVERS, make_solver, noise_schedule
from scripts.lib.training.settings import Section

BETAS = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
OWN = {"train_timesteps": 1000, **{key: BETAS[key] for key in NEEDED[1:]}, "prediction": "epsilon"}
# What folders hold: RoentGen's (Stable Diffusion 1.x as published), the same saved again by a newer diffusers, which adds
# PNDM's defaults, Stable Diffusion 2.1's, and files that would cut latents.
SD1 = {"_class_name": "PNDMScheduler", **BETAS, "clip_sample": False, "set_alpha_to_one": False, "skip_prk_steps": True}
SD1 |= {"steps_offset": 1, "trained_betas": None}
FOLDERS = {
    "own": dict(build_scheduler(Section(OWN, "diffusion")).config),
    "sd1": SD1,
    "sd1-resaved": SD1 | {"timestep_spacing": "leading", "prediction_type": "epsilon"},
    "sd2-v": SD1 | {"_class_name": "DDIMScheduler", "prediction_type": "v_prediction"},
    "bare": BETAS,
    "clipping": BETAS
    | {"clip_sample": True, "thresholding": True, "final_sigmas_type": "sigma_min", "solver_order": 3},
}
TERMINAL = SD1 | {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
GREY = 60.0  # grey levels that a latent of 1 stands for: a film's standard deviation is about this


def solver_of(name: str, steps: int, config: dict | None = None):
    return make_solver(
        FOLDERS["own"] if config is None else config, Section({"solver": name, "steps": steps}, "sampling")
    )


def solve(name: str, steps: int, clean, config: dict | None = None, z: torch.Tensor | None = None) -> torch.Tensor:
    """Return the latents that a solver makes of z; `clean(z, a)` is E[z_0 | z_t], of which the exact guess is made."""
    solver = solver_of(name, steps, config)
    z = torch.ones(1, 1, 1, 1, dtype=torch.float64) if z is None else z
    for step in solver.timesteps:
        a = solver.alphas_cumprod[step].double()
        x = clean(z, a)
        noise = (z - a.sqrt() * x) / (1 - a).sqrt()
        guess = noise if solver.config.prediction_type == "epsilon" else a.sqrt() * noise - (1 - a).sqrt() * x
        z = solver.step(guess, step, z, return_dict=False)[0]
    return z


def unit(z: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """E[z_0 | z_t] of N(0, 1) data: the covariance of both is sqrt(a), the variance of z_t 1."""
    return a.sqrt() * z


def films(z: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """E[z_0 | z_t] of latents that are lung (-1, deviation 0.4) or not (1, deviation 0.6), one half each."""
    means, deviations = torch.tensor([-1.0, 1.0]).double(), torch.tensor([0.4, 0.6]).double()
    z, spread = z[..., None], a * deviations**2 + 1 - a
    share = (-0.5 * (z - a.sqrt() * means) ** 2 / spread - 0.5 * spread.log()).softmax(-1)
    return (share * (means + a.sqrt() * deviations**2 / spread * (z - a.sqrt() * means))).sum(-1)


@pytest.mark.parametrize("name", SOLVERS)
def test_every_key_of_a_solver_is_set_here(name):
    kind, options = SOLVERS[name]
    keys = set(inspect.signature(kind.__init__).parameters) - {"self"}
    assert keys == {*NEEDED, *OPTIONAL, *COMMON, *options}


@pytest.mark.parametrize("folder", FOLDERS)
def test_ddim_on_normal_data_is_the_product_of_its_turns(folder):
    """z_t = cos(u) x + sin(u) e with cos(u)^2 = a. From u to v DDIM makes cos(v) cos(u) z + sin(v) sin(u) z of the exact
    z_0 = cos(u) z and noise sin(u) z: the factor cos(u - v), the last step to v = 0."""
    solver = solver_of("ddim", 50, FOLDERS[folder])
    turns = torch.arccos(solver.alphas_cumprod.double()[solver.timesteps].sqrt())
    expected = torch.cos(turns - torch.cat([turns[1:], torch.zeros(1)])).prod().item()
    assert solver.timesteps[0] == 999 and len(solver.timesteps) == 50
    assert solve("ddim", 50, unit, FOLDERS[folder]).item() == pytest.approx(expected, rel=1e-5)
    assert expected == pytest.approx(0.9692, abs=5e-4)  # DDIMScheduler with clip_sample: 0.71


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize(("name", "at_10", "at_50"), [("dpmsolver++", 0.947, 0.9925), ("unipc", 0.9537, 0.9918)])
def test_second_order_solvers_keep_the_deviation_of_normal_data(folder, name, at_10, at_50):
    for steps, expected in ((10, at_10), (50, at_50), (200, 0.9977)):  # 1 in the limit
        assert solve(name, steps, unit, FOLDERS[folder]).item() == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("folder", [*FOLDERS, "terminal"])
def test_every_solver_is_within_two_grey_levels_of_a_200_step_reference(name, folder):
    z = torch.randn(4, 1, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    config = TERMINAL if folder == "terminal" else FOLDERS[folder]
    reference = solve("dpmsolver++", 200, films, TERMINAL if folder == "terminal" else None, z)
    made = solve(name, 50, films, config, z)
    assert GREY * (made - reference).pow(2).mean().sqrt() < 2
    assert (reference.abs() > 1).double().mean() > 0.3  # what clipping would have cut


def test_ddim_is_diffusers_own_update_at_any_number_of_steps():
    """75 does not divide 1000: DDIMScheduler would step to t - 13 and call the network at t - 13.33."""
    for steps in (7, 50, 75, 999):
        solver, z = solver_of("ddim", steps), torch.full((1, 1, 1, 1), 0.7, dtype=torch.float64)
        kept = solver.alphas_cumprod.double()[solver.timesteps]
        for now, then in zip(kept, torch.cat([kept[1:], torch.ones(1)])):
            clean = films(z, now)
            z = then.sqrt() * clean + (1 - then).sqrt() * (z - now.sqrt() * clean) / (1 - now).sqrt()
        start = torch.full((1, 1, 1, 1), 0.7, dtype=torch.float64)
        assert solve("ddim", steps, films, z=start).item() == pytest.approx(z.item(), abs=1e-4)


@pytest.mark.parametrize("folder", ["own", "sd1", "bare"])
def test_the_default_solver_is_the_one_of_diffusers_to_the_last_bit(folder):
    stock = DPMSolverMultistepScheduler.from_config(FOLDERS[folder], algorithm_type="dpmsolver++", solver_order=2)
    stock.set_timesteps(10)
    solver = solver_of("dpmsolver++", 10, FOLDERS[folder])
    assert torch.equal(stock.timesteps, solver.timesteps) and torch.equal(stock.sigmas, solver.sigmas)
    z = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    one, other = z, z
    for step in solver.timesteps:
        one, other = (s.step(0.3 * x, step, x, return_dict=False)[0] for s, x in ((stock, one), (solver, other)))
    assert torch.equal(one, other)


def test_a_base_of_ours_says_to_every_class_that_latents_are_not_clipped(tmp_path):
    build_scheduler(Section(OWN, "diffusion")).save_pretrained(tmp_path)
    for kind in (DPMSolverMultistepScheduler, DDIMScheduler, PNDMScheduler):
        config = kind.from_pretrained(tmp_path).config
        assert config.beta_schedule == "scaled_linear" and config.prediction_type == "epsilon"
        assert config.get("clip_sample") is False and config.get("thresholding") is False
        # diffusers lists here what the file lacks and the class has filled in.
        assert set(config.get("_use_default_values", [])) <= {"clip_sample_range"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta_end": None}, "beta_end missing"),
        ({"num_train_timesteps": "1000"}, "num_train_timesteps = '1000'"),
        ({"beta_start": -1}, "beta_start = -1"),
        ({"beta_schedule": "sigmoid"}, "beta_schedule = 'sigmoid'; expected one of linear"),
        ({"prediction_type": "flow_prediction"}, "prediction_type = 'flow_prediction'; expected one of epsilon"),
        ({"beta_start": 0.02}, "beta_start = 0.02 is above beta_end = 0.012"),
        ({"rescale_betas_zero_snr": True}, "rescale_betas_zero_snr with prediction_type epsilon"),
        ({"rescale_betas_zero_snr": "no"}, "rescale_betas_zero_snr = 'no'"),
        ({"trained_betas": [0.1, 0.2]}, "trained_betas; expected 1000 numbers"),
    ],
)
def test_a_schedule_that_cannot_be_obeyed_is_refused(change, message):
    with pytest.raises(InputError, match=f"^here: {message}"):
        noise_schedule({**BETAS, **change}, "here")


def test_trained_betas_stand_alone_and_other_solver_keys_are_ours():
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000).pow(2).tolist()
    solver = solver_of("unipc", 20, {"num_train_timesteps": 1000, "trained_betas": betas})
    assert torch.allclose(solver.alphas_cumprod, solver_of("unipc", 20).alphas_cumprod)
    assert solver_of("dpmsolver++", 10, FOLDERS["clipping"]).config.solver_order == 2


@pytest.mark.parametrize("steps", [0, 1000, 1001])
def test_more_steps_than_the_schedule_has_are_refused(steps):
    with pytest.raises(InputError, match=rf"sampling.steps = {steps}; .* 1000 steps allows 1 to 999"):
        solver_of("ddim", steps)
