"""Diffusion-DPO's loss as a pure function: one term for each condition type (text, mask) by which a pair is ordered."""

from __future__ import annotations

import torch
from torch.nn.functional import softplus

from scripts.lib.core.errors import InputError

ASPECTS = ("text", "mask")
MAX_SCORE = 5.0
WEIGHTINGS = ("none", "score")


def orders(winner_scores: torch.Tensor, loser_scores: torch.Tensor) -> torch.Tensor:
    """Return (n, 2): 1 where an aspect prefers the winner, -1 the loser, 0 where it ties or has no score (NaN)."""
    return torch.nan_to_num(winner_scores - loser_scores, nan=0.0).sign()


def insides(
    winner: torch.Tensor,
    loser: torch.Tensor,
    winner_scores: torch.Tensor,
    loser_scores: torch.Tensor,
    beta: float,
    weighting: str = "none",
) -> torch.Tensor:
    """Return inside_c = -beta/2 * (d_w - d_l), (n, 2); each aspect's own better image is its w, 0 where none is.

    `winner`, `loser` (n,): d = e - e_ref, how far the error is above the reference's. Scores (n, 2) 0..5, NaN = none.
    `weighting: score` multiplies each d by its score / 5, as the first author's code does.
    """
    if weighting not in WEIGHTINGS:
        raise InputError(f"settings: dpo.weighting = {weighting!r}; expected one of {', '.join(WEIGHTINGS)}")
    first, second = winner[:, None], loser[:, None]
    if weighting == "score":
        first = first * torch.nan_to_num(winner_scores) / MAX_SCORE
        second = second * torch.nan_to_num(loser_scores) / MAX_SCORE
    return -beta / 2 * orders(winner_scores, loser_scores) * (first - second)


def preference_loss(inside: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Return each pair's loss (n,): the mean of -log sigmoid(inside_c) over the aspects that order it, 0 without any.

    A tied aspect counts as absent: its constant log 2 would only halve the gradient of the other.
    """
    ordered = (order != 0).to(inside.dtype)
    return (softplus(-inside) * ordered).sum(1) / ordered.sum(1).clamp(min=1)


def accuracies(inside: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Return each pair's implicit accuracy (n,): share of ordering aspects with inside > 0, half where it is 0."""
    ordered = (order != 0).to(inside.dtype)
    right = (inside > 0).to(inside.dtype) + 0.5 * (inside == 0).to(inside.dtype)
    return (right * ordered).sum(1) / ordered.sum(1).clamp(min=1)


def margins(inside: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Return each pair's mean inside (n,) over the aspects that order it."""
    ordered = (order != 0).to(inside.dtype)
    return (inside * ordered).sum(1) / ordered.sum(1).clamp(min=1)
