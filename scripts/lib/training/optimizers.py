"""The optimizers of the trainings: AdamW, and Muon for the matrices of a network with AdamW for the rest of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from scripts.lib.training.settings import Section

FIRST_BETA = 0.9
MOMENTUM = 0.95  # of Muon's mean of gradients
# One polynomial of Newton and Schulz, five times: https://kellerjordan.github.io/posts/muon/
NEWTON_SCHULZ, ROUNDS = (3.4445, -4.7750, 2.0315), 5
SMALLEST_SIDE = 8  # of a matrix; narrower ones are those of the first and last pixels and of gates
LIKE_ADAMW = 0.2  # the root mean square of AdamW's updates: one learning rate fits both (arXiv 2502.16982)


def optimizer_of(
    modules: Mapping[str, nn.Module], settings: Section, rates: Mapping[str, float]
) -> torch.optim.Optimizer:
    """Return the optimizer of all weights that learn; `settings.matrices` is adamw | muon.

    `rates` multiplies the learning rate of single modules; each group knows its own as `rate`.
    """
    kind = settings.one_of("matrices", "adamw", "muon")
    groups = [
        {**group, "rate": rates.get(name, 1.0)}
        for name, module in modules.items()
        for group in groups_of(module, kind == "muon")
    ]
    return (Muon if kind == "muon" else torch.optim.AdamW)(
        groups,
        lr=settings["learning_rate"],
        betas=(FIRST_BETA, settings["beta2"]),
        weight_decay=settings["weight_decay"],
        fused=True,
    )


def groups_of(module: nn.Module, apart: bool) -> list[dict[str, Any]]:
    """Return the weights that learn as groups of an optimizer: all together, or the matrices `apart`, as `turned`."""
    learned = [weight for weight in module.parameters() if weight.requires_grad]
    if not apart:
        return [{"params": learned}]
    chosen = {id(weight) for weight in matrices_of(module)}
    parts = [[weight for weight in learned if (id(weight) in chosen) == turned] for turned in (False, True)]
    return [{"params": part, "turned": turned} for part, turned in zip(parts, (False, True)) if part]


def matrices_of(module: nn.Module) -> Iterator[torch.Tensor]:
    """Yield the weights that learn and multiply what a layer gets: linear layers and convolutions, neither side below SMALLEST_SIDE.

    Embeddings are rows of their own, not a matrix.
    """
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            weight = layer.weight
            if weight.requires_grad and min(len(weight), weight[0].numel()) >= SMALLEST_SIDE:
                yield weight


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Return (k, a, b) with singular values near 1 (0.7 to 1.2) in the place of those of `matrices`, same directions.

    In the precision of `matrices`: in bfloat16, which torch's own Muon takes, it would be slow on most processors.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    now = matrices.mT if tall else matrices
    now = now / now.flatten(1).norm(dim=1).clamp_min(1e-7)[:, None, None]
    first, third, fifth = NEWTON_SCHULZ
    for _ in range(ROUNDS):
        gram = now @ now.mT
        now = torch.baddbmm(now, torch.baddbmm(gram, gram, gram, beta=third, alpha=fifth), now, beta=first)
    return now.mT if tall else now


class Muon(torch.optim.AdamW):
    """AdamW, but for groups with `turned`: their steps are the running mean of the gradients, made orthogonal.

    A convolution is the matrix of its outputs (rows) and all that each of them sees. Steps are as long as AdamW's are, so
    learning rates and weight decay mean the same (Liu et al. 2025, arXiv 2502.16982).
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one step of all groups."""
        groups = self.param_groups
        try:
            self.param_groups = [group for group in groups if not group.get("turned")]
            loss = super().step(closure)
        finally:
            self.param_groups = groups
        for group in groups:
            if group.get("turned"):
                self._turn(group)
        return loss

    def _turn(self, group: Mapping[str, Any]) -> None:
        """Make the step of one group; weights of one shape are turned at once."""
        alike: dict[torch.Size, list[torch.Tensor]] = defaultdict(list)
        for weight in group["params"]:
            if weight.grad is not None:
                alike[weight.shape].append(weight)
        for shape, weights in alike.items():
            steps = orthogonal(torch.stack([self._mean(weight).reshape(shape[0], -1) for weight in weights]))
            length = group["lr"] * LIKE_ADAMW * max(steps.shape[1:]) ** 0.5
            for weight, step in zip(weights, steps):
                weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(step.reshape(shape), alpha=-length)

    def _mean(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the gradient drawn towards its running mean (Nesterov's momentum), after moving the mean."""
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros((), device=weight.device)
            state["exp_avg"] = torch.zeros_like(weight)
        state["step"] += 1
        state["exp_avg"].lerp_(weight.grad, 1 - MOMENTUM)
        return weight.grad.lerp(state["exp_avg"], MOMENTUM)
