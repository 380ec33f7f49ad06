"""Diffusion-DPO: tune a generator to raters' preferences, watched on held-out sets; its best state is what is kept."""

from __future__ import annotations

import copy
from collections.abc import Hashable
from dataclasses import asdict
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.generators.controlled.absence import BLACK, DIFFERENCE, absence_of, tuned_absence
from scripts.lib.generators.controlled.autoencoder import encode_images, sample_latents
from scripts.lib.generators.controlled.control import HintBranch, predict_noise
from scripts.lib.generators.controlled.denoising import add_noise, draw_timesteps, target
from scripts.lib.generators.controlled.encoding import encode_text, tokenize
from scripts.lib.generators.controlled.finetuning import examples_of, own_parts, start_branch
from scripts.lib.generators.controlled.foundation import fast_layout, on_device
from scripts.lib.generators.controlled.generator import ControlledGenerator
from scripts.lib.generators.controlled.hints import HintPainter
from scripts.lib.generators.controlled.monitored_training import MonitoredTrainer
from scripts.lib.generators.controlled.preference_loss import (
    ASPECTS,
    accuracies,
    insides,
    margins,
    orders,
    preference_loss,
)
from scripts.lib.generators.controlled.preference_pairs import Pairs
from scripts.lib.generators.controlled.preference_report import CHOSE, REPORTED, set_accuracy
from scripts.lib.training.batches import batch_noise
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement
from scripts.lib.training.settings import Section

STAGE = "train_dpo"


