"""Tiny models in the layouts in which Stable Diffusion and RoentGen are published: their files, keys and names, small widths."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from scripts.lib.encoders.clip_text import save_tokenizer, train_tokenizer
from tests.helpers.diffusion_models import REPORTS

WIDTHS = [8, 8, 16, 16]
# Keys as the published files have them; what is left out there is left out here. Widths, groups and heads are small.
UNET1: dict[str, Any] = {
    "_class_name": "UNet2DConditionModel",
    "_diffusers_version": "0.2.2",
    "act_fn": "silu",
    "attention_head_dim": 2,
    "block_out_channels": WIDTHS,
    "center_input_sample": False,
    "cross_attention_dim": 24,
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 4,
    "out_channels": 4,
    "sample_size": 8,
    "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
}
UNET2 = UNET1 | {
    "_diffusers_version": "0.10.0.dev0",
    "attention_head_dim": [1, 1, 2, 2],
    "dual_cross_attention": False,
    "num_class_embeds": None,
    "only_cross_attention": False,
    "upcast_attention": True,
    "use_linear_projection": True,
}
VAE: dict[str, Any] = {
    "_class_name": "AutoencoderKL",
    "_diffusers_version": "0.2.2",
    "act_fn": "silu",
    "block_out_channels": WIDTHS,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 4,
    "out_channels": 3,
    "sample_size": 64,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
BETAS = {"beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000}
PNDM = {"_class_name": "PNDMScheduler", **BETAS, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1}
DDIM_V = {"_class_name": "DDIMScheduler", **BETAS, "clip_sample": False, "prediction_type": "v_prediction"}
OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def write_published(folder: Path, kind: str) -> Path:
    """Write a tiny model in the layout of `kind`.

    roentgen: Stable Diffusion 1.4's layout, which RoentGen was tuned in: old names of the autoencoder's attention, position ids
    among the weights, a safety checker. roentgen2: Stable Diffusion 2.1's, v-prediction, heads by level, half precision in files
    of the variant fp16 alone.
    """
    second = kind == "roentgen2"
    torch.manual_seed(3)
    tokenizer = train_tokenizer(REPORTS, 560, 12)
    text = CLIPTextModel(_text_config(len(tokenizer), "gelu" if second else "quick_gelu"))
    unet = UNet2DConditionModel.from_config(UNET2 if second else UNET1)
    vae = AutoencoderKL.from_config(VAE)
    weights = {"unet": dict(unet.state_dict()), "vae": _old_names(vae.state_dict()), "text_encoder": _wrapped(text)}
    stems = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
    for part, state in weights.items():
        (folder / part).mkdir(parents=True)
        stored = {
            name: value.half() if second and value.is_floating_point() else value for name, value in state.items()
        }
        stored = {name: value.clone().contiguous() for name, value in stored.items()}
        name = f"{stems[part]}{'.fp16' if second else ''}.safetensors"
        save_file(stored, folder / part / name, metadata={"format": "pt"})
    configs = {"unet": UNET2 if second else UNET1, "vae": VAE, "text_encoder": text.config.to_dict()}
    configs["text_encoder"] |= {"architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "eos_token_id": 2}
    for part, config in configs.items():
        (folder / part / "config.json").write_text(json.dumps(config, default=str, indent=2))
    save_tokenizer(tokenizer, folder / "tokenizer")
    (folder / "tokenizer" / "tokenizer.json").unlink()  # they have vocab.json and merges.txt
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(DDIM_V if second else PNDM))
    (folder / "model_index.json").write_text(json.dumps(_index(second)))
    return folder


def write_single_file(folder: Path, file: Path) -> Path:
    """Write the model of a published folder as one file, under the names of CompVis' or (version 2) Stability's code."""
    unet, vae, text = (
        load_file(next((folder / part).glob("*.safetensors"))) for part in ("unet", "vae", "text_encoder")
    )
    state = {f"model.diffusion_model.{_unet_name(name)}": value for name, value in unet.items()}
    for name, value in vae.items():
        new = _vae_name(name)
        conv = ".mid.attn_1." in new and new.endswith("weight") and "norm" not in new
        state[f"first_stage_model.{new}"] = value[:, :, None, None] if conv else value
    if folder.name == "roentgen2":
        state |= _open_clip(text)
    else:
        state |= {f"cond_stage_model.transformer.{name}": value for name, value in text.items()}
    state["alphas_cumprod"] = torch.linspace(1, 0, 1000)
    state = {name: value.clone().contiguous() for name, value in state.items()}
    if file.suffix == ".ckpt":
        torch.save({"epoch": 0, "global_step": 840000, "state_dict": state}, file)
    else:
        save_file(state, file)
    return file


def _open_clip(text: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a text encoder's weights as open_clip has them: projections of one layer in one matrix, and a layer more."""
    layer = "text_model.encoder.layers.0."
    projections = [f"{layer}self_attn.{name}_proj" for name in "qkv"]
    block = {
        f"attn.in_proj_{kind}": torch.cat([text[f"{name}.{kind}"] for name in projections])
        for kind in ("weight", "bias")
    }
    inner = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    inner["self_attn.out_proj"] = "attn.out_proj"
    for new, old in inner.items():
        block |= {f"{old}.{kind}": text[f"{layer}{new}.{kind}"] for kind in ("weight", "bias")}
    found = {f"transformer.resblocks.{number}.{name}": value for name, value in block.items() for number in (0, 1)}
    found["positional_embedding"] = text["text_model.embeddings.position_embedding.weight"]
    found["token_embedding.weight"] = text["text_model.embeddings.token_embedding.weight"]
    found |= {f"ln_final.{kind}": text[f"text_model.final_layer_norm.{kind}"] for kind in ("weight", "bias")}
    found["text_projection"] = torch.eye(24)
    return {f"cond_stage_model.model.{name}": value for name, value in found.items()}


