"""What the networks of a generator are, and the operations of what is done with them: on torch's meta device, for the planner.

A shape has the keys resolution, unet, vae and hint_channels, and what else of the settings decides how long a unit takes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.lib.core.errors import InputError
from scripts.lib.encoders.operations import clip_text
from scripts.lib.study.arms import CLASS
from scripts.lib.training.operations import Shape, batch, count, kept, size

if TYPE_CHECKING:
    import torch

# Stable Diffusion 1.x, the shape of RoentGen; assumed when base.path names a model that is not on this machine.
SD15 = {
    "unet": {"channels": [320, 640, 1280, 1280], "layers": 2, "attention": [True, True, True, False], "heads": 8, "text": 768},
    "vae": {"channels": [128, 256, 512, 512], "layers": 2, "latents": 4, "attention": True},
}  # fmt: skip
WITH_REFERENCE = 2  # checks that one of DPO's counts as when the reference is asked as well
WIDE = 768  # of a text in Stable Diffusion; a base with narrower ones is one that the workflow trains
CLIP = {"vocabulary": 49408, "max_tokens": 77, "hidden": 768, "layers": 12}  # its text encoder, of CLIP ViT-L


def base_shape(base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shape of the model of section `base`: of its settings, of its files, or SD15 where these are not here."""
    if base["path"] is None:
        return trained_shape(base)
    path = Path(base["path"])
    if not (path / "unet" / "config.json").is_file():
        return SD15
    try:
        unet, vae = (json.loads((path / part / "config.json").read_text()) for part in ("unet", "vae"))
        blocks = {
            "channels": unet["block_out_channels"],
            "layers": unet["layers_per_block"],
            "heads": unet["attention_head_dim"],
        }
        coder = {
            "channels": vae["block_out_channels"],
            "layers": vae["layers_per_block"],
            "latent_channels": vae["latent_channels"],
        }
        blocks["attention"] = ["CrossAttn" in kind for kind in unet["down_block_types"]]
        coder["attention"] = vae.get("mid_block_add_attention", True)  # diffusers' own default
        return trained_shape({"unet": blocks, "vae": coder, "text": {"hidden": unet["cross_attention_dim"]}})
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: unet or vae config.json is not one of Stable Diffusion ({error!r})") from None


