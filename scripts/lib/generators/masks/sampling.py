"""Make masks of asks, stage by stage: each stage is one pass of the solver loop that makes images, given what earlier ones drew.

A mask depends on the study seed, the generator, its condition and repeat alone. One that is not valid, or does not show what was
asked for, is drawn again with the next number, up to `tries`. The best of the tries is kept and says what is wrong of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.mask_prompts import Ask, ask_text, missed_of
from scripts.lib.conditions.mask_shape import faults_of
from scripts.lib.conditions.mask_shuffle import shuffled_fields
from scripts.lib.conditions.mask_table import annotated_rows
from scripts.lib.conditions.subset import choose_subset
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import progress
from scripts.lib.generators.masks.network import SCHEDULE, MaskGenerator, network_input, text_states
from scripts.lib.generators.masks.training import finding_parts, stage_masks
from scripts.lib.generators.protocol import Condition, ImageRequest
from scripts.lib.generators.solving import Sampler
from scripts.lib.training.devices import place
from scripts.lib.training.settings import Section

TRY = 10**6  # how far apart the repeats of one mask's tries are; a condition has fewer repeats


@dataclass(frozen=True)
class MaskRequest:
    """One mask to make: what it shall show, and its number among the masks of its condition."""

    condition_id: str
    sample: int
    ask: Ask


@dataclass(frozen=True)
class MadeMask:
    """A mask, uint8 (H, W), how often it was drawn, what is not valid of it, and what it was asked for and does not show.

    first_faults and first_missed are the same of the first draw.
    """

    field: np.ndarray
    tries: int
    faults: tuple[str, ...]
    missed: tuple[str, ...] = ()
    first_faults: tuple[str, ...] = ()
    first_missed: tuple[str, ...] = ()


def looked_at(
    field: np.ndarray, ask: Ask, structures: Sequence[str], notes: Mapping[str, Any], tries: int = 1
) -> MadeMask:
    """Return a mask with what is wrong of it; `notes` of the generator hold `limits` and `least` of real masks."""
    faults = tuple(faults_of(field, structures, notes["limits"]))
    missed = tuple(missed_of(field, structures, ask, notes["least"]))
    return MadeMask(field, tries, faults, missed, faults, missed)


class StageModel:
    """One stage of a mask generator as protocol.Model: `known` numbers are given, the stage's parts are drawn."""

    def __init__(self, made: MaskGenerator, stage: int, settings: Section) -> None:
        self.made, self.stage = made, stage
        self.placement = place(settings)
        self.network = made.network.to(self.placement.device)
        self.drawn, self.given = (part[stage] for part in stage_masks(made))
        self._seen = (made.basis.used * self.drawn[:, None]).to(self.device)
        self._findings = finding_parts(made).float()
        self.asks: dict[str, Ask] = {}
        self.known: dict[str, torch.Tensor] = {}

    @property
    def resolution(self) -> int:
        return self.made.code.resolution

    @property
    def shape(self) -> tuple[int, int, int]:
        return (*self.made.basis.shape, 1)

    @property
    def scaling(self) -> float:
        return 1.0

    @property
    def fingerprint(self) -> str:
        return self.made.fingerprint

    @property
    def lineage(self) -> str:
        """Each stage draws noise of its own."""
        return f"{self.made.fingerprint}-{self.stage}"

    @property
    def schedule(self) -> Mapping[str, Any]:
        return SCHEDULE

    @property
    def device(self) -> torch.device:
        return self.placement.device

    def warn_about(self, prompts: Sequence[str]) -> None:
        """Prompts are written here, so none can be too long to be read."""

    def condition(self, requests: Sequence[ImageRequest]) -> Condition:
        """Return words, known numbers and flags of requests whose asks and known numbers were set beside."""
        asks = [self.asks[request.name] for request in requests]
        known = torch.stack([self.known[request.name] for request in requests])
        count = len(requests)
        parts = {
            "text": text_states([ask_text(ask) for ask in asks], self.made),
            "known": known,
            "asked": self.made.code.asked(asks),
            "told": self._findings.expand(count, -1),
            "given": self.given.float().expand(count, -1),
        }
        return {name: part.to(self.device) for name, part in parts.items()}

    def null(self, requests: Sequence[ImageRequest], condition: Condition) -> Condition | None:
        """Return the same without the ask: the anatomy that is given stays."""
        silent = {name: torch.zeros_like(condition[name]) for name in ("text", "asked", "told")}
        return {**condition, **silent}

    def predict(self, latents: torch.Tensor, step: torch.Tensor, condition: Condition) -> torch.Tensor:
        """Return the network's v; parts that this stage does not draw are seen as in training, 0."""
        seen = network_input(
            latents[..., 0] * self._seen,
            condition["known"],
            condition["asked"],
            condition["told"],
            condition["given"],
        )
        with self.placement.autocast():
            answer = self.network(seen, step.expand(len(seen)), condition["text"])
        return answer.float().view_as(latents)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents


