"""MGCA as one network: two encoders, their losses, and the prototypes; its weights have the names of the published ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BertModel

from scripts.lib.mgca.encoders import ImageEncoder, TextEncoder
from scripts.lib.mgca.losses import clipped_weights, instance_alignment, matching, prototype_alignment, token_alignment
from scripts.lib.mgca.text import Captions
from scripts.lib.training.settings import Section


@dataclass(frozen=True)
class Losses:
    """The three losses of a batch, scalars: instances, tokens, prototypes."""

    ita: Tensor
    cta: Tensor
    cpa: Tensor


class MGCA(nn.Module):
    """The network that is pre-trained; `settings` is the section `mgca`, `side` that of the films it sees.

    The two attention layers belong to the paper (its cross attention) and to its checkpoints. The published training leaves them
    unused (`attention: cosine`); they are trained with `attention: learned`.
    """

    def __init__(self, settings: Section, bert: BertModel, side: int) -> None:
        super().__init__()
        dim, hidden = settings["emb_dim"], settings["embedding_hidden"]
        self.settings = settings
        self.learned = settings.one_of("attention", "cosine", "learned") == "learned"
        self.positives = settings.one_of("equal_reports", "negatives", "positives") == "positives"
        self.img_encoder_q = ImageEncoder(settings["image"], settings["grey"], dim, hidden, side)
        self.text_encoder_q = TextEncoder(bert, dim, hidden, settings["text"]["frozen"])
        self.patch_local_atten_layer = nn.MultiheadAttention(dim, 1, batch_first=True).requires_grad_(self.learned)
        self.word_local_atten_layer = nn.MultiheadAttention(dim, 1, batch_first=True).requires_grad_(self.learned)
        self.prototype_layer = nn.Linear(dim, settings["prototypes"], bias=False)
        self.normalise_prototypes()

    @torch.no_grad()
    def normalise_prototypes(self) -> None:
        """Bring all prototypes back to length 1, as before each step of the published training."""
        self.prototype_layer.weight.copy_(F.normalize(self.prototype_layer.weight, dim=1))

    def forward(self, images: Tensor, captions: Captions, learn_prototypes: bool) -> Losses:
        """Return the losses of films (B, 1, H, W) float in [0, 1] and their captions.

        Prototypes that do not learn yet have a gradient of zero, not none: so every weight has its optimizer state.
        """
        temperature, sinkhorn = self.settings["temperature"], self.settings["sinkhorn"]
        image, patches, patch_attention = self.img_encoder_q(images)
        report, words, word_attention, padding = self.text_encoder_q(captions)
        texts = captions.texts if self.positives else None
        weight = self.prototype_layer.weight
        prototypes = (weight if learn_prototypes else weight.detach() + 0.0 * weight).T
        return Losses(
            instance_alignment(image, report, temperature["instance"], texts),
            self._token_loss(patches, patch_attention, words, word_attention, padding),
            prototype_alignment(
                image @ prototypes,
                report @ prototypes,
                temperature["prototype"],
                sinkhorn["epsilon"],
                sinkhorn["iterations"],
            ),
        )

    def _token_loss(
        self, patches: Tensor, patch_attention: Tensor | None, words: Tensor, word_attention: Tensor, padding: Tensor
    ) -> Tensor:
        word_weights = clipped_weights(word_attention, padding)
        if patch_attention is None:
            patch_weights = patches.new_full(patches.shape[:2], 1 / patches.shape[1])
        else:
            patch_weights = clipped_weights(patch_attention)
        temperature, unit = self.settings["temperature"]["token"], patch_attention is None
        if not self.learned:
            return token_alignment(words, patches, word_weights, patch_weights, padding, temperature, unit)
        attended, _ = self.word_local_atten_layer(words, patches, patches, need_weights=False)
        of_words = matching(words, F.normalize(attended, dim=-1), word_weights, temperature, padding)
        attended, _ = self.patch_local_atten_layer(patches, words, words, key_padding_mask=padding, need_weights=False)
        attended = F.normalize(attended, dim=-1) if unit else attended
        return of_words + matching(patches, attended, patch_weights, temperature)