def trained_shape(base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shape of a foundation model that the settings unet, vae and text describe."""
    unet, vae = base["unet"], base["vae"]
    blocks = {key: unet[key] for key in ("channels", "layers", "attention", "heads")}
    coder = {"channels": vae["channels"], "layers": vae["layers"], "latents": vae["latent_channels"]}
    return {
        "unet": blocks | {"text": base["text"]["hidden"]},
        "vae": coder | {"attention": vae.get("attention", True)},
    }


def shape(config: Mapping[str, Any], section: str = "controlnet", *keys: str) -> dict[str, Any]:
    """Return the shape of a study's foundation model and of a ControlNet on it, with those of these keys that a section has."""
    chosen = {key: config[section][key] for key in keys if key in config[section]}
    hints = {"hint_channels": config["controlnet"]["hint_channels"]}
    return {"resolution": config["study"]["resolution"], **base_shape(config["base"]), **hints, **chosen}


def image_shape(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shape of an image that is made: step k of n is guided if 1 - k / n lies in `guidance_interval`."""
    settings, steps = config["sampling"], config["sampling"]["steps"]
    low, high = settings["guidance_interval"]
    guided = sum(low <= 1 - step / steps <= high for step in range(steps)) if settings["guidance"] > 1 else 0
    return {**shape(config, "sampling", "solver", "steps", "micro_batch", "precision"), "guided": guided / steps}


class Networks:
    """A foundation model with a ControlNet, and the operations of one image or time step, each counted once."""

    def __init__(self, own: Shape) -> None:
        import torch
        from diffusers import AutoencoderKL, UNet2DConditionModel

        from scripts.lib.generators.controlled.control import HintBranch, build_controlnet

        unet, vae, side = own["unet"], own["vae"], own["resolution"]
        levels, small = len(vae["channels"]), unet["text"] < WIDE
        colours, latent = 1 if small else 3, side // 2 ** (levels - 1)
        kinds = ["CrossAttnDownBlock2D" if here else "DownBlock2D" for here in unet["attention"]]
        pooled = {"addition_embed_type": "text", "addition_embed_type_num_heads": unet["heads"]} if small else {}
        with torch.device("meta"):
            self.unet = UNet2DConditionModel(
                in_channels=vae["latents"], out_channels=vae["latents"], layers_per_block=unet["layers"],
                block_out_channels=tuple(unet["channels"]), down_block_types=tuple(kinds),
                up_block_types=tuple(kind.replace("Down", "Up") for kind in reversed(kinds)),
                cross_attention_dim=unet["text"], attention_head_dim=unet["heads"], norm_num_groups=1, **pooled,
            )  # fmt: skip
            self.branch = HintBranch(build_controlnet(self.unet, own["hint_channels"], 2 ** (levels - 1)))
            self.vae = AutoencoderKL(
                in_channels=colours, out_channels=colours, layers_per_block=vae["layers"],
                block_out_channels=tuple(vae["channels"]), latent_channels=vae["latents"], norm_num_groups=1,
                down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
                mid_block_add_attention=vae["attention"],
            )  # fmt: skip
            self.latents, self.film = (
                torch.empty(1, vae["latents"], latent, latent),
                torch.empty(1, colours, side, side),
            )
            self.hint, self.embedded = (
                torch.empty(1, 3, side, side),
                torch.empty(1, unet["channels"][0], latent, latent),
            )
            self.text = torch.empty(
                1, 24 if small else CLIP["max_tokens"], unet["text"]
            )  # of a small base at least a few
        self.denoising, self.coding = cache(self._denoising), cache(self._coding)

    def _denoising(self, trains: tuple[str, ...] = (), *, hinted: bool = True) -> float:
        """Return the operations of a time step through U-Net and (`hinted`) ControlNet.

        With `trains` (parts) also of the gradients that reach those parts: those of a ControlNet flow back through the decoder
        of the frozen U-Net. The hint is embedded anew only where something learns; once an image that is next to nothing.
        """
        import torch

        from scripts.lib.generators.controlled.control import predict_noise

        self.unet.train().requires_grad_("unet" in trains)
        self.branch.train().requires_grad_("controlnet" in trains)
        branch, step = self.branch if hinted else None, torch.zeros(1, dtype=torch.long, device="meta")

        def run() -> torch.Tensor:
            embedded = self.branch.embed(self.hint) if hinted and trains else self.embedded
            return predict_noise(self.unet, self.latents, step, self.text, branch, embedded)

        return count(run, bool(trains))

    def _coding(self, what: str) -> float:
        """Return the operations of `encoding` a film, of `decoding` latents, or of training with a film (`learning` both)."""
        if what == "decoding":
            return count(lambda: self.vae.decode(self.latents).sample)
        if what == "encoding":
            return count(lambda: self.vae.encode(self.film).latent_dist.mean)
        return count(lambda: self.vae.decode(self.vae.encode(self.film).latent_dist.mean).sample, learns=True)


_built = kept(Networks)


def networks(own: Shape) -> Networks:
    """Return the networks of a shape; without hint_channels with any."""
    parts = {key: own[key] for key in ("resolution", "unet", "vae")}
    return _built(parts | {"hint_channels": own.get("hint_channels") or [8] * len(own["vae"]["channels"])})


@kept
def parameters(own: Shape, text: Shape) -> dict[str, int]:
    """Return the parameters of unet, controlnet, vae and text of a shape, `text` being the section `base.text`."""
    made, encoder = networks(own), clip_text(text if own["unet"]["text"] < WIDE else CLIP)
    return {"unet": size(made.unet), "controlnet": size(made.branch), "vae": size(made.vae), "text": size(encoder)}


def image(unit: str, own: Shape) -> float | None:
    """Return the operations of an image that is sampled; `unit` begins with its kind."""
    kind = unit.split()[0]
    if kind == CLASS:
        return None
    made = networks(own)
    passes = 1 if kind == "mask" else 1 + own["guided"]  # the share of steps with two passes
    return float(own["steps"] * passes * made.denoising(hinted=kind != "text") + made.coding("decoding"))


def tuning(pairs: bool, unit: str, own: Shape) -> float:
    """Return the operations of a unit (step | film | check) of the training of a generator; `pairs`: to preferences."""
    made = networks(own)
    if unit == "film":
        return made.coding("encoding")
    if unit == "check":
        return 2 * made.denoising()
    learned = made.denoising(tuple(sorted(own.get("trains", ["controlnet"]))))
    # Both images of a pair, and both once more through the reference.
    return 2 * batch(own) * (learned + made.denoising()) if pairs else batch(own) * learned


def heldout_checks(config: Mapping[str, Any]) -> tuple[int, float]:
    """Return how often DPO's monitor judges a held-out pair, as if no two films of a set had the same score, and the share
    of these checks before the first step or after the last one.

    Every check judges each pair at every draw; the first, before the first step, also asks the reference, which counts as
    another check. At the end the best weights are judged on them once more, and, the reference asked too, on the pairs that
    are reported on.
    """
    dpo, preferences, sets = config["dpo"], config["feedback"]["preferences"], config["feedback"]["sets"]
    pairs = 1 if preferences["pairs"] == "best_worst" else math.comb(sets["images"], 2)
    raters = len(config["feedback"]["raters"]) if preferences["raters"] == "each" else 1
    judged = round(sets["sets"] * preferences["heldout"]) * pairs * raters * dpo["monitor_draws"]
    inside = math.ceil(dpo["steps"] / dpo["monitor_steps"])
    around = WITH_REFERENCE + 1 + WITH_REFERENCE * preferences["report"] / preferences["heldout"]
    return round(judged * (inside + around)), around / (inside + around)


def foundation(unit: str, own: Shape) -> float:
    """Return the operations of a step of one part of the foundation model, or of a film.

    The text encoder's own steps are a small part of the training, and count as nothing.
    """
    part = unit.split()[0]
    if part == "text":
        return 0.0
    made = networks({**trained_shape(own), "resolution": own["resolution"]})
    if part == "film":
        return made.coding("encoding")
    return batch(own[part]) * (made.coding("learning") if part == "vae" else made.denoising(("unet",), hinted=False))
