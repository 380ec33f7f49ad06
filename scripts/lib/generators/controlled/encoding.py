"""How a text reaches the networks, in training and in sampling alike; hints.py does the same for masks.

Absent text is zero vectors, per sample, at any batch size: the paper's "N/A" (section 1.1 of its methods); no such word
reaches the tokenizer.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from transformers import CLIPTextModel, CLIPTokenizer

from scripts.lib.conditions.prompts import TextCell
from scripts.lib.encoders.clip_text import plain_text


@dataclass(frozen=True)
class Tokens:
    """Tokenized texts: `ids` int64 (N, L), and `present` bool (N,), False where there is no text."""

    ids: torch.Tensor
    present: torch.Tensor

    def rows(self, rows: np.ndarray | torch.Tensor, keep: torch.Tensor | None = None) -> Tokens:
        """Return these rows; `keep` bool (n,) takes away further texts (dropout)."""
        rows = torch.as_tensor(rows)
        present = self.present[rows]
        return Tokens(self.ids[rows], present if keep is None else present & keep)


def tokenize(texts: Sequence[TextCell], tokenizer: CLIPTokenizer, quiet: bool = False) -> Tokens:
    """Tokenize texts to the tokenizer's length; warns once, unless `quiet`, when texts are longer, and cuts them."""
    plain = [plain_text(text) for text in texts]
    length = tokenizer.model_max_length
    unique = sorted({text for text in plain if text is not None})
    long = [] if quiet else [text for text in unique if len(tokenizer(text).input_ids) > length]
    if long:
        warnings.warn(
            f"{len(long)} texts have more than {length} tokens and are cut, e.g. {long[0][:60]!r}", stacklevel=2
        )
    made = {
        text: tokenizer(text, padding="max_length", truncation=True, max_length=length).input_ids for text in unique
    }
    nothing = [tokenizer.pad_token_id] * length
    ids = torch.tensor([nothing if text is None else made[text] for text in plain], dtype=torch.int64)
    return Tokens(ids.reshape(-1, length), torch.tensor([text is not None for text in plain], dtype=torch.bool))


def encode_text(tokens: Tokens, encoder: CLIPTextModel) -> torch.Tensor:
    """Return text states, float (N, L, D); rows without text are zero vectors. Differentiable in the encoder.

    The encoder sees only the rows that have text, so a row without one costs nothing and changes nothing.
    """
    weight = cast(torch.Tensor, encoder.get_input_embeddings().weight)
    count, length = tokens.ids.shape
    states = torch.zeros(count, length, encoder.config.hidden_size, device=weight.device, dtype=weight.dtype)
    if not tokens.present.any():
        return states
    encoded = encoder(tokens.ids[tokens.present].to(weight.device))[0]
    where = torch.nonzero(tokens.present).flatten().to(weight.device)
    return states.to(encoded.dtype).index_copy(0, where, encoded)
