"""The three losses of MGCA (Wang et al., NeurIPS 2022): of whole reports, of words and regions, and of diseases.

The paper calls them instance-wise (ITA), token-wise (CTA) and prototype alignment (CPA). All take embeddings as unit
vectors and return scalars. A film is told apart from the others of its micro-batch alone: the published training gathers
nothing between its GPUs either. Where the published code and the paper differ, this is the code's form (one view of each
film, attention without learned projections), with two faults left out: padding is no word here, and a word's weight is
the attention to that word, not to the one after it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

NEVER = -1e4  # a masked score: its softmax is 0 in every precision, and its gradient stays finite
CLIP_LOW, CLIP_HIGH = 0.1, 0.9


def instance_alignment(images: Tensor, reports: Tensor, temperature: float, texts: Tensor | None = None) -> Tensor:
    """Return ITA, the InfoNCE loss image to report plus that of report to image (the sum, not the mean).

    images, reports (B, D) unit vectors, row k of both from one film. `texts` int (B,) numbers the reports by content:
    films with the same text then share the target evenly; None takes every other film as a negative, as MGCA does.
    """
    scores = images @ reports.T / temperature
    if texts is None:
        targets = torch.eye(len(images), device=scores.device, dtype=scores.dtype)
    else:
        same = (texts[:, None] == texts[None]).to(scores.dtype)
        targets = same / same.sum(1, keepdim=True)
    return F.cross_entropy(scores, targets) + F.cross_entropy(scores.T, targets)


def attend(queries: Tensor, keys: Tensor, temperature: float, padding: Tensor | None = None) -> Tensor:
    """Return for each query (B, Q, D) the mean of the keys (B, K, D), weighted by the softmax of their cosines.

    `padding` bool (B, K) marks keys that do not exist. The result (B, Q, D) is shorter than a unit vector.
    """
    scores = queries @ keys.transpose(1, 2) / temperature
    if padding is not None:
        scores = scores.masked_fill(padding[:, None], NEVER)
    return scores.softmax(-1) @ keys


def clipped_weights(attention: Tensor, padding: Tensor | None = None) -> Tensor:
    """Return weights (B, N) that sum to 1 in each row: attention cut to its 10th and 90th percentile; 0 for padding."""
    known = attention.float()
    if padding is not None:
        known = known.masked_fill(padding, torch.nan)
    low = known.nanquantile(CLIP_LOW, dim=1, keepdim=True)
    high = known.nanquantile(CLIP_HIGH, dim=1, keepdim=True)
    cut = known.clamp(low, high).nan_to_num(0.0)
    return cut / cut.sum(1, keepdim=True).clamp(min=torch.finfo(cut.dtype).tiny)


def matching(
    tokens: Tensor, contexts: Tensor, weights: Tensor, temperature: float, padding: Tensor | None = None
) -> Tensor:
    """Return the InfoNCE loss of tokens with what they attended to, half of it in either direction.

    tokens, contexts (B, N, D), token n belongs to context n of the same film and to no other; weights (B, N) sum to 1 in
    each film; `padding` bool (B, N) takes tokens out of the sum and out of the negatives.
    """
    scores = tokens @ contexts.transpose(1, 2) / temperature
    if padding is not None:
        scores = scores.masked_fill(padding[:, None] | padding[:, :, None], NEVER)
    forth = -scores.log_softmax(2).diagonal(dim1=1, dim2=2)
    back = -scores.log_softmax(1).diagonal(dim1=1, dim2=2)
    return ((forth + back) / 2 * weights).sum() / len(tokens)


def token_alignment(
    words: Tensor,
    patches: Tensor,
    word_weights: Tensor,
    patch_weights: Tensor,
    padding: Tensor,
    temperature: float,
    unit_patches: bool = True,
) -> Tensor:
    """Return CTA: words matched with the patches they attend to, plus patches with the words they attend to.

    words (B, W, D), patches (B, P, D) unit vectors; weights (B, W) and (B, P) sum to 1; padding bool (B, W).
    The code normalises what words found, and what patches found for ResNet alone: `unit_patches` = False for ViT.
    """
    attended = F.normalize(attend(words, patches, temperature), dim=-1)
    of_words = matching(words, attended, word_weights, temperature, padding)
    attended = attend(patches, words, temperature, padding)
    attended = F.normalize(attended, dim=-1) if unit_patches else attended
    return of_words + matching(patches, attended, patch_weights, temperature)


@torch.no_grad()
def sinkhorn(scores: Tensor, epsilon: float, iterations: int) -> Tensor:
    """Return soft assignments (B, K) of B embeddings to K prototypes, nearly all prototypes used alike.

    scores (B, K) cosines. Sinkhorn-Knopp on exp(scores / epsilon): each row of the result sums to 1; each column comes
    closer to B / K with every iteration.
    """
    scores = scores.double()
    plan = ((scores - scores.max()) / epsilon).exp()
    count, prototypes = plan.shape
    plan = plan / plan.sum()
    for _ in range(iterations):
        plan = plan / (plan.sum(0, keepdim=True) * prototypes)
        plan = plan / (plan.sum(1, keepdim=True) * count)
    return (plan / plan.sum(1, keepdim=True)).float()


def prototype_alignment(images: Tensor, reports: Tensor, temperature: float, epsilon: float, iterations: int) -> Tensor:
    """Return CPA: each side predicts the other's assignment to the prototypes, the mean of both.

    images, reports (B, K): cosines with the K prototypes.
    """
    of_images, of_reports = (sinkhorn(scores, epsilon, iterations) for scores in (images, reports))
    from_reports = F.cross_entropy(reports / temperature, of_images)
    from_images = F.cross_entropy(images / temperature, of_reports)
    return (from_reports + from_images) / 2
