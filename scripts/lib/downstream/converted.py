"""Classifiers that were published elsewhere, in the form of judges (judges.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.downstream.judges import Judge
from scripts.lib.downstream.models import build_model
from scripts.lib.encoders import xrv


def densenet_expert(weights: Path, resolution: int) -> Judge:
    """Return torchxrayvision's DenseNet-121 as a judge of labels that looks at images of `resolution` pixels.

    Raises InputError for a file that xrv.read_densenet refuses, or weights that do not fit a DenseNet-121.
    """
    model: dict[str, Any] = {
        "encoder": xrv.ENCODER,
        "channels": [],
        "decoder_channels": [],
        "weights": None,
        "frozen": False,
        "fold": 1,
    }
    settings: dict[str, Any] = {"task": "multilabel", "image_size": xrv.SIDE, "grey": xrv.GREY, "model": model}
    state = xrv.as_classifier(xrv.read_densenet(weights))
    network = build_model(settings, len(xrv.LABELS), resolution, 0)
    counters = {name for name in network.state_dict() if name.endswith("num_batches_tracked")}
    try:
        keys = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise InputError(f"{weights}: does not fit a DenseNet-121: {' '.join(str(error).split())[:160]}") from None
    if wrong := [*(set(keys.missing_keys) - counters), *keys.unexpected_keys]:
        raise InputError(
            f"{weights}: {len(wrong)} weights are missing or unknown, first {sorted(wrong)[0]}; expected a DenseNet-121"
        )
    return Judge(network.eval(), list(xrv.LABELS), settings, resolution)
