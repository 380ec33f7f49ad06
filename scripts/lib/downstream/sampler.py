"""Which films are in which batch: a pure function of the seed and the step, so that a training can resume anywhere."""

from __future__ import annotations

import numpy as np

from scripts.lib.core.seeds import rng


class Mixture:
    """Batches of real and synthetic films.

    concat    every film, real or synthetic, is equally likely (the paper adds one set to the other)
    balanced  a fixed share of each batch is real, however many synthetic films there are
    pretrain  synthetic films alone up to the step that `turn_to_real` names, real ones alone from there on
    alone     synthetic films alone in every step, and no real one; without synthetic films nothing changes

    Real films come in one order that depends on the seed only, so trainings of one trial with and without synthetic
    films, or with more of them, see the real ones in the same order. Each stream passes once over its films before
    it repeats one.
    """

    def __init__(self, real: int, synthetic: int, batch_size: int, kind: str, real_share: float, seed: int) -> None:
        self.alone = kind == "alone" and synthetic > 0
        self.counts = {"real": real, "synthetic": synthetic, "slot": synthetic if self.alone else real + synthetic}
        self.batch_size = batch_size
        self.balanced = kind == "balanced" and synthetic > 0
        self.pretrains = kind == "pretrain" and synthetic > 0
        self.turn = 0
        self.real_slots = min(max(round(real_share * batch_size), 1), batch_size - 1) if self.balanced else 0
        self.seed = seed
        self._orders: dict[str, tuple[int, np.ndarray]] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Steps after which as many films were drawn as there are."""
        return -(-self.counts["slot"] // self.batch_size)

    def turn_to_real(self, step: int) -> None:
        """Show real films alone from this step on, where the mixture pretrains; without synthetic films nothing changes."""
        self.turn = step if self.pretrains else 0

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the places of the real films and of the synthetic films in batch `step`, `batch_size` in all."""
        if self.pretrains or self.alone:
            size, nothing = self.batch_size, np.empty(0, dtype=np.int64)
            if self.alone or step < self.turn:
                return nothing, self._stream("synthetic", step * size, size)
            return self._stream("real", (step - self.turn) * size, size), nothing
        if self.balanced:
            synthetic_slots = self.batch_size - self.real_slots
            return (
                self._stream("real", step * self.real_slots, self.real_slots),
                self._stream("synthetic", step * synthetic_slots, synthetic_slots),
            )
        first, films = step * self.batch_size, self.counts["slot"]
        real_before = first // films * self.counts["real"] + self._count_real(first // films * films, first % films)
        real_slots = self._count_real(first, self.batch_size)
        return (
            self._stream("real", real_before, real_slots),
            self._stream("synthetic", first - real_before, self.batch_size - real_slots),
        )

    def _count_real(self, start: int, count: int) -> int:
        return int((self._stream("slot", start, count) < self.counts["real"]).sum())

    def _stream(self, name: str, start: int, count: int) -> np.ndarray:
        """Return elements start .. start + count of an endless stream: one random order of the films after another."""
        films = self.counts[name]
        if count == 0:
            return np.empty(0, dtype=np.int64)
        passes = range(start // films, (start + count - 1) // films + 1)
        joined = np.concatenate([self._order(name, number) for number in passes])
        offset = start - passes[0] * films
        return joined[offset : offset + count]

    def _order(self, name: str, number: int) -> np.ndarray:
        known = self._orders.get(name)
        if known is None or known[0] != number:
            order = rng(self.seed, "order", name, number).permutation(self.counts[name])
            known = self._orders[name] = (number, order)
        return known[1]
