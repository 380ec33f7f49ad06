"""The networks of a study on torch's meta device, without weights or data: their parameters and operations.

Operations are two a multiply-add, as torch counts, of matrix products and convolutions alone. Of models that are not on this
machine the published shape is used: BiomedCLIP's open_clip_config.json, BERT's base size for MGCA's reports.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    import torch
    from transformers import BertModel

    from scripts.lib.training.settings import Section

BIOMEDCLIP = "hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
VIT, VIT_SIDE, VIT_EMBED, VIT_HIDDEN = "vit_base_patch16_224", 224, 512, 640
CLINICAL_WORDS, PUBMED_WORDS = 28996, 30522  # vocabularies of Bio_ClinicalBERT and PubMedBERT, both of BERT's base size
Shape = Mapping[str, Any]
Given = ParamSpec("Given")
Result = TypeVar("Result")


def kept(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Keep the results of a function of shapes and numbers: networks are built, and counted, once."""
    results: dict[str, Result] = {}

    @wraps(function)
    def remembered(*given: Given.args, **named: Given.kwargs) -> Result:
        key = json.dumps([given, named], sort_keys=True)
        if key not in results:
            results[key] = function(*given, **named)
        return results[key]

    return remembered


def size(network: torch.nn.Module) -> int:
    """Return a network's number of parameters."""
    return sum(weights.numel() for weights in network.parameters())


def count(run: Callable[[], torch.Tensor], learns: bool = False) -> float:
    """Return the operations of a call on meta tensors; with `learns` also those of the gradients of its result's sum."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(learns):
        result = run()
        if learns:
            result.sum().backward()
    return float(counter.get_total_flops())


def batch(shape: Shape) -> int:
    """Return the images of one step of a training."""
    return int(shape["batch_size"] * shape["gradient_accumulation"])


def _empty(*shape: int) -> torch.Tensor:
    import torch

    return torch.empty(*shape, device="meta")


@kept
def judge(shape: Shape) -> torch.nn.Module:
    """Return the model of a trial's shape; one label, whose layer is next to nothing."""
    from scripts.lib.downstream.models import build_model

    model = {**shape["model"], "weights": None, "frozen": False}
    boxes = {"score": 0.5, "overlap": 0.5, "most": 1}  # which boxes are kept: no part of what is counted
    settings = {**shape, "grey": {"mean": 0.0, "std": 1.0}, "model": model, "boxes": boxes}
    return build_model(settings, 1, shape["resolution"], 0).to("meta").eval()


def judging(shape: Shape, learns: bool = False) -> float:
    """Return the operations of one film through a trial's model; with `learns` also of the gradients of its weights."""
    model, side = judge(shape), shape["image_size"] or shape["resolution"]
    return count(lambda: model(_empty(1, 1, side, side)), learns)


def bert(vocabulary: int, positions: int = 512, hidden: int = 768, layers: int = 12) -> BertModel:
    """Return a BERT without pooler, of base size where nothing else is said. Its heads change no number here."""
    import torch
    from transformers import BertConfig, BertModel

    with torch.device("meta"):
        config = BertConfig(
            vocab_size=vocabulary, max_position_embeddings=positions, num_hidden_layers=layers, num_attention_heads=1,
            hidden_size=hidden, intermediate_size=4 * hidden,
        )  # fmt: skip
        made = BertModel(config, add_pooling_layer=False)
    made.set_attn_implementation("eager")  # whose products are counted one by one
    return made


def reading(network: BertModel, tokens: int, learns: bool = False) -> float:
    """Return the operations of one text of so many tokens; with `learns` also of the gradients of all weights."""
    import torch

    text = torch.zeros(1, tokens, dtype=torch.long, device="meta")

    def run() -> torch.Tensor:
        states: torch.Tensor = network(text).last_hidden_state
        return states

    return count(run, learns)


@kept
def clip_text_parameters(vocabulary: int, tokens: int, hidden: int, layers: int) -> int:
    """Return the parameters of a CLIP text encoder."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.device("meta"):
        config = CLIPTextConfig(
            vocab_size=vocabulary, max_position_embeddings=tokens, num_hidden_layers=layers, num_attention_heads=1,
            hidden_size=hidden, intermediate_size=4 * hidden, bos_token_id=None, eos_token_id=None,
        )  # fmt: skip
        return size(CLIPTextModel(config))


@kept
def _proxy(model: Shape | str, resolution: int) -> tuple[torch.nn.Module, int, int] | None:
    """Return a proxy model's image tower, the side of its films, and the parameters of the whole; None if not known."""
    import torch
    from open_clip import CustomTextCLIP
    from open_clip.timm_model import TimmModel

    from scripts.lib.filters.proxy.small import clip_shape

    with torch.device("meta"):
        if not isinstance(model, str):
            small = CustomTextCLIP(**clip_shape(model, model["text"]["vocabulary"], resolution)).eval()
            return small.visual, resolution, size(small)
        if model != BIOMEDCLIP:
            return None
        tower, text = TimmModel(VIT, VIT_EMBED, VIT_SIDE, pool="", proj="linear").eval(), bert(PUBMED_WORDS)
    # Beside the two towers: the two layers that end the text's, and the temperature.
    ends = text.config.hidden_size * VIT_HIDDEN + VIT_HIDDEN * VIT_EMBED + 1
    return tower, VIT_SIDE, size(tower) + size(text) + ends


def proxy_parameters(model: Shape | str, resolution: int) -> int | None:
    """Return the parameters of a proxy model, `proxy.train` or a name; None for a name whose shape is not known."""
    known = _proxy(model, resolution)
    return known and known[2]


def proxy_film(model: Shape | str, resolution: int, learns: bool = False) -> float | None:
    """Return the operations of one film through a proxy model's image tower; texts are a few words for a whole pool."""
    if (known := _proxy(model, resolution)) is None:
        return None
    tower, side, _ = known
    return count(lambda: tower(_empty(1, 3, side, side)), learns)


def _mgca(settings: Shape, resolution: int) -> tuple[Section, BertModel, int]:
    """Return the section `mgca` without weights, its encoder of reports, and the side of its films."""
    from scripts.lib.mgca.pairs import input_side
    from scripts.lib.training.settings import Section

    section, text = Section({**settings, "image": {**settings["image"], "weights": None}}, "mgca"), settings["text"]
    small = (text["vocabulary"], text["max_tokens"], text["hidden"], text["layers"])
    return section, bert(CLINICAL_WORDS) if text["path"] else bert(*small), input_side(section, resolution)


@kept
def mgca_parameters(settings: Shape, resolution: int) -> tuple[int, int]:
    """Return the parameters that the section `mgca` trains and those that it holds frozen."""
    import torch

    from scripts.lib.mgca.model import MGCA

    section, reports, side = _mgca(settings, resolution)
    frozen = size(reports) if settings["text"]["frozen"] else 0
    with torch.device("meta"):
        return size(MGCA(section, reports, side)) - frozen, frozen


def mgca_pair(settings: Shape, resolution: int) -> float:
    """Return the operations of one film and its report in training: both encoders and their gradients, not the losses."""
    import torch

    from scripts.lib.mgca.encoders import ImageEncoder

    mgca, reports, side = _mgca(settings, resolution)
    with torch.device("meta"):
        films = ImageEncoder(mgca["image"], mgca["grey"], mgca["emb_dim"], mgca["embedding_hidden"], side).eval()
        film = torch.empty(1, 1, side, side)
    seen = count(lambda: torch.stack([part.sum() for part in films(film)[:2]]), learns=True)
    return seen + reading(reports, mgca["text"]["max_tokens"], learns=not mgca["text"]["frozen"])
