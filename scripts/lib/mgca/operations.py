"""What MGCA's networks are and cost, on torch's meta device, for the planner; a BERT from elsewhere has its base size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.lib.encoders.operations import CLINICAL_WORDS, bert, reading
from scripts.lib.training.operations import Shape, count, kept, size

if TYPE_CHECKING:
    from scripts.lib.mgca.model import MGCA


@kept
def _built(settings: Shape, resolution: int) -> MGCA:
    """Return the network of the section `mgca`, without weights."""
    import torch

    from scripts.lib.mgca.model import MGCA
    from scripts.lib.mgca.pairs import input_side
    from scripts.lib.training.settings import Section

    section, text = Section({**settings, "image": {**settings["image"], "weights": None}}, "mgca"), settings["text"]
    small = (text["vocabulary"], text["max_tokens"], text["hidden"], text["layers"])
    with torch.device("meta"):
        reports = bert(CLINICAL_WORDS) if text["path"] else bert(*small)
        return MGCA(section, reports, input_side(section, resolution)).eval()


def parameters(settings: Shape, resolution: int) -> dict[str, int]:
    """Return the parameters that the section `mgca` has `trained` and `frozen`."""
    made = _built(settings, resolution)
    frozen = size(made.text_encoder_q.model) if settings["text"]["frozen"] else 0
    return {"trained": size(made) - frozen, "frozen": frozen}


def pair(settings: Shape, resolution: int) -> float:
    """Return the operations of one film and its report in training: both encoders and their gradients, not the losses."""
    import torch

    from scripts.lib.mgca.pairs import input_side
    from scripts.lib.training.settings import Section

    made, text = _built(settings, resolution), settings["text"]
    side = input_side(Section(settings, "mgca"), resolution)
    film = torch.empty(1, 1, side, side, device="meta")
    seen = count(lambda: torch.stack([part.sum() for part in made.img_encoder_q(film)[:2]]), learns=True)
    return seen + reading(made.text_encoder_q.model, text["max_tokens"], learns=not text["frozen"])