class PairErrors:
    """How far the networks' errors on pairs are above those of their frozen copies (the reference)."""

    def __init__(self, generator: ControlledGenerator, pool: Cohort, settings: Section, placement: Placement) -> None:
        wanted = own_parts(settings)
        if generator.controlnet is None:
            raise InputError("the generator to tune has no ControlNet; give one made by train_controlnet")
        if generator.notes.get("structures") not in (None, pool.structures):
            raise InputError(f"{pool.folders[0]}: masks of {pool.structures}, not those of the generator")
        self.placement, self.side = placement, generator.resolution
        self.examples = examples_of(pool, self.side)
        self.moments = encode_images(fast_layout(generator.vae, placement), self.examples.images)
        self.tokens = tokenize(self.examples.prompts, generator.tokenizer)
        palette = generator.notes.get("palette", "colour")
        self.paint = HintPainter(pool.structures, palette, placement.device) if pool.structures else None
        self.encoder = on_device(generator.text_encoder, placement).requires_grad_(False).eval()
        # Dropout would make the errors of a network and of its equal copy differ.
        self.unet = fast_layout(generator.unet, placement).requires_grad_("unet" in wanted).eval()
        self.branch = HintBranch(fast_layout(generator.controlnet, placement).requires_grad_("controlnet" in wanted))
        self.branch.eval()
        unet, branch = copy.deepcopy(self.unet), copy.deepcopy(self.branch)
        self.reference = unet.requires_grad_(False), branch.requires_grad_(False)
        # What an absent mask means, now and in the reference: the same images as long as no weight has moved.
        self.absence = tuned_absence(generator.notes, wanted)
        self.start = start_branch(generator, self.branch, placement) if self.absence == DIFFERENCE else None
        self.reference_start = self.start if absence_of(generator.notes) == DIFFERENCE else None
        self.trained = {part: {"controlnet": self.branch, "unet": self.unet}[part] for part in wanted}
        self.scheduler, self.scaling = generator.training_scheduler(), generator.vae.config.scaling_factor
        self.window = time_window(settings, self.scheduler.config.num_train_timesteps)
        self.known: dict[Hashable, torch.Tensor] = {}

    def __call__(
        self, pairs: Pairs, chosen: np.ndarray, noise: torch.Generator, again: Hashable = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return e - e_ref of winners and of losers, (n,) each; both images of a pair get one noise and one timestep.

        `again` names pairs and noise that come again: the reference, which does not change, is then asked once.
        """
        rows, device = np.concatenate([pairs.winners[chosen], pairs.losers[chosen]]), self.placement.device
        latents = sample_latents(self.moments[rows], noise, self.scaling).to(device)
        first, last = self.window
        steps = first + draw_timesteps(len(chosen), last - first, noise)[torch.randperm(len(chosen), generator=noise)]
        steps = steps.repeat(2)
        gaussian = torch.randn(latents[: len(chosen)].shape, generator=noise).repeat(2, 1, 1, 1).to(device)
        kept = self.scheduler.alphas_cumprod[steps].to(device)
        aim = target(latents, gaussian, kept, self.scheduler.config.prediction_type)
        noisy, steps = add_noise(latents, gaussian, kept), steps.to(device)
        bits = self.examples.bits[rows]
        hints = self.paint(bits, self.side) if self.paint else torch.zeros(len(rows), 3, self.side, self.side)
        hints = hints.to(device, memory_format=torch.channels_last)
        text = encode_text(self.tokens.rows(rows), self.encoder)
        present = None if self.absence == BLACK else torch.from_numpy(bits.any(axis=(1, 2))).to(device)

        def errors(unet: torch.nn.Module, branch: HintBranch, start: HintBranch | None) -> torch.Tensor:
            before = None if start is None else (start, start.embed(hints))
            guess = predict_noise(unet, noisy, steps, text, branch, branch.embed(hints), present, before)
            return (guess.float() - aim).pow(2).mean((1, 2, 3))

        before = self.known.get(again)
        if before is None:
            with torch.no_grad():
                before = errors(*self.reference, self.reference_start)
            if again is not None:
                self.known[again] = before
        winner, loser = (errors(self.unet, self.branch, self.start) - before).chunk(2)
        return winner, loser


def time_window(settings: Section, limit: int) -> tuple[int, int]:
    """Return the time steps [first, last) that `timesteps`, two shares of the noise schedule, asks for."""
    low, high = settings["timesteps"]
    if not 0 <= low < high <= 1 or int(low * limit) == int(high * limit):
        raise InputError(
            f"settings: {settings.name}.timesteps = {[low, high]}: expected two shares of the {limit} steps, rising"
        )
    return int(low * limit), int(high * limit)


class PairSets(NamedTuple):
    """The pairs to learn from, those that choose the best state, and those to report on."""

    train: Pairs
    heldout: Pairs
    report: Pairs


class PairJudge:
    """What the networks that are tuned make of pairs: the loss of a batch, and the accuracy and margin of each pair."""

    def __init__(self, errors: PairErrors, trainer: MonitoredTrainer, settings: Section, seed: int) -> None:
        self.errors, self.trainer, self.settings, self.seed = errors, trainer, settings, seed
        self.placement = errors.placement

    def loss(self, pairs: Pairs, rows: np.ndarray, noise: torch.Generator) -> torch.Tensor:
        """Return the weighted loss of a batch, a scalar."""
        weights = pairs.weights[rows].to(self.placement.device)
        return (preference_loss(*self._insides(pairs, rows, noise)) * weights).mean()

    def _insides(
        self, pairs: Pairs, rows: np.ndarray, noise: torch.Generator, again: Hashable = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        winner, loser = (part[rows].to(self.placement.device) for part in (pairs.winner_scores, pairs.loser_scores))
        above = self.errors(pairs, rows, noise, again)
        own = self.settings
        return insides(*above, winner, loser, own["beta"], own["weighting"]), orders(winner, loser)

    @torch.no_grad()
    def judge(self, pairs: Pairs, name: str, again: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return each pair's accuracy and margin (n,), by its mean over all draws; processes divide the batches.

        The implicit reward is an expectation over noise and time: a single draw of a good model is little above chance.
        `name` is part of the noise's seed; `again`: the reference's answers are kept for the next time.
        """
        size, draws = self.settings["batch_size"], self.settings["monitor_draws"]
        starts = range(0, len(pairs), size)
        averaged = torch.zeros(len(pairs), len(ASPECTS), dtype=torch.float64)
        for number in self.placement.rounds(draws * len(starts)):
            self.trainer.pause()
            if number is None:
                continue
            draw, start = number // len(starts), starts[number % len(starts)]
            rows = np.arange(start, min(start + size, len(pairs)))
            with self.placement.autocast():
                noise = batch_noise(self.seed, f"{STAGE}/{name}/{draw}", start)
                inside, _ = self._insides(pairs, rows, noise, again=number if again else None)
            averaged[rows] += inside.double().cpu() / draws
        inside, order = self.placement.total(averaged), orders(pairs.winner_scores, pairs.loser_scores)
        return accuracies(inside, order), margins(inside, order)

    def report(self, sets: PairSets) -> list[dict[str, Any]]:
        """Return the accuracy of the best state on the pairs that chose it and on those that did not, with its interval."""
        rows = []
        for pairs, name, part, role in (
            (sets.heldout, "monitor", "heldout", CHOSE),
            (sets.report, "report", "report", REPORTED),
        ):
            right, margin = self.judge(pairs, name, again=pairs is sets.heldout)
            by_set = set_accuracy(right.tolist(), pairs.sets)
            about = {"part": part, "role": role, "step": self.trainer.best_step}
            rows.append(about | asdict(by_set) | {"margin": margin.mean().item()})
        return rows


def tune(
    generator: ControlledGenerator,
    pool: Cohort,
    sets: PairSets,
    settings: Section,
    seed: int,
    placement: Placement,
    checkpoints: Checkpoints,
) -> tuple[dict[str, torch.nn.Module], np.ndarray, list[dict[str, Any]]]:
    """Return the tuned networks by part, at their best accuracy on `sets.heldout`, the monitor (columns MONITOR), and their
    accuracy with its interval on `sets.heldout`, which chose them, and on `sets.report`, which did not
    (preference_report.COLUMNS).
    """
    errors = PairErrors(generator, pool, settings, placement)
    trainer = MonitoredTrainer(errors.trained, settings, seed, STAGE, placement)
    judge = PairJudge(errors, trainer, settings, seed)

    def measure() -> tuple[float, float]:
        right, margin = judge.judge(sets.heldout, "monitor", again=True)
        return right.mean().item(), margin.mean().item()

    monitor = trainer.train_best(partial(judge.loss, sets.train), len(sets.train), checkpoints, measure)
    accuracy = trainer.conclude(lambda: judge.report(sets))
    whole = {"controlnet": errors.branch.whole().eval(), "unet": errors.unet.eval()}
    return {part: whole[part] for part in errors.trained}, monitor, accuracy
