"""A published MGCA checkpoint as safetensors that timm's encoders take."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from scripts.lib.core.errors import InputError
from scripts.lib.encoders.lightning import IMAGE_PREFIX, read_checkpoint, timm_names

ENCODERS = {"patch_embed.proj.weight": "vit_base_patch16_224", "layer4.2.conv3.weight": "resnet50"}


def convert(source: Path, target: Path) -> str:
    """Write the weights of checkpoint `source` to `target`; return timm's name of its image encoder.

    All weights of MGCA are kept. Raises InputError when the image encoder is neither ViT-B/16 nor ResNet-50, when its
    weights do not fit timm's, or when any weight is not finite.
    """
    state = timm_names(read_checkpoint(source))
    for key, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise InputError(f"{source}: {key} holds NaN or infinite weights; get the file again")
    name = check_encoder(state, source)
    kept = {key: value.detach().clone().contiguous() for key, value in state.items()}
    save_file(kept, target, metadata={"format": "pt"})
    return name


def check_encoder(state: dict[str, Tensor], source: Path) -> str:
    """Return timm's name of the image encoder in a state dict; raises InputError unless its keys and shapes are timm's."""
    import timm

    weights = {key.removeprefix(IMAGE_PREFIX): value for key, value in state.items() if key.startswith(IMAGE_PREFIX)}
    names = [name for key, name in ENCODERS.items() if key in weights]
    if len(names) != 1:
        raise InputError(
            f"{source}: {len(weights)} weights {IMAGE_PREFIX}*, of neither ViT-B/16 nor ResNet-50; expected a checkpoint "
            f"of MGCA with one of these encoders"
        )
    with torch.device("meta"):
        wanted = timm.create_model(names[0], num_classes=0).state_dict()
    counters = {key for key in wanted if key.endswith("num_batches_tracked")}
    for fault, keys in (("lacks", wanted.keys() - weights.keys() - counters), ("has", weights.keys() - wanted.keys())):
        if keys:
            extra = "" if fault == "lacks" else " too much"
            raise InputError(
                f"{source}: the image encoder {fault} {len(keys)} weights{extra}, first {sorted(keys)[0]!r}; "
                f"expected those of timm's {names[0]}"
            )
    for key, value in weights.items():
        if value.shape != wanted[key].shape:
            raise InputError(
                f"{source}: {IMAGE_PREFIX}{key} has shape {list(value.shape)}, expected {list(wanted[key].shape)} of "
                f"timm's {names[0]}"
            )
    return names[0]
