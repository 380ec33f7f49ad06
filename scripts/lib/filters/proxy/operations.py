"""What a proxy model is and costs, for the planner: a small one on torch's meta device, BiomedCLIP by its published shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.lib.training.operations import Shape, count, kept, size

if TYPE_CHECKING:
    from open_clip import CustomTextCLIP

BIOMEDCLIP = "hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
PUBLISHED = {
    BIOMEDCLIP: (195_902_721, 35_126_906_880.0)
}  # parameters of both towers, and operations of a film through its ViT-B/16


@kept
def _small(settings: Shape, resolution: int) -> CustomTextCLIP:
    """Return the model of the section `proxy.train`, without weights."""
    import torch
    from open_clip import CustomTextCLIP

    from scripts.lib.filters.proxy.small import clip_shape

    with torch.device("meta"):
        return CustomTextCLIP(**clip_shape(settings, settings["text"]["vocabulary"], resolution)).eval()


def parameters(model: Shape | str, resolution: int) -> int | None:
    """Return the parameters of a proxy model, `proxy.train` or a name; None for a name whose shape is not known."""
    return PUBLISHED.get(model, (None,))[0] if isinstance(model, str) else size(_small(model, resolution))


def film(model: Shape | str, resolution: int, learns: bool = False) -> float | None:
    """Return the operations of one film through the image tower; texts are a few words for a whole pool."""
    import torch

    if isinstance(model, str):
        return PUBLISHED[model][1] if model in PUBLISHED else None
    made = _small(model, resolution)
    return count(lambda: made.visual(torch.empty(1, 3, resolution, resolution, device="meta")), learns)
