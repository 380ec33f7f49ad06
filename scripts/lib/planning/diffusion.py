"""The networks of a generator on torch's meta device, and the operations of what is done with them."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING

from scripts.lib.planning.networks import Shape, batch, clip_text_parameters, count, kept, size
from scripts.lib.planning.shapes import Config, generator, section_shape
from scripts.lib.study.arms import CLASS

if TYPE_CHECKING:
    import torch

HINT, GROUPS = 3, (32, 8)


class Diffusion:
    """A foundation model with a ControlNet, and the operations of one image or time step, each counted once.

    `shape` has the keys resolution, unet, vae and hint_channels. `pooled`: whether the U-Net takes the pooled text, as small
    bases do; `colours`: channels of a film.
    """

    def __init__(self, shape: Shape, pooled: bool, colours: int) -> None:
        import torch
        from diffusers import AutoencoderKL, UNet2DConditionModel

        from scripts.lib.generators.controlled.control import HintBranch, build_controlnet

        unet, vae, side = shape["unet"], shape["vae"], shape["resolution"]
        levels, widths = len(vae["channels"]), [*unet["channels"], *vae["channels"]]
        groups = next((number for number in GROUPS if all(width % number == 0 for width in widths)), 1)
        kinds = ["CrossAttnDownBlock2D" if here else "DownBlock2D" for here in unet["attention"]]
        text = {"addition_embed_type": "text", "addition_embed_type_num_heads": unet["heads"]} if pooled else {}
        with torch.device("meta"):
            self.unet = UNet2DConditionModel(
                in_channels=vae["latents"], out_channels=vae["latents"], layers_per_block=unet["layers"],
                block_out_channels=tuple(unet["channels"]), down_block_types=tuple(kinds),
                up_block_types=tuple(kind.replace("Down", "Up") for kind in reversed(kinds)),
                cross_attention_dim=unet["text"], attention_head_dim=unet["heads"], norm_num_groups=groups, **text,
            )  # fmt: skip
            self.branch = HintBranch(build_controlnet(self.unet, shape["hint_channels"], 2 ** (levels - 1)))
            self.vae = AutoencoderKL(
                in_channels=colours, out_channels=colours, layers_per_block=vae["layers"],
                block_out_channels=tuple(vae["channels"]), latent_channels=vae["latents"], norm_num_groups=groups,
                down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
                mid_block_add_attention=vae.get("attention", False),
            )  # fmt: skip
            self.latents = torch.empty(1, vae["latents"], *[side // 2 ** (levels - 1)] * 2)
            self.film, self.hint = torch.empty(1, colours, side, side), torch.empty(1, HINT, side, side)
            # Stable Diffusion reads 77 tokens; of a small base at least a few.
            self.text = torch.empty(1, 77 if unet["text"] >= 768 else 24, unet["text"])
        self.denoising = cache(self._denoising)

    def sizes(self) -> dict[str, int]:
        """Return the parameters of each network."""
        return {"unet": size(self.unet), "controlnet": size(self.branch), "vae": size(self.vae)}

    def _denoising(self, trains: tuple[str, ...] = (), *, hinted: bool = True) -> float:
        """Return the operations of a time step through U-Net and (`hinted`) ControlNet.

        With `trains` (parts) also of the gradients that reach those parts: those of a ControlNet flow back through the decoder
        of the frozen U-Net. The hint is embedded anew only where something learns, as in the trainers.
        """
        import torch

        from scripts.lib.generators.controlled.control import predict_noise

        self.unet.train().requires_grad_("unet" in trains)
        self.branch.train().requires_grad_("controlnet" in trains)
        branch, step = self.branch if hinted else None, torch.zeros(1, dtype=torch.long, device="meta")
        before = self.branch.embed(self.hint) if hinted and not trains else None

        def run() -> torch.Tensor:
            embedded = self.branch.embed(self.hint) if before is None and hinted else before
            return predict_noise(self.unet, self.latents, step, self.text, branch, embedded)

        return count(run, bool(trains))

    @cached_property
    def embedding(self) -> float:
        """Operations of embedding a hint."""
        return count(lambda: self.branch.embed(self.hint))

    @cached_property
    def encoding(self) -> float:
        """Operations of a film into its latents."""
        return count(lambda: self.vae.encode(self.film).latent_dist.mean)

    @cached_property
    def decoding(self) -> float:
        """Operations of latents into an image."""
        return count(lambda: self.vae.decode(self.latents).sample)

    @cached_property
    def coding(self) -> float:
        """Operations of training the autoencoder with a film: encoding, decoding and their gradients."""
        return count(lambda: self.vae.decode(self.vae.encode(self.film).latent_dist.mean).sample, learns=True)


_built = kept(Diffusion)


def diffusion(shape: Shape, pooled: bool = False, colours: int = 1) -> Diffusion:
    """Return the networks of a shape; it may have other keys as well."""
    return _built({key: shape[key] for key in ("resolution", "unet", "vae", "hint_channels")}, pooled, colours)


def generator_parameters(config: Config) -> dict[str, int]:
    """Return the parameters of unet, controlnet, vae and text of the configured generator."""
    small, text = config["base"]["path"] is None, config["base"]["text"]
    parts = diffusion(generator(config), pooled=small, colours=1 if small else 3).sizes()
    # Stable Diffusion 1.x has CLIP ViT-L's text encoder.
    known = (text["vocabulary"], text["max_tokens"], text["hidden"], text["layers"]) if small else (49408, 77, 768, 12)
    return parts | {"text": clip_text_parameters(*known)}


def image(unit: str, shape: Shape) -> float | None:
    """Return the operations of an image that is sampled; `unit` begins with its kind."""
    kind = unit.split()[0]
    if kind == CLASS:
        return None
    made = diffusion(shape)
    passes = 1 if kind == "mask" else 1 + shape["guided"]  # the share of steps with two passes
    steps = shape["steps"] * passes * made.denoising(hinted=kind != "text")
    return steps + (0.0 if kind == "text" else made.embedding) + made.decoding


def reconstruction(unit: str, shape: Shape) -> float:
    """Return the operations of a film through the autoencoder."""
    made = diffusion(shape)
    return made.encoding + made.decoding


def tuning(pairs: bool, unit: str, shape: Shape) -> float:
    """Return the operations of a unit (step | film | check) of the training of a generator; `pairs`: to preferences."""
    made = diffusion(shape)
    if unit == "film":
        return made.encoding
    passed = made.denoising() + made.embedding
    if unit == "check":
        return 2 * passed
    learned = made.denoising(tuple(sorted(shape.get("trains", ["controlnet"]))))
    # Both images of a pair, and both once more through the reference.
    return 2 * batch(shape) * (learned + passed) if pairs else batch(shape) * learned


def foundation(unit: str, shape: Shape) -> float | None:
    """Return the operations of a step of one part of the foundation model, or of a film; None for the text encoder."""
    part, base = unit.split()[0], section_shape(shape)
    if part == "text":
        return None
    hints = [8] * len(base["vae"]["channels"])  # no part of this training, but of every set of networks
    made = diffusion({**base, "resolution": shape["resolution"], "hint_channels": hints}, pooled=True)
    if part == "film":
        return made.encoding
    return batch(shape[part]) * (made.coding if part == "vae" else made.denoising(("unet",), hinted=False))
