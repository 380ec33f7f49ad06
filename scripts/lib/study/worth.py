"""What the tables read that ask what synthetic films are worth, for whom, and at which price: one mapping for all datasets.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scripts.lib.study.config import stage
from scripts.lib.study.study import Study


def worth_settings(study: Study, datasets: Sequence[str], keys: Sequence[str], curve: bool = False) -> dict[str, Any]:
    """Return {statistics, trials, seed, datasets: [{name, task, empty_policy, predictions}]} of some datasets.

    statistics: the keys of that section that the table depends on, so that a change of the others redoes nothing.
    predictions: paths with {} for the number of a trial; with `curve` also those at `study.real_fractions`.
    """
    entries = []
    for name in datasets:
        patterns = study.curve_patterns(name) if curve else study.trial_patterns(name, study.arms, study.fractions)
        policy = study.scoring_settings(name).get("empty_policy", "exclude")
        task = study.config["datasets"][name]["task"]
        entries.append({"name": name, "task": task, "empty_policy": policy, "predictions": patterns})
    about = {"trials": study.trials, "seed": study.seed, "datasets": entries}
    return {"statistics": {key: study.config["statistics"][key] for key in keys}, **about}


def failure_settings(study: Study) -> dict[str, Any]:
    """Return the same for the films that got worse, with `figures`, whose arm and datasets the sheet shows."""
    return {**worth_settings(study, study.datasets, []), "figures": stage(study.config, "figure2")}
