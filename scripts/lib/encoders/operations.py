"""Text encoders on torch's meta device, without weights, for the planner; their heads change no number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.lib.training.operations import Shape, count

if TYPE_CHECKING:
    from transformers import BertModel, CLIPTextModel

CLINICAL_WORDS, PUBMED_WORDS = 28996, 30522  # vocabularies of Bio_ClinicalBERT and PubMedBERT, both of BERT's base size


def bert(vocabulary: int, positions: int = 512, hidden: int = 768, layers: int = 12) -> BertModel:
    """Return a BERT without pooler, of base size where nothing else is said; its products are counted one by one."""
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=vocabulary, max_position_embeddings=positions, num_hidden_layers=layers, num_attention_heads=1,
        hidden_size=hidden, intermediate_size=4 * hidden,
    )  # fmt: skip
    with torch.device("meta"):
        made = BertModel(config, add_pooling_layer=False)
    made.set_attn_implementation("eager")
    return made


def reading(network: BertModel, tokens: int, learns: bool = False) -> float:
    """Return the operations of one text of so many tokens; with `learns` also of the gradients of all weights."""
    import torch

    text = torch.zeros(1, tokens, dtype=torch.long, device="meta")
    return count(lambda: network(text).last_hidden_state, learns)


def clip_text(text: Shape) -> CLIPTextModel:
    """Return a CLIP text encoder of a section with vocabulary, max_tokens, hidden and layers."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=text["vocabulary"], max_position_embeddings=text["max_tokens"], num_hidden_layers=text["layers"],
        num_attention_heads=1, hidden_size=text["hidden"], intermediate_size=4 * text["hidden"],
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    with torch.device("meta"):
        return CLIPTextModel(config)
