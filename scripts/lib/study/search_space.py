"""The files and settings of a search, and what its dotted keys hold.

Imported with the Snakefile, so it must stay light: no numpy, pandas, torch or optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.search_faults import default_faults
from scripts.lib.study.study import Study

SCORED = "validate"  # the split that proposals are scored on; never test: what chooses may not report


def defaults_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the keys of search.space hold in the configuration: the first proposal."""
    values = {}
    for key in config["search"]["space"]:
        value: Any = config
        for part in key.split("."):
            value = value[part]
        values[key] = value
    return values


def with_values(section: Mapping[str, Any], values: Mapping[str, Any], root: str = "class_ldm") -> dict[str, Any]:
    """Return a section with these dotted keys (of the whole configuration) replaced."""
    changed = dict(section)
    for key, value in values.items():
        first, *rest = key.removeprefix(f"{root}.").split(".")
        inner = changed[first]
        changed[first] = with_values(inner, {".".join(rest): value}, "") if rest else value
    return changed


def shortened(unet: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """Return the settings of a U-Net's training cut to `steps`: warm-up and running mean keep their share of it.

    A running mean of 0.995 looks back some 200 steps. In a training of 200 that is all of it, the first weights too, and settings
    would be chosen for how soon they leave these behind. A warm-up that is a share of the training (below 1) stays.
    """
    share, warmup = steps / unet["steps"], unet["warmup"]
    warmup = round(warmup * share) if isinstance(warmup, int) else warmup
    return {**unet, "steps": steps, "warmup": warmup, "ema": unet["ema"] ** (1 / share)}


def class_settings(config: Mapping[str, Any], part: str) -> dict[str, Any]:
    """Return what the training of one part reads of section class_ldm: `autoencoder`, with the run's keys, or all but it."""
    section = config["class_ldm"]
    run = {key: section[key] for key in ("device", "precision", "checkpoint_seconds")}
    return (
        {**run, **section["autoencoder"]}
        if part == "autoencoder"
        else {**run, "unet": section["unet"], "diffusion": section["diffusion"]}
    )


class Search:
    """The files and settings of a search, asked of class Study."""

    def __init__(self, study: Study) -> None:
        self.study, self.config = study, study.config
        self.places = list(range(self.config["search"]["proposals"]))

    def scores(self) -> list[str]:
        """Return the scores of all rounds, in the order of their numbers."""
        return self._scores(self.config["search"]["rounds"])

    def earlier(self, job: Any) -> list[str]:
        """Return the scores of all rounds before `job.round`."""
        return self._scores(int(job.round))

    def _scores(self, rounds: int) -> list[str]:
        return [f"results/search/round-{round}/score-{place}.json" for round in range(rounds) for place in self.places]

    def settings(self) -> dict[str, Any]:
        """Return what proposing reads: the space, its defaults, and how many proposals.

        Raises InputError where a default lies outside of the space.
        """
        if faults := list(default_faults(self.config)):
            raise InputError("; ".join(faults))
        search = self.config["search"]
        known = {key: search[key] for key in ("proposals", "startup", "space")}
        return {**known, "defaults": defaults_of(self.config)}

    def proposal_settings(self) -> dict[str, Any]:
        """Return what a proposal is trained and scored with."""
        search, fidelity = self.config["search"], self.config["fidelity"]
        score = {key: search[key] for key in ("steps", "images")} | {
            key: fidelity[key] for key in ("nearest", "batch_size")
        }
        return {"class_ldm": class_settings(self.config, "unet"), "sampling": self.config["sampling"], "search": score}
