"""Diffusion-DPO: tune a generator to raters' preferences, watched on held-out sets; its best state is what is kept."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
import torch

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.core.stop_requests import TERMINATED, stop_requests
from scripts.lib.generators.controlled.absence import BLACK, DIFFERENCE, absence_of, tuned_absence
from scripts.lib.generators.controlled.autoencoder import encode_images, sample_latents
from scripts.lib.generators.controlled.control import HintBranch, predict_noise
from scripts.lib.generators.controlled.denoising import add_noise, draw_timesteps, target
from scripts.lib.generators.controlled.encoding import encode_text, tokenize
from scripts.lib.generators.controlled.finetuning import examples_of, own_parts, start_branch
from scripts.lib.generators.controlled.foundation import fast_layout, on_device
from scripts.lib.generators.controlled.generator import ControlledGenerator
from scripts.lib.generators.controlled.hints import HintPainter
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
from scripts.lib.training.loop import AskedToEnd, LossOfBatch, Trainer
from scripts.lib.training.settings import Section

STAGE = "train_dpo"
MONITOR = ("step", "loss", "implicit_accuracy", "margin", "distance")
Measure = Callable[[], tuple[float, float]]
Result = TypeVar("Result")


class MonitoredTrainer(Trainer):
    """A Trainer that measures itself every `monitor_steps`, keeps its best weights, and stops after `patience` checks
    without a better one. What it has measured is part of its checkpoint, so a resumed run ends with the same bytes.
    """

    def train_best(self, loss: LossOfBatch, count: int, checkpoints: Checkpoints, measure: Measure) -> np.ndarray:
        """Leave the best weights in the modules; return the monitor, float64 (checks, 5), columns MONITOR.

        `measure` returns the same numbers in all processes; it may call `pause`.
        """
        self.measure = measure
        self.start = {key: value.clone() for key, value in self.mean.items()}
        self.best = dict(self.start)
        self.rows: list[list[float]] = []
        self._run(loss, count, checkpoints)
        if self.placement.rank == 0 and self.done < self.settings["steps"]:
            checkpoints.save(self.stage, self.done, self._state())  # stopped early: what follows may be interrupted
        self._put(self.best)
        return np.array(self.rows)

    def conclude(self, work: Callable[[], Result]) -> Result:
        """Return what `work` makes of the best weights; it may call `pause`. All steps are stored before."""
        with stop_requests() as self.asked:
            try:
                return work()
            except AskedToEnd:
                self.placement.wait()
                self._log(f"{self.stage}: asked to end; all steps are stored")
                raise SystemExit(TERMINATED) from None

    @property
    def best_step(self) -> int:
        """The step whose weights are the best."""
        return int(self.rows[self._best_row()][0])

    def _begin(self) -> None:
        """Make the check that belongs to the steps done, unless it is there: an end may have been asked for during it."""
        if self._is_due() and not (self.rows and self.rows[-1][0] == self.done):
            self._check()

    def _is_over(self) -> bool:
        return self._only_worse()

    def _after_step(self) -> None:
        if self._is_due():
            self._check()

    def _is_due(self) -> bool:
        return self.done == self.settings["steps"] or self.done % self.settings["monitor_steps"] == 0

    def _best_row(self) -> int:
        """Which check had the highest accuracy; of equal ones the first, which is the nearest to the reference."""
        return int(np.argmax([row[2] for row in self.rows]))

    def _only_worse(self) -> bool:
        stop = len(self.rows) - 1 - self._best_row() >= self.settings["patience"]
        if stop:
            self._log(f"{self.stage}: {self.settings['patience']} checks without a better accuracy; stopped early")
        return stop

    def _check(self) -> None:
        """Measure the running mean of the weights, which is what would be published."""
        current = {key: value.detach().clone() for key, value in self.parameters.items()}
        self._put(self.mean)
        try:
            accuracy, margin = self.measure()
        finally:
            self._put(current)
        moved = sum((self.mean[key] - value).double().pow(2).sum().item() for key, value in self.start.items())
        size = sum(value.double().pow(2).sum().item() for value in self.start.values())
        loss = float(np.mean(self.losses)) if self.losses else float("nan")
        self.losses.clear()
        self.rows.append([self.done, loss, accuracy, margin, (moved / size) ** 0.5])
        if self._best_row() == len(self.rows) - 1:
            self.best = {key: value.clone() for key, value in self.mean.items()}
        self._log(
            f"{self.stage}: step {self.done}, loss {loss:.4f}, held-out accuracy {accuracy:.3f}, margin {margin:.4f}"
        )

    def _state(self) -> dict[str, torch.Tensor]:
        monitored = {f"best/{key}": value for key, value in self.best.items()}
        monitored["monitor/rows"] = torch.tensor(self.rows, dtype=torch.float64)
        monitored["monitor/losses"] = torch.tensor(self.losses, dtype=torch.float64)
        return super()._state() | monitored

    def _restore(self, step: int, tensors: Mapping[str, torch.Tensor]) -> int:
        self.best = {key: tensors[f"best/{key}"].to(value.device) for key, value in self.start.items()}
        self.rows, self.losses = tensors["monitor/rows"].tolist(), tensors["monitor/losses"].tolist()
        return super()._restore(step, tensors)


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


def tune(
    generator: ControlledGenerator,
    pool: Cohort,
    train: Pairs,
    heldout: Pairs,
    report: Pairs,
    settings: Section,
    seed: int,
    placement: Placement,
    checkpoints: Checkpoints,
) -> tuple[dict[str, torch.nn.Module], np.ndarray, list[dict[str, Any]]]:
    """Return the tuned networks by part, at their best accuracy on `heldout`, the monitor (columns MONITOR), and their
    accuracy with its interval on `heldout`, which chose them, and on `report`, which did not (preference_report.COLUMNS).
    """
    errors = PairErrors(generator, pool, settings, placement)
    device = placement.device

    def judged(
        pairs: Pairs, rows: np.ndarray, noise: torch.Generator, again: Hashable = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        winner, loser = (part[rows].to(device) for part in (pairs.winner_scores, pairs.loser_scores))
        above = errors(pairs, rows, noise, again)
        return insides(*above, winner, loser, settings["beta"], settings["weighting"]), orders(winner, loser)

    def loss(rows: np.ndarray, noise: torch.Generator) -> torch.Tensor:
        return (preference_loss(*judged(train, rows, noise)) * train.weights[rows].to(device)).mean()

    trainer = MonitoredTrainer(errors.trained, settings, seed, STAGE, placement)

    @torch.no_grad()
    def judge(pairs: Pairs, name: str, again: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return each pair's accuracy and margin (n,), by its mean over all draws; processes divide the batches.

        The implicit reward is an expectation over noise and time: a single draw of a good model is little above chance.
        """
        size, draws = settings["batch_size"], settings["monitor_draws"]
        starts = range(0, len(pairs), size)
        averaged = torch.zeros(len(pairs), len(ASPECTS), dtype=torch.float64)
        for number in placement.rounds(draws * len(starts)):
            trainer.pause()
            if number is None:
                continue
            draw, start = number // len(starts), starts[number % len(starts)]
            rows = np.arange(start, min(start + size, len(pairs)))
            with placement.autocast():
                noise = batch_noise(seed, f"{STAGE}/{name}/{draw}", start)
                inside, _ = judged(pairs, rows, noise, again=number if again else None)
            averaged[rows] += inside.double().cpu() / draws
        inside, order = placement.total(averaged), orders(pairs.winner_scores, pairs.loser_scores)
        return accuracies(inside, order), margins(inside, order)

    def measure() -> tuple[float, float]:
        right, margin = judge(heldout, "monitor", again=True)
        return right.mean().item(), margin.mean().item()

    def report_on_best() -> list[dict[str, Any]]:
        rows = []
        for pairs, name, role in ((heldout, "monitor", CHOSE), (report, "report", REPORTED)):
            right, margin = judge(pairs, name, again=pairs is heldout)
            by_set = set_accuracy(right.tolist(), pairs.sets)
            about = {"part": {"monitor": "heldout"}.get(name, name), "role": role, "step": trainer.best_step}
            rows.append(about | asdict(by_set) | {"margin": margin.mean().item()})
        return rows

    monitor = trainer.train_best(loss, len(train), checkpoints, measure)
    accuracy = trainer.conclude(report_on_best)
    whole = {"controlnet": errors.branch.whole().eval(), "unet": errors.unet.eval()}
    return {part: whole[part] for part in errors.trained}, monitor, accuracy
