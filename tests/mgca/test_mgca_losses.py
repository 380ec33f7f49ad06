"""MGCA's losses by hand, and what they must not depend on."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.lib.mgca.losses import (
    attend,
    clipped_weights,
    instance_alignment,
    matching,
    prototype_alignment,
    sinkhorn,
    token_alignment,
)

TWO = torch.eye(2)


def units(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_instance_alignment_by_hand():
    # Scores [[2, 0], [0, 2]]: each of the four rows costs log(1 + e^-2) = 0.126928; the mean of either direction, summed.
    assert instance_alignment(TWO, TWO, 0.5).item() == pytest.approx(2 * 0.126928, abs=1e-5)
    # Swapped pairs: log(1 + e^2) = 2.126928.
    assert instance_alignment(TWO, TWO.flip(0), 0.5).item() == pytest.approx(2 * 2.126928, abs=1e-5)
    # The same text twice: the target is shared, log(e^2 + 1) - (2 + 0) / 2 = 1.126928.
    shared = instance_alignment(TWO, TWO, 0.5, torch.tensor([7, 7]))
    assert shared.item() == pytest.approx(2 * 1.126928, abs=1e-5)
    assert torch.equal(instance_alignment(TWO, TWO, 0.5, torch.tensor([1, 2])), instance_alignment(TWO, TWO, 0.5))


def test_equal_reports_tell_nothing_apart():
    same = units(1, 5).expand(3, 5)
    # All scores are equal: log 3 either way.
    assert instance_alignment(same, same, 0.07).item() == pytest.approx(2 * math.log(3), rel=1e-5)
    images = units(3, 5, seed=1).requires_grad_()
    # Image to report: each row of scores is constant, log 3, whatever the image.
    loss = instance_alignment(images, same, 0.07, torch.zeros(3, dtype=torch.int64))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(images.grad).all()


def test_attention_by_hand():
    query = torch.tensor([[[1.0, 0.0]]])
    # Cosines 1 and 0 over a temperature of 1 / log 3: weights 3 / 4 and 1 / 4.
    assert attend(query, TWO[None], 1 / math.log(3)).flatten().tolist() == pytest.approx([0.75, 0.25])
    padding = torch.tensor([[False, True]])
    assert attend(query, TWO[None], 1 / math.log(3), padding).flatten().tolist() == [1.0, 0.0]


def test_weights_are_cut_to_their_percentiles():
    attention = torch.arange(1.0, 12.0)[None]
    # Of 1 ... 11 the 10th percentile is 2 and the 90th is 10; cut, they sum to 66 + 1 - 1 = 66.
    assert (clipped_weights(attention) * 66).tolist()[0] == pytest.approx([2, 2, *range(3, 10), 10, 10])
    padded = torch.cat([attention, torch.full((1, 3), 99.0)], dim=1)
    padding = torch.arange(14)[None] >= 11
    found = clipped_weights(padded, padding)
    assert torch.allclose(found[:, :11], clipped_weights(attention))
    assert (found[:, 11:] == 0).all()
    assert clipped_weights(torch.tensor([[0.3, 0.0]]), torch.tensor([[False, True]])).tolist() == [[1.0, 0.0]]


def test_matching_by_hand():
    half = torch.full((1, 2), 0.5)
    # Scores are the identity: log(1 + 1 / e) = 0.313262 for both tokens, both ways.
    assert matching(TWO[None], TWO[None], half, 1.0).item() == pytest.approx(0.313262, abs=1e-5)
    # Both contexts are e1, all weight on token 0. Scores [[1, 1], [0, 0]]: row 0 costs log 2 = 0.693147,
    # column 0 costs log(1 + 1 / e) = 0.313262; the mean is 0.503205.
    contexts = TWO[[0, 0]][None]
    assert matching(TWO[None], contexts, torch.tensor([[1.0, 0.0]]), 1.0).item() == pytest.approx(0.503205, abs=1e-5)
    # Two films, one of them free of loss: the mean over films halves it.
    far = matching(torch.stack([TWO, TWO]), torch.stack([TWO, TWO * 100]), half.expand(2, 2), 1.0)
    assert far.item() == pytest.approx(0.313262 / 2, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 4))
def test_padding_words_have_no_influence(seed, words, padded):
    real, patches = units(2, words, 6, seed=seed), units(2, 4, 6, seed=seed + 1)
    weights, of_patches = torch.rand(2, words), torch.full((2, 4), 0.25)
    alone = token_alignment(real, patches, weights, of_patches, torch.zeros(2, words, dtype=torch.bool), 0.1)
    junk = (3 * units(2, padded, 6, seed=seed + 2)).requires_grad_()
    padding = (torch.arange(words + padded) >= words).expand(2, -1)
    more = F.pad(weights, (0, padded))
    loss = token_alignment(torch.cat([real, junk], 1), patches, more, of_patches, padding, 0.1)
    loss.backward()
    assert loss.item() == pytest.approx(alone.item(), rel=1e-4, abs=1e-5)
    assert (junk.grad == 0).all()


def test_matched_words_cost_less_than_others():
    words, even = torch.eye(4)[None], torch.full((1, 4), 0.25)
    nothing = torch.zeros(1, 4, dtype=torch.bool)
    same = token_alignment(words, words, even, even, nothing, 0.1)
    other = token_alignment(words, words[:, [0, 0, 0, 0]], even, even, nothing, 0.1)
    assert 0 < same < 0.01 < other
    assert token_alignment(words, words, even, even, nothing, 0.1, unit_patches=False) == pytest.approx(
        same.item(), rel=0.01
    )


def test_sinkhorn_by_hand():
    scores = torch.tensor([[3.0, 1.0], [1.0, 1.0]]).log()
    # exp(scores) / 6 = [[3, 1], [1, 1]] / 6. Columns to 1/2 each: [[3/8, 1/4], [1/8, 1/4]]. Rows 5/8 and 3/8, to 1 each:
    # [[3/5, 2/5], [1/3, 2/3]].
    assert torch.allclose(sinkhorn(scores, 1.0, 1), torch.tensor([[0.6, 0.4], [1 / 3, 2 / 3]]))
    assert torch.allclose(sinkhorn(torch.zeros(3, 5), 0.05, 3), torch.full((3, 5), 0.2))
    assert not sinkhorn(scores.requires_grad_(), 1.0, 1).requires_grad


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 8))
def test_sinkhorn_rows_and_columns(seed, films, prototypes):
    scores = units(films, 3, seed=seed) @ units(prototypes, 3, seed=seed + 1).T
    three = sinkhorn(scores, 0.05, 3)
    assert torch.allclose(three.sum(1), torch.ones(films), atol=1e-5)
    assert (three >= 0).all()
    assert torch.allclose(sinkhorn(scores + 7.0, 0.05, 3), three, atol=1e-5)
    # With many iterations all prototypes are used alike: B / K films each.
    many = sinkhorn(scores, 0.5, 300)
    assert torch.allclose(many.sum(0), torch.full((prototypes,), films / prototypes), atol=1e-3)


def test_prototype_alignment_by_hand():
    # Nothing is nearer than anything else: uniform codes, uniform predictions, log K.
    assert prototype_alignment(torch.zeros(2, 4), torch.zeros(2, 4), 0.2, 0.05, 3).item() == pytest.approx(math.log(4))
    # Codes are nearly the identity (e^20 to 1); predictions softmax([1, 0] / 0.2): log(1 + e^-5) = 0.006715.
    assert prototype_alignment(TWO, TWO, 0.2, 0.05, 3).item() == pytest.approx(0.006715, abs=1e-5)
    # Each side's code is the other's opposite: log(1 + e^5) = 5.006715.
    assert prototype_alignment(TWO, TWO.flip(0), 0.2, 0.05, 3).item() == pytest.approx(5.006715, abs=1e-5)
