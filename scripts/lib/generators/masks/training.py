"""Train the mask generator: several structures at once, some of them given, and only what was annotated counts in the loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.mask_prompts import Ask, ask_of, ask_text, findings_of
from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.generators.controlled.denoising import draw_timesteps
from scripts.lib.generators.masks.basis import MaskBasis, check_round_trip, fit_basis
from scripts.lib.generators.masks.coding import MaskCode
from scripts.lib.generators.masks.network import SCHEDULE, MaskGenerator, network_input, text_states
from scripts.lib.generators.solvers import training_scheduler
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement
from scripts.lib.training.loop import Trainer
from scripts.lib.training.settings import Section

LEAST_FILMS = 20  # that show a structure, or it cannot be learned
STAGE = "train_mask_model"


@dataclass(frozen=True)
class MaskFilms:
    """Masks to learn from: the numbers of each (n, parts, k + 1), what it shows, and which of its parts may be used."""

    numbers: torch.Tensor
    asks: list[Ask]
    usable: torch.Tensor
    basis: MaskBasis


def read_films(cohort: Cohort, rows: np.ndarray, code: MaskCode, directions: int) -> MaskFilms:
    """Return these rows of a cohort, coded along `directions` of each part.

    A part may be used where its structure was looked for and the structure in whose box it is seen is shown. Raises InputError
    for a structure that too few films show, or that the coding loses.
    """
    fields = cohort.masks(rows)
    annotated = cohort.index["annotated"].to_numpy()[rows].astype(np.int64)
    looked = {name: (annotated >> bit) & 1 == 1 for bit, name in enumerate(code.structures)}
    for name in code.structures:
        shown = int((code.layer(fields, name).any((1, 2)) & looked[name]).sum())
        if shown < LEAST_FILMS:
            raise InputError(
                f"masks: {name} is shown by {shown} of {len(rows)} films to learn from, expected {LEAST_FILMS} or more; leave it "
                f"out of the dataset's structures, or join classes (reader.groups)"
            )
    framed = {name: code.layer(fields, name).any((1, 2)) for name in code.structures}
    usable = np.stack([looked[part.structure] & framed.get(code.frame_of(part), True) for part in code.parts], axis=1)
    unframed = int((~usable & np.stack([looked[part.structure] for part in code.parts], axis=1)).any(1).sum())
    if unframed:
        log(
            f"{STAGE}: {unframed} of {len(rows)} films teach no finding, as they lack the lungs or heart that it lies in"
        )
    basis = fit_basis(code, fields, usable, directions)
    check_round_trip(basis, fields[usable.all(1)])
    asks = [ask_of(field, code.structures) for field in fields]
    return MaskFilms(basis.encode(fields), list(asks), torch.from_numpy(usable), basis)


def train_masks(
    made: MaskGenerator, films: MaskFilms, settings: Section, seed: int, placement: Placement, checkpoints: Checkpoints
) -> None:
    """Train the network of `made` in place; `settings` is the section `masks`.

    A film is shown in one stage after another by chance: the numbers of earlier stages are given, those of this stage are noisy,
    those of later stages absent. The ask is left out of a share `dropout` of the films, and single structures of it as well, so
    that the network also learns what goes together.
    """
    network = made.network.to(placement.device).train()
    kept_by_step = training_scheduler(SCHEDULE).alphas_cumprod
    prompts = [ask_text(ask) for ask in films.asks]
    known_prompts = list(dict.fromkeys(prompts))
    words = torch.tensor([known_prompts.index(prompt) for prompt in prompts])
    different = text_states(known_prompts, made)
    asked, draws, findings = made.code.asked(films.asks), stage_masks(made), finding_parts(made)
    shares = torch.tensor([float(share) for share in settings["stage_shares"]])
    basis = films.basis
    # A direction says something of a part that is there alone.
    counts = torch.where(films.numbers[:, :, :1] > 0, basis.weights, basis.weights * _first(basis.weights))

    def loss(chosen: np.ndarray, noise: torch.Generator) -> torch.Tensor:
        count, place = len(chosen), torch.from_numpy(chosen)
        stage = torch.multinomial(shares, count, replacement=True, generator=noise)
        looked, numbers = films.usable[place], films.numbers[place]
        drawn = draws[0][stage] & looked  # what nobody looked for is unknown, not absent
        given = draws[1][stage] & looked & (torch.rand(looked.shape, generator=noise) >= settings["known_dropout"])
        heard = torch.rand(count, 1, generator=noise) >= settings["dropout"]
        told = findings & looked & heard & (torch.rand(looked.shape, generator=noise) >= settings["structure_dropout"])
        steps = draw_timesteps(count, SCHEDULE["num_train_timesteps"], noise)[torch.randperm(count, generator=noise)]
        gaussian = torch.randn(numbers.shape, generator=noise)
        kept = kept_by_step[steps].view(-1, 1, 1)
        noisy = (kept.sqrt() * numbers + (1 - kept).sqrt() * gaussian) * basis.used * drawn[:, :, None]
        flags = (asked[place], told.float(), given.float())
        seen = network_input(noisy, numbers * given[:, :, None], *flags)
        text = different[words[place]] * heard.view(-1, 1, 1)
        answer = network(*(part.to(placement.device) for part in (seen, steps, text))).float()
        wanted = (kept.sqrt() * gaussian - (1 - kept).sqrt() * numbers).flatten(1).to(placement.device)
        weight = (counts[place] * drawn[:, :, None]).flatten(1).to(placement.device)
        return ((answer - wanted) ** 2 * weight).sum() / weight.sum().clamp(min=1.0)

    log(f"{STAGE}: {len(films.asks)} films, {len(known_prompts)} different prompts, {basis.shape[0]} parts")
    Trainer({"network": network}, settings, seed, STAGE, placement).train(loss, len(films.asks), checkpoints)
    network.eval()


def _first(weights: torch.Tensor) -> torch.Tensor:
    """Return 1 for the number that says whether a part is there, and 0 for the others."""
    return (torch.arange(weights.shape[1]) == 0).float().expand_as(weights)


def finding_parts(made: MaskGenerator) -> torch.Tensor:
    """Return which parts are no anatomy, bool (parts,): those of which an ask can say something."""
    findings = torch.zeros(len(made.code.parts), dtype=torch.bool)
    findings[made.places(findings_of(made.code.structures))] = True
    return findings


def stage_masks(made: MaskGenerator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return by stage, bool (stages, parts), which parts it draws and which are given, those of earlier stages."""
    drawn = torch.zeros(len(made.stages), len(made.code.parts), dtype=torch.bool)
    given = drawn.clone()
    for number, names in enumerate(made.stages):
        drawn[number, made.places(names)] = True
        given[number + 1 :, made.places(names)] = True
    return drawn, given