def _text_config(tokens: int, activation: str) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=tokens,
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=12,
        hidden_act=activation,
        bos_token_id=tokens - 2,
        eos_token_id=tokens - 1,
    )


def _wrapped(text: CLIPTextModel) -> dict[str, torch.Tensor]:
    """Return the weights under the names of transformers 4, with the position ids that it stored."""
    state = {f"text_model.{name.removeprefix('text_model.')}": value for name, value in text.state_dict().items()}
    return state | {"text_model.embeddings.position_ids": torch.arange(12)[None]}


def _old_names(vae: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    found = {}
    for name, value in vae.items():
        for new, old in OLD_ATTENTION.items():
            if ".attentions." in name:
                name = name.replace(f".{new}.", f".{old}.")
        found[name] = value
    return found


def _index(second: bool) -> dict[str, Any]:
    parts = {"scheduler": "DDIMScheduler" if second else "PNDMScheduler", "unet": "UNet2DConditionModel"}
    parts["vae"] = "AutoencoderKL"
    index: dict[str, Any] = {part: ["diffusers", name] for part, name in parts.items()}
    index |= {"text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"]}
    if not second:
        index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
        index["feature_extractor"] = ["transformers", "CLIPFeatureExtractor"]
    return {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.2.2", **index}


RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
OUTER = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
}
OUTER |= {"conv_norm_out": "out.0", "conv_out": "out.2"}


def _unet_name(name: str) -> str:
    """Return CompVis' name of a U-Net's weight; levels have two residual blocks."""
    for new, old in OUTER.items():
        if name.startswith(f"{new}."):
            return name.replace(new, old, 1)
    part, rest = name.split(".", 1)
    if part == "mid_block":
        kind, number, inner = rest.split(".", 2)
        if kind == "attentions":
            return f"middle_block.1.{inner}"
        return f"middle_block.{2 * int(number)}.{_resnet(inner)}"
    level, kind, number, inner = rest.split(".", 3)
    down = part == "down_blocks"
    group, first = ("input_blocks", 1) if down else ("output_blocks", 0)
    place = first + 3 * int(level) + int(number)
    if kind == "resnets":
        return f"{group}.{place}.0.{_resnet(inner)}"
    if kind == "attentions":
        return f"{group}.{place}.1.{inner}"
    last = first + 3 * int(level) + 2
    if down:
        return f"{group}.{last}.0.op.{inner.removeprefix('conv.')}"
    return f"{group}.{last}.{1 if level == '0' else 2}.{inner}"  # the first level of the upper half has no attention


def _resnet(inner: str) -> str:
    head, rest = inner.split(".", 1)
    return f"{RESNET[head]}.{rest}"


def _vae_name(name: str) -> str:
    """Return CompVis' name of an autoencoder's weight."""
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{3 - int(m[1])}.block.{m[2]}", name)
    name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    name = name.replace("mid_block.attentions.0", "mid.attn_1").replace("group_norm", "norm")
    for old, new in {"query": "q", "key": "k", "value": "v", "proj_attn": "proj_out"}.items():
        name = name.replace(f"attn_1.{old}.", f"attn_1.{new}.")
    return name
