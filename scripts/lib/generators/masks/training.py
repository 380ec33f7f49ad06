"""Train the mask generator: several structures at once, some of them given, and only what was annotated counts in the loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.mask_prompts import Ask, ask_of, ask_text, findings_of
from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.generators.controlled.denoising import add_noise, draw_timesteps, target
from scripts.lib.generators.controlled.foundation import fast_layout
from scripts.lib.generators.masks.coding import MaskCode, check_round_trip
from scripts.lib.generators.masks.network import SCHEDULE, MaskGenerator, ask_planes, network_input, text_states
from scripts.lib.generators.solvers import training_scheduler
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement
from scripts.lib.training.loop import Trainer
from scripts.lib.training.settings import Section

LEAST_FILMS = 20  # that show a structure, or it cannot be learned
STAGE = "train_mask_model"


@dataclass(frozen=True)
class MaskFilms:
    """Masks to learn from: maps (n, channels, g, g), what each shows, and bool (n, structures) whether it was annotated."""

    maps: torch.Tensor
    asks: list[Ask]
    annotated: torch.Tensor


def read_films(cohort: Cohort, rows: np.ndarray, code: MaskCode) -> MaskFilms:
    """Return these rows of a cohort; raises InputError for a structure that too few of them show, or the coding loses."""
    fields = cohort.masks(rows)
    bits = np.arange(len(code.structures))
    for bit, name in enumerate(code.structures):
        shown = int(((fields >> np.uint8(bit)) & 1).any((1, 2)).sum())
        if shown < LEAST_FILMS:
            raise InputError(
                f"masks: {name} is shown by {shown} of {len(rows)} films to learn from, expected {LEAST_FILMS} or more; leave it "
                f"out of the dataset's structures, or join classes (reader.groups)"
            )
    check_round_trip(code, fields)
    annotated = cohort.index["annotated"].to_numpy()[rows].astype(np.int64)
    looked = (annotated[:, None] >> bits[None]) & 1 == 1
    asks = [ask_of(field, code.structures) for field in fields]
    return MaskFilms(code.encode(fields), list(asks), torch.from_numpy(looked))


def train_masks(
    made: MaskGenerator, films: MaskFilms, settings: Section, seed: int, placement: Placement, checkpoints: Checkpoints
) -> None:
    """Train the network of `made` in place; `settings` is the section `masks`.

    A film is shown in one stage after another by chance: the maps of earlier stages are given, those of this stage are noisy,
    those of later stages absent. The ask is left out of a share `dropout` of the films, and single structures of it as well, so
    that the network also learns what goes together.
    """
    code, unet = made.code, fast_layout(made.unet, placement).train()
    scheduler = training_scheduler(SCHEDULE)
    prompts = [ask_text(ask) for ask in films.asks]
    known_prompts = list(dict.fromkeys(prompts))
    words = torch.tensor([known_prompts.index(prompt) for prompt in prompts])
    different = text_states(known_prompts, made)
    planes = ask_planes(films.asks, code)
    draws = stage_masks(made)
    findings = torch.zeros(len(code.structures), dtype=torch.bool)
    findings[made.places(findings_of(code.structures))] = True
    channels = code.each
    shares = torch.tensor([float(share) for share in settings["stage_shares"]])

    def loss(chosen: np.ndarray, noise: torch.Generator) -> torch.Tensor:
        count = len(chosen)
        place = torch.from_numpy(chosen)
        stage = torch.multinomial(shares, count, replacement=True, generator=noise)
        drawn, before = draws[0][stage], draws[1][stage]
        looked = films.annotated[place]
        given = before & looked & (torch.rand(looked.shape, generator=noise) >= settings["known_dropout"])
        heard = torch.rand(count, 1, generator=noise) >= settings["dropout"]
        told = findings & looked & heard & (torch.rand(looked.shape, generator=noise) >= settings["structure_dropout"])
        spread = lambda one: one.float().repeat_interleave(channels, 1)[:, :, None, None]  # noqa: E731
        maps = films.maps[place]
        steps = draw_timesteps(count, SCHEDULE["num_train_timesteps"], noise)[torch.randperm(count, generator=noise)]
        gaussian = torch.randn(maps.shape, generator=noise)
        kept = scheduler.alphas_cumprod[steps]
        noisy = add_noise(maps, gaussian, kept) * spread(
            drawn & looked
        )  # what nobody looked for is unknown, not absent
        seen = network_input(noisy, maps * spread(given), planes[place], told.float(), given.float())
        text = different[words[place]] * heard.view(-1, 1, 1)
        answer = unet(
            seen.to(placement.device, memory_format=torch.channels_last),
            steps.to(placement.device),
            encoder_hidden_states=text.to(placement.device),
            return_dict=False,
        )[0].float()
        wanted = target(maps, gaussian, kept, SCHEDULE["prediction_type"]).to(placement.device)
        counts = spread(drawn & looked).to(placement.device).expand_as(wanted)
        return ((answer - wanted) ** 2 * counts).sum() / counts.sum().clamp(min=1.0)

    log(f"{STAGE}: {len(films.asks)} films, {len(known_prompts)} different prompts, grid {code.side} x {code.side}")
    Trainer({"unet": unet}, settings, seed, STAGE, placement).train(loss, len(films.asks), checkpoints)
    unet.eval()


def stage_masks(made: MaskGenerator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return by stage, bool (stages, structures), which structures it draws and which are given, those of earlier stages."""
    drawn = torch.zeros(len(made.stages), len(made.code.structures), dtype=torch.bool)
    given = drawn.clone()
    for number, names in enumerate(made.stages):
        drawn[number, made.places(names)] = True
        given[number + 1 :, made.places(names)] = True
    return drawn, given