class MaskSampler:
    """Make masks; `settings` is the section `masks.sampling`, `seed` that of the study."""

    def __init__(self, made: MaskGenerator, settings: Section, seed: int) -> None:
        self.made, self.settings = made, settings
        models = [StageModel(made, stage, settings) for stage in range(len(made.stages))]
        self.loops = [_Loop(model, settings, seed) for model in models]
        self.micro_batch: int = settings["micro_batch"]
        self.notes = made.notes

    def masks(self, requests: Sequence[MaskRequest]) -> list[MadeMask]:
        """Return the masks of requests in their order, each drawn up to `tries` times until nothing is wrong of it.

        Of several draws a valid one counts before one that is not, then the one that misses least, then the first.
        """
        made: dict[int, MadeMask] = {}
        waiting = list(range(len(requests)))
        for attempt in range(self.settings["tries"]):
            fields = self._fields([_again(requests[row], attempt) for row in waiting])
            for row, field in zip(waiting, fields, strict=True):
                drawn = looked_at(field, requests[row].ask, self.made.code.structures, self.notes, attempt + 1)
                made[row] = _better(made[row], drawn) if attempt else drawn
            waiting = [row for row in waiting if made[row].faults or made[row].missed]
            if not waiting:
                break
        return [made[row] for row in range(len(requests))]

    def _fields(self, requests: Sequence[MaskRequest]) -> np.ndarray:
        """Return masks uint8 (n, H, W), each drawn once."""
        parts = [requests[k : k + self.micro_batch] for k in range(0, len(requests), self.micro_batch)]
        return np.concatenate([self._part(part) for part in parts])

    def _part(self, requests: Sequence[MaskRequest]) -> np.ndarray:
        basis, size = self.made.basis, self.made.code.resolution
        plain = [ImageRequest(one.condition_id, one.sample, None, None) for one in requests]
        known = {request.name: torch.zeros(basis.shape) for request in plain}
        field = np.zeros((len(requests), size, size), np.uint8)
        for loop in self.loops:
            model = loop.stage_model
            model.asks = {request.name: one.ask for request, one in zip(plain, requests)}
            model.known = known
            places = torch.nonzero(model.drawn).flatten().tolist()
            field = basis.decode(loop.numbers(plain), places, field)
            # What the next stage sees is the code of the mask itself, as in training, not the answer of the network.
            drawn = basis.encode(field) * model.drawn[:, None]
            known = {request.name: known[request.name] + own for request, own in zip(plain, drawn)}
        return field


class _Loop(Sampler):
    """The solver loop of one stage."""

    def __init__(self, model: StageModel, settings: Section, seed: int) -> None:
        super().__init__(model, settings, seed)
        self.stage_model = model

    @torch.inference_mode()
    def numbers(self, requests: Sequence[ImageRequest]) -> torch.Tensor:
        """Return clean numbers (n, parts, k + 1) on the CPU; raises InputError when one is not finite."""
        padded = [*requests, *[requests[-1]] * (self.micro_batch - len(requests))]
        made = self._denoise(padded)[: len(requests), ..., 0].float().cpu()
        broken = ~torch.isfinite(made).flatten(1).all(1)
        if broken.any():
            name = next(request.name for request, bad in zip(requests, broken) if bad)
            raise InputError(f"{int(broken.sum())} masks are not finite, e.g. {name}; lower masks.sampling.guidance")
        return made


def _better(kept: MadeMask, drawn: MadeMask) -> MadeMask:
    """Return the better of two draws of a mask, with the number of draws and what was wrong of the first."""
    best = min(kept, drawn, key=lambda one: (bool(one.faults), len(one.missed)))
    return replace(best, tries=drawn.tries, first_faults=kept.first_faults, first_missed=kept.first_missed)


def _again(request: MaskRequest, attempt: int) -> MaskRequest:
    return MaskRequest(request.condition_id, request.sample + attempt * TRY, request.ask)


def draw_masks(made: MaskGenerator, table: pd.DataFrame, settings: Section, seed: int) -> list[MadeMask]:
    """Return a generated mask for each row of a table of masks (conditions/mask_table.py)."""
    rows = zip(table["condition_id"], table["sample"], table["ask"])
    requests = [MaskRequest(name, int(sample), json.loads(ask)) for name, sample, ask in rows]
    sampler = MaskSampler(made, settings, seed)
    size = 4 * sampler.micro_batch
    parts = range(0, len(requests), size)
    return [
        mask
        for start in progress(parts, total=len(parts), desc=f"batches of {size}")
        for mask in sampler.masks(requests[start : start + size])
    ]


def shuffle_masks(
    cohort: Cohort,
    table: pd.DataFrame,
    subset: tuple[pd.DataFrame, Mapping[str, Any], str, float],
    made: MaskGenerator,
    seed: int,
) -> list[MadeMask]:
    """Return a shuffled mask for each row; `subset`: ranks, what trials set aside, dataset and fraction.

    They are held against the same limits and asks as generated ones, but not drawn again: the control is what it is.
    """
    ranks, settings, dataset, fraction = subset
    films = {
        int(trial): annotated_rows(
            cohort, choose_subset(cohort, ranks, settings, dataset, int(trial), fraction, seed).learned
        )
        for trial in table["trial"].unique()
    }
    fields = shuffled_fields(cohort, table, films, seed)
    asks = (json.loads(text) for text in table["ask"])
    return [looked_at(field, ask, cohort.structures, made.notes) for field, ask in zip(fields, asks, strict=True)]
