"""The noise schedule of a base model, which is obeyed, and the solvers that sample on it, which are set here in full.

A diffusers folder keeps both in one file, scheduler_config.json, and a class takes its own default for each key that the
file lacks. So the same file means something else to another solver: Stable Diffusion's has no `timestep_spacing`, which
is `leading` to DDIMScheduler and `linspace` to DPMSolverMultistepScheduler; and a file that DPMSolverMultistepScheduler
has written has no `clip_sample`, which is true to DDIMScheduler and cuts latents to +-1 (StableDiffusionPipeline turns it
off; a scheduler made with `from_config` keeps it). Here the file decides what the U-Net was trained with, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler

from scripts.lib.core.errors import InputError
from scripts.lib.training.settings import Section

NEEDED = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule")
# What diffusers' schedulers take for the keys that a folder may lack: all classes the same.
OPTIONAL = {"trained_betas": None, "prediction_type": "epsilon", "rescale_betas_zero_snr": False}
BETA_SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")
PREDICTIONS = ("epsilon", "v_prediction")

# Latents have no bounds, so nothing is clipped. Steps start at the last step of the schedule, which alone is pure noise,
# and end without noise. These are the defaults of diffusers 0.42 for both classes.
COMMON: dict[str, Any] = {
    "thresholding": False,
    "dynamic_thresholding_ratio": 0.995,
    "sample_max_value": 1.0,
    "timestep_spacing": "linspace",
    "steps_offset": 0,
    "final_sigmas_type": "zero",
    "lower_order_final": True,
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
    "use_flow_sigmas": False,
    "flow_shift": 1.0,
    "use_dynamic_shifting": False,
    "time_shift_type": "exponential",
}
DPM: dict[str, Any] = {
    "algorithm_type": "dpmsolver++",
    "solver_type": "midpoint",
    "euler_at_final": False,
    "use_lu_lambdas": False,
    "lambda_min_clipped": -float("inf"),
    "variance_type": None,
}
UNIPC: dict[str, Any] = {
    "solver_type": "bh2",
    "predict_x0": True,
    "disable_corrector": [],
    "solver_p": None,
    "sigma_min": None,
    "sigma_max": None,
    "shift_terminal": None,
}
# DDIM is DPM-Solver++ of order 1 (Lu et al. 2022, section 4). DDIMScheduler itself takes t - T // steps for the next step,
# which is another one than it visits next wherever `steps` does not divide T, and with `linspace` always.
SOLVERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "dpmsolver++": (DPMSolverMultistepScheduler, {**DPM, "solver_order": 2}),
    "unipc": (UniPCMultistepScheduler, {**UNIPC, "solver_order": 2}),
    "ddim": (DPMSolverMultistepScheduler, {**DPM, "solver_order": 1}),
}
# For other programs that open a base of ours with a scheduler of their choice: what Stable Diffusion's own file says.
STORED = {"clip_sample": False, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1}


def noise_schedule(config: Mapping[str, Any], source: str = "scheduler_config.json") -> dict[str, Any]:
    """Return what the U-Net was trained with, every key (NEEDED and OPTIONAL) stated; `source` names the file in errors.

    Raises InputError when a key is missing or has a value that no solver here can use.
    """
    given = {key: config.get(key) for key in NEEDED} | {
        key: default if config.get(key) is None else config[key] for key, default in OPTIONAL.items()
    }
    betas = given["trained_betas"]
    missing = [key for key in NEEDED if given[key] is None and (key == "num_train_timesteps" or betas is None)]
    if missing:
        raise InputError(
            f"{source}: {', '.join(missing)} missing; expected the noise schedule of a Stable Diffusion model"
        )
    steps = given["num_train_timesteps"]
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 2:
        raise InputError(f"{source}: num_train_timesteps = {steps!r}; expected a whole number from 2")
    if betas is not None:
        if not _numbers(betas) or len(betas) != steps:
            raise InputError(f"{source}: trained_betas; expected {steps} numbers between 0 and 1")
        given = {key: value for key, value in given.items() if value is not None}
    else:
        if not _numbers([given["beta_start"], given["beta_end"]]):
            raise InputError(
                f"{source}: beta_start = {given['beta_start']!r}, beta_end = {given['beta_end']!r}; expected numbers "
                f"between 0 and 1"
            )
        if given["beta_start"] > given["beta_end"]:
            raise InputError(
                f"{source}: beta_start = {given['beta_start']} is above beta_end = {given['beta_end']}; noise grows with the "
                f"steps, so expected the smaller one first"
            )
        _one_of(given, "beta_schedule", BETA_SCHEDULES, source)
    _one_of(given, "prediction_type", PREDICTIONS, source)
    _one_of(given, "rescale_betas_zero_snr", (True, False), source)
    if given["rescale_betas_zero_snr"] and given["prediction_type"] == "epsilon":
        raise InputError(
            f"{source}: rescale_betas_zero_snr with prediction_type epsilon; the first step sees noise alone, from whose "
            f"noise nothing follows (Lin et al. 2023), so expected v_prediction or rescale_betas_zero_snr false"
        )
    return given


def make_solver(config: Mapping[str, Any], settings: Section) -> Any:
    """Return the deterministic solver that `solver` names, on the base's noise schedule, with `steps` steps set.

    Raises InputError when the schedule has too few steps for them.
    """
    schedule = noise_schedule(config)
    settings.one_of("solver", *SOLVERS)
    kind, options = SOLVERS[settings["solver"]]
    steps, limit = settings["steps"], schedule["num_train_timesteps"]
    if not 1 <= steps < limit:
        raise InputError(
            f"settings: {settings.name}.steps = {steps}; this base's noise schedule of {limit} steps allows 1 to {limit - 1}"
        )
    solver = kind(**schedule, **COMMON, **options)
    solver.set_timesteps(steps)
    return solver


def training_scheduler(config: Mapping[str, Any]) -> DPMSolverMultistepScheduler:
    """Return the noise schedule as a diffusers object, for trainings: `alphas_cumprod` and `config`."""
    kind, options = SOLVERS["dpmsolver++"]
    return kind(**noise_schedule(config), **COMMON, **options)


def stored_scheduler(config: Mapping[str, Any]) -> DPMSolverMultistepScheduler:
    """Return the scheduler whose `save_pretrained` writes a file that every class of diffusers reads alike."""
    scheduler = training_scheduler(config)
    scheduler.register_to_config(**STORED)
    return scheduler


def _numbers(values: Any) -> bool:
    return isinstance(values, (list, tuple)) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1 for value in values
    )


def _one_of(given: Mapping[str, Any], key: str, allowed: tuple[Any, ...], source: str) -> None:
    if not any(given[key] is value or given[key] == value and isinstance(value, str) for value in allowed):
        raise InputError(f"{source}: {key} = {given[key]!r}; expected one of {', '.join(map(str, allowed))}")
