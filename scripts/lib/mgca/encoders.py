"""The two encoders of MGCA, each with its projections of the whole and of the parts; names are those of its checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import BertModel

from scripts.lib.core.errors import InputError
from scripts.lib.encoders.small import SmallEncoder
from scripts.lib.encoders.weights import build_named, load_encoder
from scripts.lib.mgca.text import Captions
from scripts.lib.training.settings import Section


class GlobalEmbedding(nn.Module):
    """Features (B, F) to embeddings (B, D)."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.head = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, outputs),
            nn.BatchNorm1d(outputs, affine=False),
        )

    def forward(self, features: Tensor) -> Tensor:
        return F.normalize(self.head(features), dim=-1)


class LocalEmbedding(nn.Module):
    """Features of parts (B, N, F) to embeddings (B, N, D); `padding` bool (B, N) marks parts that do not exist.

    Those become zero vectors and have no share in the batch's mean and variance.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.head = nn.Sequential(
            nn.Conv1d(inputs, hidden, 1),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv1d(hidden, outputs, 1),
            nn.BatchNorm1d(outputs, affine=False),
        )

    def forward(self, features: Tensor, padding: Tensor | None = None) -> Tensor:
        if padding is None:
            return F.normalize(self.head(features.transpose(1, 2)).transpose(1, 2), dim=-1)
        made = F.normalize(self.head(features[~padding].T[None])[0].T, dim=-1)
        return made.new_zeros(*padding.shape, made.shape[1]).index_put((~padding).nonzero(as_tuple=True), made)


class ImageEncoder(nn.Module):
    """Films (B, 1, H, W) float in [0, 1] to embeddings (B, D), of their patches (B, P, D), and the patches' attention.

    `small` is the encoder of the trials, with their `fold`; its patches are the places of the last stage but one, as
    layer3 is in the ResNets. ViT's patches are its tokens, and it alone has attention (B, P), of [CLS] in the last block.
    """

    def __init__(self, settings: Section, grey: Section, dim: int, hidden: int, side: int) -> None:
        super().__init__()
        name, self.fold = settings["encoder"], settings["fold"]
        self.mean, self.std = float(grey["mean"]), float(grey["std"])
        if side % self.fold:
            raise InputError(f"mgca: images of side {side} cannot be folded by mgca.image.fold = {self.fold}")
        self.channels = 1 if name == "small" else 3
        self.model = _build(settings, self.channels * self.fold**2, side // self.fold)
        if settings["weights"] not in (None, "imagenet"):
            load_encoder(self.model, settings["weights"])
        parts, whole = _widths(self.model, name)
        self.global_embed = GlobalEmbedding(whole, hidden, dim)
        self.local_embed = LocalEmbedding(parts, hidden, dim)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        grey = ((images - self.mean) / self.std).expand(-1, self.channels, -1, -1)
        whole, parts, attention = self.features(F.pixel_unshuffle(grey, self.fold))
        return self.global_embed(whole), self.local_embed(parts), attention

    def features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return features (B, F) of the whole, (B, P, G) of the patches, and the attention to patches or None."""
        model = self.model
        if _is_vit(model):
            return _vit_features(model, x)
        if isinstance(model, SmallEncoder):
            *_, local, last = model(x)
        elif _is_resnet(model):
            x = model.maxpool(model.act1(model.bn1(model.conv1(x))))
            local = model.layer3(model.layer2(model.layer1(x)))
            last = model.layer4(local)
        return last.mean(dim=(2, 3)), local.flatten(2).transpose(1, 2), None


class _ResNet(Protocol):
    """The parts of timm's ResNets that are used here."""

    conv1: Callable[[Tensor], Tensor]
    bn1: Callable[[Tensor], Tensor]
    act1: Callable[[Tensor], Tensor]
    maxpool: Callable[[Tensor], Tensor]
    layer1: Callable[[Tensor], Tensor]
    layer2: Callable[[Tensor], Tensor]
    layer3: Callable[[Tensor], Tensor]
    layer4: Callable[[Tensor], Tensor]
    feature_info: Sequence[Mapping[str, Any]]


class _Attention(Protocol):
    """The attention of a block of timm's plain ViTs."""

    qkv: Callable[[Tensor], Tensor]
    q_norm: Callable[[Tensor], Tensor]
    k_norm: Callable[[Tensor], Tensor]
    num_heads: int
    scale: float

    def register_forward_pre_hook(self, hook: Callable[[nn.Module, tuple[Tensor, ...]], None]) -> RemovableHandle: ...


