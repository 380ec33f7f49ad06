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

HINT, GROUPS = 3, (32, 8)
BIOMEDCLIP = "hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
VIT, VIT_SIDE, VIT_EMBED, VIT_HIDDEN = "vit_base_patch16_224", 224, 512, 640
BERT = {"vocabulary": 28996, "positions": 512, "hidden": 768, "layers": 12}
PUBMEDBERT = {**BERT, "vocabulary": 30522}
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
    return sum(own.numel() for own in network.parameters())


def count(run: Callable[[], torch.Tensor], learns: bool = False) -> float:
    """Return the operations of a call on meta tensors; with `learns` also those of the gradients of its result's sum."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(learns):
        result = run()
        if learns:
            result.sum().backward()
    return float(counter.get_total_flops())


def _empty(*shape: int) -> torch.Tensor:
    import torch

    return torch.empty(*shape, device="meta")


@kept
def generator(shape: Shape) -> dict[str, Any]:
    """Return unet, controlnet and vae of a shape with these keys and hint_channels.

    `vae.attention` (left out: none) is self-attention in the middle; `unet.pooled` that of the pooled text, as small bases have it.
    """
    import torch
    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel

    unet, vae = shape["unet"], shape["vae"]
    widths = [*unet["channels"], *vae["channels"]]
    groups = next((g for g in GROUPS if all(width % g == 0 for width in widths)), 1)
    kinds = ["CrossAttnDownBlock2D" if here else "DownBlock2D" for here in unet["attention"]]
    pooled = (
        {"addition_embed_type": "text", "addition_embed_type_num_heads": unet["heads"]} if unet.get("pooled") else {}
    )
    shared = {
        "in_channels": vae["latents"], "layers_per_block": unet["layers"], "block_out_channels": tuple(unet["channels"]),
        "down_block_types": tuple(kinds), "cross_attention_dim": unet["text"], "attention_head_dim": unet["heads"],
        "norm_num_groups": groups, **pooled,
    }  # fmt: skip
    ups = tuple(kind.replace("Down", "Up") for kind in reversed(kinds))
    levels, colours = len(vae["channels"]), vae.get("colours", 1)
    with torch.device("meta"):
        return {
            "unet": UNet2DConditionModel(out_channels=vae["latents"], up_block_types=ups, **shared),
            "controlnet": ControlNetModel(conditioning_embedding_out_channels=tuple(shape["hint_channels"]), **shared),
            "vae": AutoencoderKL(
                in_channels=colours, out_channels=colours, layers_per_block=vae["layers"],
                block_out_channels=tuple(vae["channels"]), latent_channels=vae["latents"], norm_num_groups=groups,
                down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
                mid_block_add_attention=vae.get("attention", False),
            ),
        }  # fmt: skip


@kept
def denoising(shape: Shape, side: int, trains: tuple[str, ...] = (), hinted: bool = True) -> float:
    """Return the operations of one image through U-Net and (`hinted`) ControlNet at one time step.

    With `trains` (parts) also of the gradients that reach those parts: those of a ControlNet flow back through the decoder of
    the frozen U-Net. The hint is embedded anew only where something learns, as in the trainers.
    """
    import torch

    networks = generator(shape)
    unet, control, vae = networks["unet"].train(), networks["controlnet"].train(), networks["vae"]
    for part in ("unet", "controlnet"):
        networks[part].requires_grad_(part in trains)
        networks[part].zero_grad(set_to_none=True)
    latents = _empty(1, unet.config.in_channels, *_latent(vae, side))
    width = unet.config.cross_attention_dim
    # Stable Diffusion reads 77 tokens; of a small base at least a few.
    text, hint = _empty(1, 77 if width >= 768 else 24, width), _empty(1, HINT, side, side)
    step = torch.zeros(1, dtype=torch.long, device="meta")

    def run() -> torch.Tensor:
        more = {}
        if hinted:
            down, middle = control(latents, step, encoder_hidden_states=text, controlnet_cond=hint, return_dict=False)
            more = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        made: torch.Tensor = unet(latents, step, encoder_hidden_states=text, return_dict=False, **more)[0]
        return made

    return count(run, bool(trains)) - (embedding(shape, side) if hinted and not trains else 0)


@kept
def embedding(shape: Shape, side: int) -> float:
    """Return the operations of embedding one hint."""
    part = generator(shape)["controlnet"].controlnet_cond_embedding
    return count(lambda: part(_empty(1, HINT, side, side)))


@kept
def encoding(shape: Shape, side: int) -> float:
    """Return the operations of one film into its latents."""
    vae = generator(shape)["vae"].requires_grad_(False)
    return count(lambda: vae.encode(_empty(1, vae.config.in_channels, side, side)).latent_dist.mean)


@kept
def decoding(shape: Shape, side: int, learns: bool = False) -> float:
    """Return the operations of decoding one image; with `learns` of encoding, decoding and their gradients."""
    vae = generator(shape)["vae"].requires_grad_(learns)

    def run() -> torch.Tensor:
        if learns:
            latents = vae.encode(_empty(1, vae.config.in_channels, side, side)).latent_dist.mean
        else:
            latents = _empty(1, vae.config.latent_channels, *_latent(vae, side))
        made: torch.Tensor = vae.decode(latents).sample
        return made

    return count(run, learns)


def _latent(vae: Any, side: int) -> tuple[int, int]:
    """Return height and width of a film's latents."""
    return (side // 2 ** (len(vae.config.block_out_channels) - 1),) * 2


@kept
def judge(shape: Shape) -> torch.nn.Module:
    """Return the model of a trial's shape; one label, whose layer is next to nothing."""
    from scripts.lib.downstream.models import build_model

    model = {**shape["model"], "weights": None, "frozen": False}
    kept = {"score": 0.5, "overlap": 0.5, "most": 1}  # of boxes: no part of what is counted
    own = {**shape, "grey": {"mean": 0.0, "std": 1.0}, "model": model, "boxes": kept}
    return build_model(own, 1, shape["resolution"], 0).to("meta").eval()


@kept
def judging(shape: Shape, learns: bool = False) -> float:
    """Return the operations of one film through a trial's model; with `learns` also of the gradients of its weights."""
    model, side = judge(shape), shape["image_size"] or shape["resolution"]
    return count(lambda: model(_empty(1, 1, side, side)), learns)


@kept
def _small_clip(settings: Shape, side: int) -> Any:
    """Return the small CLIP of the section `proxy.train`."""
    import torch
    from open_clip import CustomTextCLIP

    from scripts.lib.filters.proxy.small import clip_shape

    with torch.device("meta"):
        return CustomTextCLIP(**clip_shape(settings, settings["text"]["vocabulary"], side))


@kept
def _image_tower(model: Shape | str, resolution: int) -> tuple[torch.nn.Module, int] | None:
    """Return the image tower of a proxy model, `proxy.train` or a name, and the side of its films; None if not known."""
    import torch

    if not isinstance(model, str):
        return _small_clip(model, resolution).visual.eval(), resolution
    if model != BIOMEDCLIP:
        return None
    from open_clip.timm_model import TimmModel

    with torch.device("meta"):
        return TimmModel(VIT, VIT_EMBED, VIT_SIDE, pool="", proj="linear").eval(), VIT_SIDE


def proxy_parameters(model: Shape | str, resolution: int) -> int | None:
    """Return the parameters of a proxy model, `proxy.train` or a name; None for a name whose shape is not known."""
    if not isinstance(model, str):
        return size(_small_clip(model, resolution))
    tower = _image_tower(model, resolution)
    # Beside the two towers: the two layers that end the text's, and the temperature.
    ends = PUBMEDBERT["hidden"] * VIT_HIDDEN + VIT_HIDDEN * VIT_EMBED + 1
    return None if tower is None else size(tower[0]) + bert_parameters(**PUBMEDBERT) + ends


def proxy_film(model: Shape | str, resolution: int, learns: bool = False) -> float | None:
    """Return the operations of one film through a proxy model's image tower; texts are a few words for a whole pool."""
    tower = _image_tower(model, resolution)
    if tower is None:
        return None
    network, side = tower
    return count(lambda: network(_empty(1, 3, side, side)), learns)


def bert_parameters(vocabulary: int, positions: int, hidden: int, layers: int) -> int:
    """Return the parameters of a BERT without pooler: tables of words, places and two kinds of sentence, then its blocks.

    A block has four square matrices (attention) and two of hidden x 4 hidden, with biases, and two normalisations.
    """
    return (vocabulary + positions + 2) * hidden + 2 * hidden + layers * (12 * hidden**2 + 13 * hidden)


def bert_operations(hidden: int, layers: int, tokens: int) -> float:
    """Return the operations of one text: of a block's matrices at each token, and of its attention between all tokens."""
    return float(layers * (24 * hidden**2 * tokens + 4 * tokens**2 * hidden))


def clip_text_parameters(vocabulary: int, tokens: int, width: int, layers: int) -> int:
    """Return the parameters of a CLIP text encoder: as BERT's, with one more normalisation instead of kinds of sentence."""
    return bert_parameters(vocabulary, tokens, width, layers) - 2 * width


def _reports(mgca: Shape) -> dict[str, int]:
    """Return the shape of MGCA's text encoder."""
    text = mgca["text"]
    own = {"vocabulary": text["vocabulary"], "positions": text["max_tokens"]}
    return BERT if text["path"] else {**own, "hidden": text["hidden"], "layers": text["layers"]}


@kept
def _film_encoder(settings: Shape, resolution: int) -> tuple[torch.nn.Module, int]:
    """Return MGCA's encoder of films and the side of its input."""
    import torch

    from scripts.lib.mgca.encoders import ImageEncoder
    from scripts.lib.mgca.pairs import input_side
    from scripts.lib.training.settings import Section

    mgca = Section({**settings, "image": {**settings["image"], "weights": None}}, "mgca")
    side = input_side(mgca, resolution)
    with torch.device("meta"):
        encoder = ImageEncoder(mgca["image"], mgca["grey"], mgca["emb_dim"], mgca["embedding_hidden"], side)
    return encoder.eval(), side


def mgca_parameters(mgca: Shape, resolution: int) -> tuple[int, int]:
    """Return the parameters that the section `mgca` trains and those that it holds frozen."""
    text, dim, hidden = _reports(mgca), mgca["emb_dim"], mgca["embedding_hidden"]
    # Projections of the whole and of the words: two layers with biases and a normalisation; then prototypes, and the two
    # attention layers of four square matrices.
    heads = 2 * ((text["hidden"] + 1) * hidden + 2 * hidden + (hidden + 1) * dim)
    rest = heads + mgca["prototypes"] * dim + 2 * (4 * dim**2 + 4 * dim)
    films, bert = size(_film_encoder(_of_films(mgca), resolution)[0]), bert_parameters(**text)
    return (films + rest, bert) if mgca["text"]["frozen"] else (films + rest + bert, 0)


def _of_films(mgca: Shape) -> dict[str, Any]:
    return {key: mgca[key] for key in ("image", "grey", "emb_dim", "embedding_hidden", "text")}


def mgca_pair(mgca: Shape, resolution: int) -> float:
    """Return the operations of one film and its report in training: both encoders and their gradients, not the losses."""
    encoder, side = _film_encoder(_of_films(mgca), resolution)

    def run() -> torch.Tensor:
        whole, parts, _ = encoder(_empty(1, 1, side, side))
        total: torch.Tensor = whole.sum() + parts.sum()
        return total

    text = _reports(mgca)
    report = bert_operations(text["hidden"], text["layers"], mgca["text"]["max_tokens"])
    return count(run, learns=True) + report * (1 if mgca["text"]["frozen"] else 3)
