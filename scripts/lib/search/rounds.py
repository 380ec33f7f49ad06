"""Rounds of proposals: what Optuna asks for next, given the scores of all earlier rounds, the same in every process.

Optuna's own storage depends on which job writes first. So a study is made anew for each round, in memory, from the scores in
the order of their numbers; it then asks for all proposals of the round, one after the other, the earlier ones still running.
Nothing depends on how many jobs train them or on which of them ends first.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import optuna

from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import derive_seed

COMPLETE, FAIL = "complete", "fail"
Distribution = optuna.distributions.BaseDistribution


@dataclass(frozen=True)
class Proposal:
    """Settings to try: `values` by dotted key; `number` counts the proposals of all rounds from 0."""

    number: int
    round: int
    values: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return what a file of it holds."""
        return asdict(self)


@dataclass(frozen=True)
class Score:
    """A proposal that was tried: `score` is None where the training failed, and `note` says why."""

    number: int
    round: int
    values: Mapping[str, Any]
    state: str
    score: float | None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return what a file of it holds."""
        return asdict(self)


def distribution(prior: Mapping[str, Any], value: Any) -> Distribution:
    """Return what a prior of search.space, of a key that holds `value`, means to Optuna."""
    if "choices" in prior:
        return optuna.distributions.CategoricalDistribution(prior["choices"])
    low, high, log = prior["low"], prior["high"], bool(prior.get("log"))
    if isinstance(value, int):
        return optuna.distributions.IntDistribution(low, high, log=log)
    return optuna.distributions.FloatDistribution(float(low), float(high), log=log)


def distributions(space: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Distribution]:
    """Return the distributions of all keys, in their alphabetical order: the order in a file must not matter."""
    return {key: distribution(space[key], defaults[key]) for key in sorted(space)}


def rebuilt(scores: Sequence[Score], space: Mapping[str, Distribution], seed: int, startup: int) -> optuna.Study:
    """Return an in-memory study that knows these scores, in the order of their numbers."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=seed % 2**32, n_startup_trials=startup, multivariate=True, constant_liar=True
        )
    study = optuna.create_study(direction="minimize", sampler=sampler)
    for score in sorted(scores, key=lambda one: one.number):
        state = optuna.trial.TrialState.COMPLETE if score.state == COMPLETE else optuna.trial.TrialState.FAIL
        study.add_trial(
            optuna.trial.create_trial(
                state=state, value=score.score, params=dict(score.values), distributions=dict(space)
            )
        )
    return study


def propose(scores: Sequence[Score], settings: Mapping[str, Any], round: int, seed: int) -> list[Proposal]:
    """Return the proposals of a round; the first of all holds the defaults.

    scores    those of all earlier rounds
    settings  the section search, and `defaults`: what the keys of its space hold in the configuration

    Raises InputError where a score of an earlier round is missing, or all of them failed.
    """
    count, defaults = settings["proposals"], settings["defaults"]
    expected = list(range(round * count))
    if sorted(one.number for one in scores) != expected:
        raise InputError(
            f"round {round}: scores of proposals {sorted(one.number for one in scores)}; expected those of {expected}"
        )
    check_any(scores)
    space = distributions(settings["space"], defaults)
    study = rebuilt(scores, space, derive_seed(seed, "search", round), settings["startup"])
    if round == 0:
        study.enqueue_trial(dict(defaults))
    asked = [study.ask(fixed_distributions=dict(space)) for _ in range(count)]
    return [Proposal(round * count + number, round, dict(trial.params)) for number, trial in enumerate(asked)]


def check_any(scores: Sequence[Score]) -> None:
    """Raise InputError where there are scores and all of them failed: there is nothing to learn from."""
    if scores and all(one.state == FAIL for one in scores):
        raise InputError(
            f"all {len(scores)} proposals failed, the last one: {scores[-1].note or 'no reason given'}; narrow search.space "
            f"around settings that train"
        )


def best_of(scores: Sequence[Score]) -> Score:
    """Return the proposal with the lowest score, the first of equals; raises InputError where all failed."""
    check_any(scores)
    return min((one for one in scores if one.state == COMPLETE), key=lambda one: (one.score, one.number))
