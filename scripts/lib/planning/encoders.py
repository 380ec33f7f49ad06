"""The two encoders of films and texts beside the generator, the proxy model and MGCA: parameters and operations.

Built on torch's meta device from their settings. Of models that are not on this machine the published shape is used:
BiomedCLIP's open_clip_config.json, BERT's base size for MGCA's reports (Bio_ClinicalBERT).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from scripts.lib.planning.networks import count, size

BIOMEDCLIP = "hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
CLIP_VIT = {"name": "vit_base_patch16_224", "side": 224, "embed": 512, "hidden": 640}
BERT = {"vocabulary": 28996, "positions": 512, "hidden": 768, "layers": 12}
PUBMEDBERT = {**BERT, "vocabulary": 30522}


def bert_parameters(vocabulary: int, positions: int, hidden: int, layers: int) -> int:
    """Return the parameters of a BERT without pooler: tables of words, places and two kinds of sentence, then its blocks.

    A block has four square matrices (attention) and two of hidden x 4 hidden, with biases, and two normalisations.
    """
    return (vocabulary + positions + 2) * hidden + 2 * hidden + layers * (12 * hidden**2 + 13 * hidden)


def bert_operations(hidden: int, layers: int, tokens: int) -> float:
    """Return the operations of one text: of a block's matrices at each token, and of its attention between all tokens."""
    return float(layers * (24 * hidden**2 * tokens + 4 * tokens**2 * hidden))


@cache
def _clip(key: str) -> tuple[Any, int]:
    """Return the image tower of a proxy model on the meta device, and the side of its films."""
    import torch

    given = json.loads(key)
    if given["model"] == BIOMEDCLIP:
        from open_clip.timm_model import TimmModel

        own = CLIP_VIT
        with torch.device("meta"):
            return TimmModel(own["name"], own["embed"], own["side"], pool="", proj="linear").eval(), own["side"]
    return small_clip(key).visual.eval(), given["resolution"]


@cache
def small_clip(key: str) -> Any:
    """Return the small CLIP of the section `proxy.train` on the meta device."""
    import numpy as np
    import torch
    from open_clip import CustomTextCLIP

    from scripts.lib.filters.proxy.small import model_config

    given = json.loads(key)
    settings, side = given["model"], given["resolution"]
    config = model_config(settings, range(settings["text"]["vocabulary"]), np.zeros((1, side, side), np.uint8))
    with torch.device("meta"):
        return CustomTextCLIP(**{k: v for k, v in config["model_cfg"].items() if k != "custom_text"})


def _key(model: Any, resolution: int) -> str | None:
    known = isinstance(model, Mapping) or model == BIOMEDCLIP
    return json.dumps({"model": model, "resolution": resolution}, sort_keys=True) if known else None


def proxy_parameters(model: Any, resolution: int) -> int | None:
    """Return the parameters of a proxy model, `proxy.train` or a name; None for a name whose shape is not known."""
    key = _key(model, resolution)
    if key is None:
        return None
    if model != BIOMEDCLIP:
        return size(small_clip(key))
    width, hidden, embed = PUBMEDBERT["hidden"], CLIP_VIT["hidden"], CLIP_VIT["embed"]
    # Beside the two towers: the two layers that end the text's, and the temperature.
    return size(_clip(key)[0]) + bert_parameters(**PUBMEDBERT) + width * hidden + hidden * embed + 1


def proxy_film(model: Any, resolution: int, learns: bool = False) -> float | None:
    """Return the operations of one film through a proxy model's image tower; texts are a few words for a whole pool."""
    import torch

    key = _key(model, resolution)
    if key is None:
        return None
    tower, side = _clip(key)
    return count(lambda: tower(torch.empty(1, 3, side, side, device="meta")), learns)


def _text(mgca: Mapping[str, Any]) -> dict[str, int]:
    text = mgca["text"]
    if text["path"]:
        return BERT
    return {"vocabulary": text["vocabulary"], "positions": text["max_tokens"]} | {
        key: text[key] for key in ("hidden", "layers")
    }


@cache
def _film_encoder(key: str) -> tuple[Any, int]:
    import torch

    from scripts.lib.mgca.encoders import ImageEncoder
    from scripts.lib.mgca.pairs import input_side
    from scripts.lib.training.settings import Section

    given = json.loads(key)
    mgca = Section({**given["mgca"], "image": {**given["mgca"]["image"], "weights": None}}, "mgca")
    side = input_side(mgca, given["resolution"])
    with torch.device("meta"):
        encoder = ImageEncoder(mgca["image"], mgca["grey"], mgca["emb_dim"], mgca["embedding_hidden"], side)
    return encoder.eval(), side


def _mgca_key(mgca: Mapping[str, Any], resolution: int) -> str:
    kept = {key: mgca[key] for key in ("image", "grey", "emb_dim", "embedding_hidden", "text")}
    return json.dumps({"mgca": kept, "resolution": resolution}, sort_keys=True)


def mgca_parameters(mgca: Mapping[str, Any], resolution: int) -> tuple[int, int]:
    """Return the parameters that the section `mgca` trains and those that it holds frozen."""
    text, dim, hidden = _text(mgca), mgca["emb_dim"], mgca["embedding_hidden"]
    bert = bert_parameters(**text)
    # Projections of the whole and of the words: two layers with biases and a normalisation; then prototypes, and the two
    # attention layers of four square matrices.
    heads = 2 * ((text["hidden"] + 1) * hidden + 2 * hidden + (hidden + 1) * dim)
    rest = heads + mgca["prototypes"] * dim + 2 * (4 * dim**2 + 4 * dim)
    films = size(_film_encoder(_mgca_key(mgca, resolution))[0])
    return (films + rest, bert) if mgca["text"]["frozen"] else (films + rest + bert, 0)


def mgca_pair(mgca: Mapping[str, Any], resolution: int) -> float:
    """Return the operations of one film and its report in training: both encoders and their gradients, not the losses."""
    import torch

    encoder, side = _film_encoder(_mgca_key(mgca, resolution))

    def run() -> torch.Tensor:
        whole, parts, _ = encoder(torch.empty(1, 1, side, side, device="meta"))
        return whole.sum() + parts.sum()

    text = _text(mgca)
    report = bert_operations(text["hidden"], text["layers"], mgca["text"]["max_tokens"])
    return count(run, learns=True) + report * (1 if mgca["text"]["frozen"] else 3)
