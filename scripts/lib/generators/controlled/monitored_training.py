"""A training that watches itself on held-out sets; its best state is what is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import torch

from scripts.lib.core.stop_requests import TERMINATED, stop_requests
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.loop import AskedToEnd, LossOfBatch, Trainer

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