class _Block(Protocol):
    attn: _Attention


class _ViT(Protocol):
    """The parts of timm's plain ViTs that are used here."""

    blocks: Sequence[_Block]
    embed_dim: int
    forward_features: Callable[[Tensor], Tensor]


def _is_vit(model: nn.Module) -> TypeGuard[_ViT]:
    return hasattr(model, "blocks") and hasattr(model, "cls_token") and bool(model.num_prefix_tokens == 1)


def _is_resnet(model: nn.Module) -> TypeGuard[_ResNet]:
    return all(hasattr(model, part) for part in ("conv1", "bn1", "act1", "maxpool", "layer3", "layer4"))


def _build(settings: Section, inputs: int, side: int) -> nn.Module:
    name = settings["encoder"]
    if name == "small":
        if len(settings["channels"]) < 2:
            raise InputError("mgca: mgca.image.channels needs two widths at least: of the patches and of the whole")
        return SmallEncoder(inputs, settings["channels"])
    import timm

    size: dict[str, Any] = {"img_size": side} if name.startswith(("vit", "deit")) else {}
    return build_named(
        lambda imagenet: timm.create_model(name, pretrained=imagenet, in_chans=inputs, num_classes=0, **size),
        settings,
        "mgca.image",
    )


def _widths(model: nn.Module, name: str) -> tuple[int, int]:
    """Return the widths of an image encoder's features of patches and of the whole."""
    if isinstance(model, SmallEncoder):
        return model.out_channels[-2], model.out_channels[-1]
    if _is_vit(model):
        return model.embed_dim, model.embed_dim
    if _is_resnet(model):
        widths = [entry["num_chs"] for entry in model.feature_info]
        return widths[-2], widths[-1]
    raise InputError(f"mgca: mgca.image.encoder = {name!r}; expected small, a ResNet or a plain ViT of timm")


def _vit_features(model: _ViT, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    seen: list[Tensor] = []
    attention = model.blocks[-1].attn
    hook = attention.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    try:
        tokens = model.forward_features(x)
    finally:
        hook.remove()
    return tokens[:, 0], tokens[:, 1:], _class_attention(attention, seen[0])


@torch.no_grad()
def _class_attention(attention: _Attention, x: Tensor) -> Tensor:
    """Return how much [CLS] looks at each patch, float (B, P), the mean over heads; x (B, 1 + P, F) is its input."""
    count, tokens, _ = x.shape
    query, key, _ = attention.qkv(x).view(count, tokens, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    query, key = attention.q_norm(query), attention.k_norm(key)
    scores = (query[:, :, :1] * attention.scale) @ key.transpose(2, 3)
    return scores.float().softmax(-1)[:, :, 0, 1:].mean(1)


class TextEncoder(nn.Module):
    """Captions to embeddings (B, D), of their words (B, W, D), the words' attention (B, W) and padding bool (B, W)."""

    def __init__(self, bert: BertModel, dim: int, hidden: int, frozen: bool) -> None:
        super().__init__()
        self.model = bert.requires_grad_(not frozen)
        self.global_embed = GlobalEmbedding(bert.config.hidden_size, hidden, dim)
        self.local_embed = LocalEmbedding(bert.config.hidden_size, hidden, dim)

    def forward(self, captions: Captions) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        present = (captions.words >= 0).long()
        made = self.model(captions.ids, attention_mask=present, output_attentions=True)
        looked = made.attentions[-1][:, :, 0].mean(1).detach()
        features, attention, padding = words_of(made.last_hidden_state, looked, captions.words)
        embedded = self.local_embed(features[:, 1:], padding[:, 1:])
        return self.global_embed(features[:, 0]), embedded, attention[:, 1:], padding[:, 1:]


def words_of(states: Tensor, attention: Tensor, words: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sum the pieces of each word: states (B, T, F) to (B, W, F), attention (B, T) to (B, W); and padding bool (B, W).

    words int (B, T): the word of each piece, -1 for padding. A product of matrices, because its sums have one order on
    every device.
    """
    count = int(words.max()) + 1
    member = (words[:, None] == torch.arange(count, device=words.device)[None, :, None]).to(states.dtype)
    padding = torch.arange(count, device=words.device)[None] > words.max(1, keepdim=True).values
    return member @ states, (member @ attention.to(states.dtype)[:, :, None])[:, :, 0], padding
